/// What a decoder found out about the series it met lately: the words that named each, and how it is stored.
///
/// A message whose subject, `exchange`, `market_type`, `symbol` and `data_type` are those of an earlier one, byte for
/// byte, is of the same series and variant, so nothing of it need be read or checked again. Each has one place by hash;
/// series that share a place push each other out and are read the long way.
struct SeriesCache: Sendable {
    /// A class, because a message hands it around and a struct of arrays costs a retain for each.
    final class Entry: Sendable {
        /// As `DecodeScratch.told` holds it.
        let told: [UInt8]
        /// The fields of exchange, market type and symbol as they stand in a row.
        let fields: [UInt8]
        /// The same three in a natural key.
        let key: [UInt8]
        let variant: Int

        init(told: [UInt8], fields: [UInt8], key: [UInt8], variant: Int) {
            self.told = told
            self.fields = fields
            self.key = key
            self.variant = variant
        }
    }

    // About as many series as the largest venues trade in a second; 60 KiB when full.
    private static let places = 256
    private var entries: [Entry?] = []

    /// The place of what is told.
    func place(_ told: RowWriter) -> Int {
        let bytes = told.storage.span.extracting(0..<told.count)
        var hash: UInt64 = 0
        var cursor = 0
        while let word = bytes.word(cursor) {
            hash = (hash ^ word) &* 0x9E37_79B9_7F4A_7C15
            hash ^= hash &>> 29
            cursor &+= 8
        }
        return Int(truncatingIfNeeded: hash &>> 48) & (Self.places - 1)
    }

    /// What is known of `told`; nil where it is new, or was pushed out.
    @inline(__always)
    func entry(_ place: Int, of told: RowWriter) -> Entry? {
        guard place < entries.count, let entry = entries[place] else { return nil }
        let known = entry.told
        return known.count == told.count && told.storage.span.holds(known.span, at: 0) ? entry : nil
    }

    mutating func remember(_ entry: Entry, at place: Int) {
        if entries.isEmpty { entries = Array(repeating: nil, count: Self.places) }
        entries[place] = entry
    }
}

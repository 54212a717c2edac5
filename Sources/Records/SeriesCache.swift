/// What a decoder found out about the series it met lately: the words that named each, and how it is stored.
///
/// A message whose subject, `exchange`, `market_type`, `symbol` and `data_type` are those of an earlier one, byte for
/// byte, is of the same series and variant, so nothing of it need be read or checked again. Each has one place by hash
/// of its subject; series that share a place push each other out and are read the long way.
struct SeriesCache: Sendable {
    /// A class, because a message hands it around and a struct of arrays costs a retain for each.
    final class Entry: Sendable {
        /// Subject, the values that named the series, its fields in a row, the same three in a natural key.
        ///
        /// One after the other, and where each ends. A value that is absent is as long as one that is empty.
        let bytes: [UInt8]
        let ends: SIMD8<Int>
        let variant: Int

        /// Takes the memory as it is: what follows the written bytes lets them be copied sixteen at a time.
        init(_ writer: RowWriter, ends: SIMD8<Int>, variant: Int) {
            bytes = writer.storage
            self.ends = ends
            self.variant = variant
        }

        /// Whether part `index` is what stands in `other[start..<end]`.
        @inline(__always)
        func has(_ index: Int, _ other: Span<UInt8>, _ start: Int, _ end: Int) -> Bool {
            let from = index == 0 ? 0 : ends[index - 1]
            guard ends[index] &- from == end &- start else { return false }
            let bytes = self.bytes
            return other.holds(bytes.span.extracting(from..<ends[index]), at: start)
        }
    }

    /// The values that name a series, beside the subject.
    static let slots = [
        DecodePlan.Common.exchange, DecodePlan.Common.marketType, DecodePlan.Common.symbol, DecodePlan.Common.dataType,
    ]
    // About as many series as the largest venues trade in a second; 100 KiB when full.
    private static let places = 256
    private var entries: [Entry?] = []

    /// The place of a subject.
    func place(_ subject: Span<UInt8>) -> Int {
        var hash = UInt64(truncatingIfNeeded: subject.count)
        var cursor = 0
        while let word = subject.word(cursor) {
            hash = (hash ^ word) &* 0x9E37_79B9_7F4A_7C15
            hash ^= hash &>> 29
            cursor &+= 8
        }
        if let word = subject.word(subject.count &- 8) { hash = (hash ^ word) &* 0x9E37_79B9_7F4A_7C15 }
        return Int(truncatingIfNeeded: hash &>> 48) & (Self.places - 1)
    }

    /// The series at a place, which may be another one.
    func entry(_ place: Int) -> Entry? { place < entries.count ? entries[place] : nil }

    mutating func remember(_ entry: Entry, at place: Int) {
        if entries.isEmpty { entries = Array(repeating: nil, count: Self.places) }
        entries[place] = entry
    }
}

/// What a record is of: exchange and market type in the one spelling that is stored, whatever generation wrote them.
enum MarketType: UInt8, Sendable {
    case spot, perpetual, options

    /// Reads any spelling of the wire; nil outside the vocabulary, never silently `spot`.
    init?(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) {
        switch ShortText(lowercasing: bytes, start, end) {
        case Self.spotText: self = .spot
        case Self.optionsText: self = .options
        case let text where Self.perpetualTexts.contains(text): self = .perpetual
        default: return nil
        }
    }

    func append(to out: inout RowWriter) { out.append(contentsOf: Self.stored[Int(rawValue)]) }

    private static let spotText = ShortText("spot")
    private static let optionsText = ShortText("options")
    private static let perpetualTexts = ["perpetual", "swap", "futures", "future", "perp", "derivatives"].map {
        ShortText($0)
    }
    fileprivate static let stored = ["spot", "perpetual", "options"].map { Array($0.utf8) }
}

/// Venue names and symbols, checked and folded.
enum SeriesName {
    /// Appends the venue in lower case without a `_spot`, `_perpetual`, `_swap`, `_futures` or `_derivatives` behind
    /// it.
    ///
    /// Returns whether the name said derivatives, or nil for what is not a venue name: 1 to 64 of `a-z 0-9 - _`.
    static func appendExchange(_ bytes: Span<UInt8>, _ start: Int, _ end: Int, to out: inout RowWriter) -> Bool? {
        guard end > start, end - start <= 64 else { return nil }
        var underscore = -1
        for index in start..<end {
            let byte = bytes[index]
            switch byte {
            case 0x61...0x7A, 0x30...0x39, 0x2D, 0x41...0x5A: break
            case 0x5F: underscore = index
            default: return nil
            }
        }
        var length = end
        var isDerivatives = false
        if underscore > start {
            let suffix = ShortText(lowercasing: bytes, underscore + 1, end)
            isDerivatives = derivativeSuffixes.contains(suffix)
            if isDerivatives || suffix == spotSuffix { length = underscore }
        }
        let from = out.count
        out.append(bytes, start, length)
        out.lowercase(from: from)
        return isDerivatives
    }

    /// Appends a symbol in upper case; false unless it is 1 to `limit` of `A-Z 0-9 - _`.
    static func appendSymbol(
        _ bytes: Span<UInt8>,
        _ start: Int,
        _ end: Int,
        limit: Int,
        to out: inout RowWriter
    ) -> Bool {
        guard end > start, end - start <= limit else { return false }
        var isFolded = true
        for index in start..<end {
            switch bytes[index] {
            case 0x41...0x5A, 0x30...0x39, 0x2D, 0x5F: break
            case 0x61...0x7A: isFolded = false
            default: return false
            }
        }
        guard !isFolded else {
            out.append(bytes, start, end)
            return true
        }
        for index in start..<end { out.append(bytes[index] >= 0x61 ? bytes[index] - 0x20 : bytes[index]) }
        return true
    }

    private static let spotSuffix = ShortText("spot")
    private static let derivativeSuffixes = ["derivatives", "perpetual", "swap", "futures"].map { ShortText($0) }
}

/// The one spelling in which names of a series are stored, of any that is on the wire; nil for what no row can have.
package enum StoredName {
    package static let marketTypes = MarketType.stored.map { String(decoding: $0, as: UTF8.self) }

    package static func exchange(_ text: String) -> String? {
        let bytes = Array(text.utf8)
        var out = RowWriter()
        guard SeriesName.appendExchange(bytes.span, 0, bytes.count, to: &out) != nil else { return nil }
        return String(decoding: out.bytes, as: UTF8.self)
    }

    package static func marketType(_ text: String) -> String? {
        let bytes = Array(text.utf8)
        return MarketType(bytes.span, 0, bytes.count).map { marketTypes[Int($0.rawValue)] }
    }

    package static func symbol(_ text: String) -> String? {
        let bytes = Array(text.utf8)
        var out = RowWriter()
        let limit = DecodeLimits().symbolLength
        guard SeriesName.appendSymbol(bytes.span, 0, bytes.count, limit: limit, to: &out) else { return nil }
        return String(decoding: out.bytes, as: UTF8.self)
    }
}

/// A word of up to 16 bytes as one number: compared without loops or allocations.
struct ShortText: Hashable, Sendable {
    private let bits: UInt128

    init(_ text: String) {
        precondition(text.utf8.count <= 16, "a short text has at most 16 bytes")
        bits = text.utf8.reduce(0) { $0 << 8 | UInt128($1) }
    }

    /// Longer text is no known word.
    init(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) {
        guard end - start <= 16 else {
            bits = .max
            return
        }
        var bits: UInt128 = 0
        for index in start..<end { bits = bits << 8 | UInt128(bytes[index]) }
        self.bits = bits
    }

    /// ASCII letters folded.
    init(lowercasing bytes: Span<UInt8>, _ start: Int, _ end: Int) {
        guard end - start <= 16 else {
            bits = .max
            return
        }
        var bits: UInt128 = 0
        for index in start..<end {
            let byte = bytes[index]
            bits = bits << 8 | UInt128(byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte)
        }
        self.bits = bits
    }
}

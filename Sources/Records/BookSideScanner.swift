/// One side of an order book → the texts of two lists of decimals, best first as sent.
///
/// A level is `["price","quantity"]` or `{"price":…,"quantity":…}`; the whole side may also be a string that holds such
/// JSON. One bad level refuses the whole book. The first pass reads the levels as it meets them, so that the largest
/// messages are looked at once.
struct BookSideScanner {
    let plan: DecodePlan
    let limits: DecodeLimits
    /// The payload's key.
    let slot: Int

    /// Reads the levels at the scanner's position, an array, and moves behind it.
    func read(
        _ bytes: Span<UInt8>,
        _ scanner: inout JSONScanner,
        into side: inout DecodeScratch.Side
    ) throws(DecodeError) {
        side.count = 0
        side.prices.removeAll()
        side.quantities.removeAll()
        guard try scanner.begin(0x5B, bytes) else { return }
        repeat {
            side.count += 1
            guard side.count <= limits.levels else {
                throw DecodeError(.tooManyLevels, at: scanner.position, "\(name) has more than \(limits.levels) levels")
            }
            switch scanner.peek(bytes) {
            case 0x5B: try readPair(bytes, &scanner, into: &side)
            case 0x7B: try readObject(bytes, &scanner, into: &side)
            default: throw invalid(scanner)
            }
        } while try scanner.more(0x5D, bytes)
        // The comma that nothing follows.
        side.prices.truncate(to: side.prices.count - 1)
        side.quantities.truncate(to: side.quantities.count - 1)
    }

    /// Reads a side that is text.
    func read(text value: JSONValue, _ payload: Span<UInt8>, into side: inout DecodeScratch.Side) throws(DecodeError) {
        guard value.kind == .string else { throw FieldEncoder.wrongKind(value, name, "a list of levels") }
        let text = try JSONCanonical.text(payload, value)
        var scanner = JSONScanner(depth: limits.depth)
        try read(text.span, &scanner, into: &side)
        try scanner.expectEnd(text.span)
    }

    private var name: String { plan.keys.name(slot) }

    @inline(__always)
    private func readPair(
        _ bytes: Span<UInt8>,
        _ scanner: inout JSONScanner,
        into side: inout DecodeScratch.Side
    ) throws(DecodeError) {
        guard try scanner.begin(0x5B, bytes) else { throw invalid(scanner) }
        try readNumber(bytes, &scanner, to: &side.prices)
        guard try scanner.more(0x5D, bytes) else { throw invalid(scanner) }
        try readNumber(bytes, &scanner, to: &side.quantities)
        guard try !scanner.more(0x5D, bytes) else { throw invalid(scanner) }
    }

    /// A number in quotes and in place, as nearly all are, is measured at once; what is not one goes the long way.
    @inline(__always)
    private func readNumber(
        _ bytes: Span<UInt8>,
        _ scanner: inout JSONScanner,
        to out: inout RowWriter
    ) throws(DecodeError) {
        if scanner.peek(bytes) == 0x22,
            let decimal = DecimalText(startingAt: scanner.position + 1, of: bytes, digits: limits.digits),
            decimal.end < bytes.count, bytes[decimal.end] == 0x22, !decimal.isNegative
        {
            scanner.position = decimal.end + 1
            decimal.appendText(bytes, then: PackedDecimals.comma, to: &out)
            return
        }
        try append(scanner.value(bytes), bytes, to: &out)
    }

    private func readObject(
        _ bytes: Span<UInt8>,
        _ scanner: inout JSONScanner,
        into side: inout DecodeScratch.Side
    ) throws(DecodeError) {
        var price: JSONValue?
        var quantity: JSONValue?
        guard try scanner.begin(0x7B, bytes) else { throw invalid(scanner) }
        repeat {
            let key = try scanner.key(bytes)
            let value = try scanner.value(bytes)
            switch try name(key, bytes) {
            case Self.price where price == nil: price = value
            case Self.quantity where quantity == nil: quantity = value
            // A level has no room for what else it says, and a repeated key says two things.
            default: guard value.kind == .null else { throw invalid(scanner) }
            }
        } while try scanner.more(0x7D, bytes)
        guard let price, let quantity else { throw invalid(scanner) }
        try append(price, bytes, to: &side.prices)
        try append(quantity, bytes, to: &side.quantities)
    }

    private static let price = ShortText("price")
    private static let quantity = ShortText("quantity")

    private func name(_ key: JSONValue, _ bytes: Span<UInt8>) throws(DecodeError) -> ShortText {
        guard key.isEscaped else { return ShortText(bytes, key.start, key.end) }
        let text = try JSONCanonical.text(bytes, key)
        return ShortText(text.span, 0, text.count)
    }

    private func append(_ value: JSONValue, _ bytes: Span<UInt8>, to out: inout RowWriter) throws(DecodeError) {
        guard value.kind == .number || value.kind == .string else {
            throw FieldEncoder.wrongKind(value, name, "a list of levels with price and quantity")
        }
        if value.isEscaped {
            let text = try JSONCanonical.text(bytes, value)
            try append(text.span, 0, text.count, at: value.start, to: &out)
        } else {
            try append(bytes, value.start, value.end, at: value.start, to: &out)
        }
    }

    private func append(
        _ bytes: Span<UInt8>,
        _ start: Int,
        _ end: Int,
        at offset: Int,
        to out: inout RowWriter
    ) throws(DecodeError) {
        let decimal = try DecimalText(bytes, start, end, digits: limits.digits)
        guard !decimal.isNegative else {
            throw DecodeError(.negativeNumber, at: offset, "\(name) has a negative price or quantity")
        }
        decimal.appendText(bytes, then: PackedDecimals.comma, to: &out)
    }

    private func invalid(_ scanner: JSONScanner) -> DecodeError {
        DecodeError(.invalidBook, at: scanner.position, "\(name) has a level that is not one price and one quantity")
    }
}

/// What a NATS subject says of its messages: `{type}.{exchange}.{market_type}.{symbol}`.
///
/// Generation A puts the variant before the symbol: `lsr-data.{exchange}.{market_type}.top-position.{symbol}`.
struct SubjectName {
    /// Which of the type's patterns it matches.
    let pattern: Int
    /// Index into the plan's variants; nil where the subject names none.
    let variant: Int?
    /// Nil where the token is empty.
    let marketType: MarketType?
    /// Where the exchange ends and the symbol begins in the bytes that `init` appended.
    let exchangeEnd: Int

    /// Reads a subject and appends its normalised exchange and symbol to `out`, which is empty.
    init(_ bytes: Span<UInt8>, plan: DecodePlan, symbolLength: Int, to out: inout RowWriter) throws(DecodeError) {
        var ends = (0, 0, 0, 0)
        var dots = 0
        for index in 0..<bytes.count where bytes[index] == 0x2E {
            switch dots {
            case 0: ends.0 = index
            case 1: ends.1 = index
            case 2: ends.2 = index
            case 3: ends.3 = index
            default: throw Self.unknown("a subject of more than five tokens")
            }
            dots += 1
        }
        guard dots >= 3 else { throw Self.unknown("a subject of fewer than four tokens") }
        guard let pattern = plan.pattern(bytes, 0, ends.0) else { throw plan.foreign(bytes, ends.0) }
        self.pattern = pattern
        var symbolStart = ends.2 + 1
        if dots == 4 {
            guard plan.patterns[pattern].variant == nil, let named = plan.variant(bytes, symbolStart, ends.3) else {
                throw Self.unknown("a subject of five tokens without a variant")
            }
            variant = named
            symbolStart = ends.3 + 1
        } else {
            variant = plan.patterns[pattern].variant
        }
        guard let isDerivatives = SeriesName.appendExchange(bytes, ends.0 + 1, ends.1, to: &out) else {
            throw DecodeError(.invalidExchange, "the subject names no venue")
        }
        exchangeEnd = out.count
        if ends.2 > ends.1 + 1 {
            guard let marketType = MarketType(bytes, ends.1 + 1, ends.2) else {
                throw DecodeError(.invalidMarketType, "the subject names no market type")
            }
            self.marketType = marketType
        } else {
            marketType = isDerivatives ? .perpetual : nil
        }
        guard SeriesName.appendSymbol(bytes, symbolStart, bytes.count, limit: symbolLength, to: &out) else {
            throw DecodeError(.invalidSymbol, "the subject names no symbol")
        }
    }

    private static func unknown(_ detail: String) -> DecodeError { DecodeError(.unknownSubject, detail) }
}

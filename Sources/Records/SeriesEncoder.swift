/// Writes exchange, market type and symbol: from the payload, else from the subject, and never where the two disagree.
struct SeriesEncoder {
    let plan: DecodePlan
    let limits: DecodeLimits

    func append(
        _ payload: Span<UInt8>,
        _ subject: SubjectName,
        to scratch: inout DecodeScratch
    ) throws(DecodeError) {
        let saysDerivatives = try appendExchange(payload, subject, to: &scratch)
        try appendMarketType(payload, subject, saysDerivatives, to: &scratch)
        try appendSymbol(payload, subject, to: &scratch)
    }

    /// The text of a key that is neither absent, null nor empty.
    private func text(_ slot: Int, _ name: String, _ scratch: DecodeScratch) throws(DecodeError) -> JSONValue? {
        guard let value = scratch.value(slot) else { return nil }
        guard value.kind == .string else { throw FieldEncoder.wrongKind(value, name, "text") }
        return value.end > value.start ? value : nil
    }

    /// Returns whether the payload's venue name says derivatives.
    private func appendExchange(
        _ payload: Span<UInt8>,
        _ subject: SubjectName,
        to scratch: inout DecodeScratch
    ) throws(DecodeError) -> Bool {
        let start = scratch.row.beginField()
        var saysDerivatives: Bool? = false
        if let value = try text(DecodePlan.Common.exchange, "exchange", scratch) {
            if value.isEscaped {
                let text = try JSONCanonical.text(payload, value)
                saysDerivatives = SeriesName.appendExchange(text.span, 0, text.count, to: &scratch.row)
            } else {
                saysDerivatives = SeriesName.appendExchange(payload, value.start, value.end, to: &scratch.row)
            }
            guard saysDerivatives != nil else {
                throw DecodeError(.invalidExchange, at: value.start, "exchange is not a venue name")
            }
            try expectSame(scratch, start, 0, subject.exchangeEnd, "exchange", at: value.start)
        } else {
            let subjectBytes = scratch.subject.storage
            scratch.row.append(subjectBytes.span, 0, subject.exchangeEnd)
        }
        scratch.row.endField(start)
        return saysDerivatives ?? false
    }

    private func appendMarketType(
        _ payload: Span<UInt8>,
        _ subject: SubjectName,
        _ saysDerivatives: Bool,
        to scratch: inout DecodeScratch
    ) throws(DecodeError) {
        let start = scratch.row.beginField()
        let told = subject.marketType
        var marketType = told ?? (saysDerivatives ? .perpetual : nil)
        if let value = try text(DecodePlan.Common.marketType, "market_type", scratch) {
            guard let own = try Self.marketType(value, payload) else {
                throw DecodeError(.invalidMarketType, at: value.start, "market_type is outside its vocabulary")
            }
            let isMistake = plan.patterns[subject.pattern].mistakesOptions && told == .perpetual && own == .options
            guard told == nil || told == own || isMistake else {
                throw DecodeError(.subjectDisagrees, at: value.start, "subject and payload name different market types")
            }
            marketType = own
        }
        guard let marketType else { throw DecodeError(.missingValue, "market_type is missing") }
        marketType.append(to: &scratch.row)
        scratch.row.endField(start)
    }

    private static func marketType(_ value: JSONValue, _ payload: Span<UInt8>) throws(DecodeError) -> MarketType? {
        guard value.isEscaped else { return MarketType(payload, value.start, value.end) }
        let text = try JSONCanonical.text(payload, value)
        return MarketType(text.span, 0, text.count)
    }

    private func appendSymbol(
        _ payload: Span<UInt8>,
        _ subject: SubjectName,
        to scratch: inout DecodeScratch
    ) throws(DecodeError) {
        let start = scratch.row.beginField()
        if let value = try text(DecodePlan.Common.symbol, "symbol", scratch) {
            let limit = limits.symbolLength
            let isSymbol: Bool
            if value.isEscaped {
                let text = try JSONCanonical.text(payload, value)
                isSymbol = SeriesName.appendSymbol(text.span, 0, text.count, limit: limit, to: &scratch.row)
            } else {
                isSymbol = SeriesName.appendSymbol(payload, value.start, value.end, limit: limit, to: &scratch.row)
            }
            guard isSymbol else { throw DecodeError(.invalidSymbol, at: value.start, "symbol is not a symbol") }
            try expectSame(scratch, start, subject.exchangeEnd, scratch.subject.count, "symbol", at: value.start)
        } else {
            let subjectBytes = scratch.subject.storage
            scratch.row.append(subjectBytes.span, subject.exchangeEnd, scratch.subject.count)
        }
        scratch.row.endField(start)
    }

    /// What the payload says, from `start` in the row, is what the subject said.
    private func expectSame(
        _ scratch: DecodeScratch,
        _ start: Int,
        _ from: Int,
        _ end: Int,
        _ name: String,
        at offset: Int
    ) throws(DecodeError) {
        let row = scratch.row.storage.span
        let subject = scratch.subject.storage.span
        var isSame = scratch.row.count - start == end - from
        var index = from
        while isSame, index < end {
            isSame = row[start + index - from] == subject[index]
            index += 1
        }
        guard isSame else {
            throw DecodeError(.subjectDisagrees, at: offset, "subject and payload name different values of \(name)")
        }
    }
}

/// One JSON value → one field of a COPY tuple, exact or refused.
struct FieldEncoder: Sendable {
    let plan: DecodePlan
    let limits: DecodeLimits
    /// No time is before this: never 1970.
    let earliest: Timestamp
    /// How far an event time may lie behind the stream time.
    let maxAheadMicros: Int64

    /// Times other than the event time: never beyond what an instrument's life explains.
    private static let tenYears: Int64 = 3_652 * 86_400_000_000

    init(plan: DecodePlan, limits: DecodeLimits) {
        self.plan = plan
        self.limits = limits
        let day = CivilDate(year: Int64(limits.earliestYear), month: 1, day: 1)
        earliest = Timestamp(milliseconds: (day?.daysSince1970 ?? 0) * 86_400_000)
        maxAheadMicros = limits.maxAhead.components.seconds * 1_000_000
    }

    /// Appends the field; `now` is the stream time.
    func append(
        _ column: DecodePlan.ColumnPlan,
        _ value: JSONValue,
        _ payload: Span<UInt8>,
        now: Timestamp,
        to out: inout RowWriter
    ) throws(DecodeError) {
        switch column.kind {
        case .decimal:
            let start = out.beginField()
            try appendDecimal(value, column, payload, as: .numeric, to: &out)
            out.endField(start)
        case .text: try appendText(value, column, payload, to: &out)
        case .integer: out.appendInteger(try integer(value, column, payload))
        case .boolean:
            guard value.kind == .true || value.kind == .false else {
                throw Self.wrongKind(value, plan.name(column), "true or false")
            }
            out.appendBoolean(value.kind == .true)
        case .timestamp:
            guard let time = try timestamp(value, payload) else { throw Self.notATime(value, plan.name(column)) }
            guard time >= earliest, time <= now.advanced(byMicros: Self.tenYears) else {
                throw DecodeError(.timeOutOfRange, at: value.start, "\(plan.name(column)) is out of range")
            }
            out.appendTimestamp(time)
        case .decimals: try appendDecimals(value, column, payload, to: &out)
        case .json:
            let start = out.beginField()
            out.append(1)
            out.append(contentsOf: try JSONCanonical(depth: limits.depth, digits: limits.digits).value(payload, value))
            out.endField(start)
        }
    }

    private enum DecimalForm { case numeric, listElement }

    /// Appends a number without a field's length: a `numeric`, or its text and a comma.
    private func appendDecimal(
        _ value: JSONValue,
        _ column: DecodePlan.ColumnPlan,
        _ payload: Span<UInt8>,
        as form: DecimalForm,
        to out: inout RowWriter
    ) throws(DecodeError) {
        guard value.kind == .number || value.kind == .string else {
            throw Self.wrongKind(value, plan.name(column), "a decimal number")
        }
        do throws(DecodeError) {
            guard value.isEscaped else {
                return try append(payload, value.start, value.end, column, as: form, to: &out)
            }
            let text = try JSONCanonical.text(payload, value)
            try append(text.span, 0, text.count, column, as: form, to: &out)
        } catch {
            throw DecodeError(error.reason, at: value.start, "\(plan.name(column)): \(error.detail)")
        }
    }

    private func append(
        _ bytes: Span<UInt8>,
        _ start: Int,
        _ end: Int,
        _ column: DecodePlan.ColumnPlan,
        as form: DecimalForm,
        to out: inout RowWriter
    ) throws(DecodeError) {
        let decimal = try DecimalText(bytes, start, end, digits: limits.digits)
        if case .nonNegative = column.rule, decimal.isNegative {
            throw DecodeError(.negativeNumber, "cannot be negative")
        }
        switch form {
        case .numeric: decimal.appendNumeric(bytes, to: &out)
        case .listElement: decimal.appendText(bytes, then: PackedDecimals.comma, to: &out)
        }
    }

    private func appendText(
        _ value: JSONValue,
        _ column: DecodePlan.ColumnPlan,
        _ payload: Span<UInt8>,
        to out: inout RowWriter
    ) throws(DecodeError) {
        guard value.kind == .string else { throw Self.wrongKind(value, plan.name(column), "text") }
        let start = out.beginField()
        if value.isEscaped {
            out.append(contentsOf: try JSONCanonical.text(payload, value))
        } else {
            out.append(payload, value.start, value.end)
        }
        let length = out.count - start
        guard length > 0 || column.isNullable else {
            throw DecodeError(.missingValue, at: value.start, "\(plan.name(column)) is empty")
        }
        guard length <= limits.textBytes else {
            let detail = "\(plan.name(column)) has more than \(limits.textBytes) bytes"
            throw DecodeError(.textTooLong, at: value.start, detail)
        }
        if case .oneOf(let vocabulary) = column.rule {
            out.lowercase(from: start)
            guard plan.vocabularies[vocabulary].contains(ShortText(out.storage.span, start, out.count)) else {
                throw DecodeError(.valueNotAllowed, at: value.start, "\(plan.name(column)) is outside its vocabulary")
            }
        }
        out.endField(start)
    }

    /// Exact, also of an integral float or an exponent.
    private func integer(
        _ value: JSONValue,
        _ column: DecodePlan.ColumnPlan,
        _ payload: Span<UInt8>
    ) throws(DecodeError) -> Int64 {
        guard value.kind == .number || value.kind == .string else {
            throw Self.wrongKind(value, plan.name(column), "an integer")
        }
        var result: Int64?
        if value.isEscaped {
            let text = try JSONCanonical.text(payload, value)
            result = try DecimalText(text.span, 0, text.count, digits: limits.digits).integer(text.span)
        } else {
            result = try DecimalText(payload, value.start, value.end, digits: limits.digits).integer(payload)
        }
        guard let result else {
            throw DecodeError(.invalidInteger, at: value.start, "\(plan.name(column)) is not an integer of 64 bits")
        }
        return result
    }

    /// A time in any form of the wire: a number of seconds to nanoseconds, its digits as text, or ISO 8601; nil for
    /// what is none.
    func timestamp(_ value: JSONValue, _ payload: Span<UInt8>) throws(DecodeError) -> Timestamp? {
        guard value.kind == .number || value.kind == .string else { return nil }
        guard value.isEscaped else { return timestamp(payload, value.start, value.end) }
        let text = try JSONCanonical.text(payload, value)
        return timestamp(text.span, 0, text.count)
    }

    private func timestamp(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Timestamp? {
        if let time = Timestamp(digits: bytes, start, end) { return time }
        // ISO 8601 has its first hyphen after four digits.
        if end - start > 4, bytes[start + 4] == 0x2D, bytes[start] != 0x2D {
            return Timestamp(iso8601: bytes, start, end)
        }
        do throws(DecodeError) {
            return Timestamp(number: try DecimalText(bytes, start, end, digits: limits.digits), bytes)
        } catch {
            // No number either; the caller says of what time.
            return nil
        }
    }

    static func notATime(_ value: JSONValue, _ name: String) -> DecodeError {
        guard value.kind == .number || value.kind == .string else { return wrongKind(value, name, "a time") }
        return DecodeError(.invalidTime, at: value.start, "\(name) is not a time")
    }

    private func appendDecimals(
        _ value: JSONValue,
        _ column: DecodePlan.ColumnPlan,
        _ payload: Span<UInt8>,
        to out: inout RowWriter
    ) throws(DecodeError) {
        guard value.kind == .array else { throw Self.wrongKind(value, plan.name(column), "a list of decimal numbers") }
        var scanner = JSONScanner(at: value.start, depth: limits.depth)
        var list = RowWriter()
        var count = 0
        if try scanner.begin(0x5B, payload) {
            repeat {
                count += 1
                guard count <= limits.levels else {
                    throw DecodeError(.tooManyLevels, at: value.start, "\(plan.name(column)) has too many elements")
                }
                try appendDecimal(try scanner.value(payload), column, payload, as: .listElement, to: &list)
            } while try scanner.more(0x5D, payload)
        }
        // The comma that nothing follows.
        if count > 0 { list.truncate(to: list.count - 1) }
        let start = out.beginField()
        PackedDecimals.append(list, to: &out)
        out.endField(start)
    }

    static func wrongKind(_ value: JSONValue, _ name: String, _ expected: String) -> DecodeError {
        DecodeError(.wrongKind, at: value.start, "\(name) is not \(expected)")
    }
}

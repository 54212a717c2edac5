/// One JSON value → one field of a COPY tuple, exact or refused.
struct FieldEncoder: Sendable {
    let limits: DecodeLimits

    /// Times other than the event time: never 1970, never beyond what an instrument's life explains.
    private static let earliest = Timestamp(milliseconds: 1_230_768_000_000)
    private static let tenYears: Int64 = 3_652 * 86_400_000_000

    /// Appends the field; `now` is the stream time.
    func append(
        _ column: DecodePlan.ColumnPlan,
        _ value: JSONValue,
        _ payload: Span<UInt8>,
        now: Timestamp,
        to out: inout RowWriter
    ) throws(DecodeError) {
        switch column.kind {
        case .decimal: try appendDecimal(value, column, payload, to: &out)
        case .text: try appendText(value, column, payload, to: &out)
        case .integer: out.appendInteger(try integer(value, column.name, payload))
        case .boolean:
            guard value.kind == .true || value.kind == .false else {
                throw Self.wrongKind(value, column.name, "true or false")
            }
            out.appendBoolean(value.kind == .true)
        case .timestamp:
            let time = try timestamp(value, column.name, payload)
            guard time >= Self.earliest, time <= now.advanced(byMicros: Self.tenYears) else {
                throw DecodeError(.timeOutOfRange, at: value.start, "\(column.name) is out of range")
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

    private func appendDecimal(
        _ value: JSONValue,
        _ column: DecodePlan.ColumnPlan,
        _ payload: Span<UInt8>,
        to out: inout RowWriter
    ) throws(DecodeError) {
        guard value.kind == .number || value.kind == .string else {
            throw Self.wrongKind(value, column.name, "a decimal number")
        }
        let start = out.beginField()
        if value.isEscaped {
            let text = try JSONCanonical.text(payload, value)
            try appendNumeric(text.span, 0, text.count, column, at: value.start, to: &out)
        } else {
            try appendNumeric(payload, value.start, value.end, column, at: value.start, to: &out)
        }
        out.endField(start)
    }

    /// Appends the bytes of a `numeric`, without the field's length.
    private func appendNumeric(
        _ bytes: Span<UInt8>,
        _ start: Int,
        _ end: Int,
        _ column: DecodePlan.ColumnPlan,
        at offset: Int,
        to out: inout RowWriter
    ) throws(DecodeError) {
        do throws(DecodeError) {
            let decimal = try DecimalText(bytes, start, end, digits: limits.digits)
            if case .nonNegative = column.rule, decimal.isNegative {
                throw DecodeError(.negativeNumber, at: offset, "cannot be negative")
            }
            decimal.appendNumeric(bytes, to: &out)
        } catch {
            throw DecodeError(error.reason, at: offset, "\(column.name): \(error.detail)")
        }
    }

    private func appendText(
        _ value: JSONValue,
        _ column: DecodePlan.ColumnPlan,
        _ payload: Span<UInt8>,
        to out: inout RowWriter
    ) throws(DecodeError) {
        guard value.kind == .string else { throw Self.wrongKind(value, column.name, "text") }
        let start = out.beginField()
        if value.isEscaped {
            out.append(contentsOf: try JSONCanonical.text(payload, value))
        } else {
            out.append(payload, value.start, value.end)
        }
        let length = out.count - start
        guard length > 0 || column.isNullable else {
            throw DecodeError(.missingValue, at: value.start, "\(column.name) is empty")
        }
        guard length <= limits.textBytes else {
            throw DecodeError(.textTooLong, at: value.start, "\(column.name) has more than \(limits.textBytes) bytes")
        }
        if case .oneOf(let words) = column.rule {
            out.lowercase(from: start)
            for word in words where DecodePlan.equal(word, out.storage.span, start, out.count) {
                out.endField(start)
                return
            }
            throw DecodeError(.valueNotAllowed, at: value.start, "\(column.name) is outside its vocabulary")
        }
        out.endField(start)
    }

    /// Exact, also of an integral float or an exponent.
    private func integer(_ value: JSONValue, _ name: String, _ payload: Span<UInt8>) throws(DecodeError) -> Int64 {
        guard value.kind == .number || value.kind == .string else { throw Self.wrongKind(value, name, "an integer") }
        var result: Int64?
        if value.isEscaped {
            let text = try JSONCanonical.text(payload, value)
            result = try DecimalText(text.span, 0, text.count, digits: limits.digits).integer(text.span)
        } else {
            result = try DecimalText(payload, value.start, value.end, digits: limits.digits).integer(payload)
        }
        guard let result else {
            throw DecodeError(.invalidInteger, at: value.start, "\(name) is not an integer of 64 bits")
        }
        return result
    }

    /// A time in any form of the wire: a number of seconds to nanoseconds, its digits as text, or ISO 8601.
    func timestamp(_ value: JSONValue, _ name: String, _ payload: Span<UInt8>) throws(DecodeError) -> Timestamp {
        guard value.kind == .number || value.kind == .string else { throw Self.wrongKind(value, name, "a time") }
        if value.isEscaped {
            let text = try JSONCanonical.text(payload, value)
            return try timestamp(text.span, 0, text.count, name, at: value.start)
        }
        return try timestamp(payload, value.start, value.end, name, at: value.start)
    }

    private func timestamp(
        _ bytes: Span<UInt8>,
        _ start: Int,
        _ end: Int,
        _ name: String,
        at offset: Int
    ) throws(DecodeError) -> Timestamp {
        if let time = Timestamp(digits: bytes, start, end) { return time }
        // ISO 8601 has its first hyphen after four digits.
        if end - start > 4, bytes[start + 4] == 0x2D, bytes[start] != 0x2D {
            if let time = Timestamp(iso8601: bytes, start, end) { return time }
        } else {
            do throws(DecodeError) {
                let number = try DecimalText(bytes, start, end, digits: limits.digits)
                if let time = Timestamp(number: number, bytes) { return time }
            } catch { /* no number either: said below, of the time that it should be */  }
        }
        throw DecodeError(.invalidTime, at: offset, "\(name) is not a time")
    }

    private func appendDecimals(
        _ value: JSONValue,
        _ column: DecodePlan.ColumnPlan,
        _ payload: Span<UInt8>,
        to out: inout RowWriter
    ) throws(DecodeError) {
        guard value.kind == .array else { throw Self.wrongKind(value, column.name, "a list of decimal numbers") }
        var scanner = JSONScanner(at: value.start, depth: limits.depth)
        let start = out.beginField()
        let header = NumericArray.begin(&out)
        var count = 0
        if try scanner.begin(0x5B, payload) {
            repeat {
                count += 1
                guard count <= limits.levels else {
                    throw DecodeError(.tooManyLevels, at: value.start, "\(column.name) has too many elements")
                }
                try appendDecimal(try scanner.value(payload), column, payload, to: &out)
            } while try scanner.more(0x5D, payload)
        }
        NumericArray.end(header, count: count, &out)
        out.endField(start)
    }

    static func wrongKind(_ value: JSONValue, _ name: String, _ expected: String) -> DecodeError {
        DecodeError(.wrongKind, at: value.start, "\(name) is not \(expected)")
    }
}

/// The header of a `numeric[]` of one dimension.
///
/// Source: PostgreSQL 15, src/backend/utils/adt/arrayfuncs.c, array_recv
enum NumericArray {
    private static let elementType: Int32 = 1_700

    /// Appends a header; returns where it stands.
    static func begin(_ out: inout RowWriter) -> Int {
        let header = out.count
        out.append32(1)
        out.append32(0)
        out.append32(elementType)
        out.append32(0)
        out.append32(1)
        return header
    }

    /// Fills in the number of elements; an empty array has no dimension.
    static func end(_ header: Int, count: Int, _ out: inout RowWriter) {
        guard count > 0 else {
            out.truncate(to: header + 12)
            out.patch32(0, at: header)
            return
        }
        out.patch32(count, at: header + 12)
    }
}

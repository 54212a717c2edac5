/// One JSON value as it stands in a payload.
struct JSONValue: Hashable, Sendable {
    enum Kind: UInt8, Sendable { case string, number, object, array, `true`, `false`, null }

    var kind: Kind
    /// A string with escapes: its bytes are not its text.
    var isEscaped = false
    /// The value's bytes; of a string those between its quotes.
    var start: Int
    var end: Int
}

/// A strict RFC 8259 scanner: moves over bytes, keeps nothing, allocates nothing.
///
/// It refuses whatever PostgreSQL could not store or another parser could read otherwise: bytes that are not UTF-8,
/// NUL in text, lone surrogates, leading zeros, comments, a byte order mark. The bytes are handed to each call, always
/// the same.
/// Source: https://www.rfc-editor.org/rfc/rfc8259
struct JSONScanner {
    var position: Int
    /// Levels of nesting that are still allowed.
    private var depth: Int

    init(at position: Int = 0, depth: Int) {
        self.position = position
        self.depth = depth
    }

    @inline(__always)
    mutating func skipSpace(_ bytes: Span<UInt8>) {
        // Collectors write none, so one comparison is the rule.
        if position < bytes.count, bytes[position] > 0x20 { return }
        skipWhiteSpace(bytes)
    }

    @inline(never)
    private mutating func skipWhiteSpace(_ bytes: Span<UInt8>) {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    /// The next byte that is not white space; 0 at the end.
    @inline(__always)
    mutating func peek(_ bytes: Span<UInt8>) -> UInt8 {
        skipSpace(bytes)
        return position < bytes.count ? bytes[position] : 0
    }

    /// Only white space may follow.
    mutating func expectEnd(_ bytes: Span<UInt8>) throws(DecodeError) {
        skipSpace(bytes)
        guard position == bytes.count else { throw failure("nothing but white space after the value") }
    }

    /// Enters an object or array; true when it has a first member.
    @inline(__always)
    mutating func begin(_ open: UInt8, _ bytes: Span<UInt8>) throws(DecodeError) -> Bool {
        guard peek(bytes) == open else { throw failure("an object or an array is expected") }
        guard depth > 0 else { throw DecodeError(.tooDeep, at: position, "nested too deep") }
        depth -= 1
        position += 1
        guard peek(bytes) == open + 2 else { return true }
        position += 1
        depth += 1
        return false
    }

    /// After a member: true when another follows, false when `close` ended the container.
    @inline(__always)
    mutating func more(_ close: UInt8, _ bytes: Span<UInt8>) throws(DecodeError) -> Bool {
        switch peek(bytes) {
        case 0x2C:
            position += 1
            return true
        case close:
            position += 1
            depth += 1
            return false
        default:
            throw failure("a comma or the end of the container is expected")
        }
    }

    /// A member's key and the colon after it.
    @inline(__always)
    mutating func key(_ bytes: Span<UInt8>) throws(DecodeError) -> JSONValue {
        guard peek(bytes) == 0x22 else { throw failure("a key is expected") }
        let key = try string(bytes)
        try colon(bytes)
        return key
    }

    @inline(__always)
    mutating func colon(_ bytes: Span<UInt8>) throws(DecodeError) {
        guard peek(bytes) == 0x3A else { throw failure("a colon is expected") }
        position += 1
    }

    /// Any value, checked to its end.
    @inline(__always)
    mutating func value(_ bytes: Span<UInt8>) throws(DecodeError) -> JSONValue {
        guard peek(bytes) == 0x22 else { return try otherValue(bytes) }
        // Most are text, and nearly all text is plain.
        let start = position &+ 1
        let end = bytes.endOfPlainText(start)
        guard end < bytes.count, bytes[end] == 0x22 else { return try string(bytes) }
        position = end &+ 1
        return JSONValue(kind: .string, start: start, end: end)
    }

    private mutating func otherValue(_ bytes: Span<UInt8>) throws(DecodeError) -> JSONValue {
        switch peek(bytes) {
        case 0x2D, 0x30...0x39: return try number(bytes)
        case 0x7B:
            let start = position
            try skipObject(bytes)
            return JSONValue(kind: .object, start: start, end: position)
        case 0x5B:
            let start = position
            try skipArray(bytes)
            return JSONValue(kind: .array, start: start, end: position)
        case 0x74: return try literal(bytes, [0x74, 0x72, 0x75, 0x65], .true)
        case 0x66: return try literal(bytes, [0x66, 0x61, 0x6C, 0x73, 0x65], .false)
        case 0x6E: return try literal(bytes, [0x6E, 0x75, 0x6C, 0x6C], .null)
        default: throw failure("a value is expected")
        }
    }

    private mutating func skipObject(_ bytes: Span<UInt8>) throws(DecodeError) {
        guard try begin(0x7B, bytes) else { return }
        repeat {
            _ = try key(bytes)
            _ = try value(bytes)
        } while try more(0x7D, bytes)
    }

    private mutating func skipArray(_ bytes: Span<UInt8>) throws(DecodeError) {
        guard try begin(0x5B, bytes) else { return }
        repeat { _ = try value(bytes) } while try more(0x5D, bytes)
    }

    private mutating func literal(
        _ bytes: Span<UInt8>,
        _ text: [UInt8],
        _ kind: JSONValue.Kind
    ) throws(DecodeError) -> JSONValue {
        let start = position
        for byte in text {
            guard position < bytes.count, bytes[position] == byte else { throw failure("a value is expected") }
            position += 1
        }
        return JSONValue(kind: kind, start: start, end: position)
    }

    private mutating func number(_ bytes: Span<UInt8>) throws(DecodeError) -> JSONValue {
        let start = position
        if bytes[position] == 0x2D { position += 1 }
        let integer = position
        try digits(bytes)
        if position - integer > 1, bytes[integer] == 0x30 {
            position = integer
            throw failure("a number has no leading zero")
        }
        if position < bytes.count, bytes[position] == 0x2E {
            position += 1
            try digits(bytes)
        }
        if position < bytes.count, bytes[position] | 0x20 == 0x65 {
            position += 1
            if position < bytes.count, bytes[position] == 0x2B || bytes[position] == 0x2D { position += 1 }
            try digits(bytes)
        }
        return JSONValue(kind: .number, start: start, end: position)
    }

    private mutating func digits(_ bytes: Span<UInt8>) throws(DecodeError) {
        let start = position
        position = bytes.endOfDigits(start, bytes.count)
        guard position > start else { throw failure("a digit is expected") }
    }

    /// A string, from its opening quote on.
    mutating func string(_ bytes: Span<UInt8>) throws(DecodeError) -> JSONValue {
        let start = position + 1
        var isEscaped = false
        var cursor = bytes.endOfPlainText(start)
        while cursor < bytes.count {
            switch bytes[cursor] {
            case 0x22:
                position = cursor + 1
                return JSONValue(kind: .string, isEscaped: isEscaped, start: start, end: cursor)
            case 0x5C:
                isEscaped = true
                cursor = try Self.escape(bytes, cursor)
            case 0..<0x20: throw DecodeError(.invalidJSON, at: cursor, "a control character inside a string")
            default: cursor = try UTF8Sequence.end(bytes, cursor)
            }
            cursor = bytes.endOfPlainText(cursor)
        }
        throw DecodeError(.invalidJSON, at: cursor, "a string without end")
    }

    /// The end of the escape at `offset`.
    private static func escape(_ bytes: Span<UInt8>, _ offset: Int) throws(DecodeError) -> Int {
        guard offset + 1 < bytes.count else { throw DecodeError(.invalidJSON, at: offset, "an escape cut short") }
        switch bytes[offset + 1] {
        case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74: return offset + 2
        case 0x75: break
        default: throw DecodeError(.invalidJSON, at: offset, "an unknown escape")
        }
        let unit = try hex(bytes, offset)
        guard unit != 0 else { throw DecodeError(.invalidText, at: offset, "NUL in text") }
        guard unit & 0xF800 == 0xD800 else { return offset + 6 }
        guard unit < 0xDC00, offset + 7 < bytes.count, bytes[offset + 6] == 0x5C, bytes[offset + 7] == 0x75,
            try hex(bytes, offset + 6) & 0xFC00 == 0xDC00
        else { throw DecodeError(.invalidText, at: offset, "a lone surrogate") }
        return offset + 12
    }

    /// The code unit of the `\uXXXX` at `offset`.
    static func hex(_ bytes: Span<UInt8>, _ offset: Int) throws(DecodeError) -> UInt32 {
        guard offset + 6 <= bytes.count else { throw DecodeError(.invalidJSON, at: offset, "an escape cut short") }
        var unit: UInt32 = 0
        for index in offset + 2..<offset + 6 {
            let byte = bytes[index]
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x41...0x46: digit = byte - 0x37
            case 0x61...0x66: digit = byte - 0x57
            default: throw DecodeError(.invalidJSON, at: index, "a hexadecimal digit is expected")
            }
            unit = unit << 4 | UInt32(digit)
        }
        return unit
    }

    private func failure(_ detail: String) -> DecodeError { DecodeError(.invalidJSON, at: position, detail) }
}

/// JSON in one spelling: what PostgreSQL's `jsonb` prints, with exact numbers and without their needless zeros.
///
/// Members are ordered by length of key, then bytes; equal documents are equal bytes. A key that stands twice with
/// different values is refused, because `jsonb` would keep one of them silently.
struct JSONCanonical {
    let depth: Int
    let digits: Int

    /// What a database may hold, which this program did not write: bounded by the stack and by PostgreSQL's `numeric`.
    static let stored = JSONCanonical(depth: 512, digits: 200_000)

    /// One member of an object under construction.
    struct Member {
        let key: [UInt8]
        let value: [UInt8]

        static func precedes(_ a: Member, _ b: Member) -> Bool {
            a.key.count != b.key.count ? a.key.count < b.key.count : a.key.lexicographicallyPrecedes(b.key)
        }
    }

    /// Appends the value that fills `bytes[start..<end]`.
    func append(_ bytes: Span<UInt8>, _ start: Int, _ end: Int, to out: inout [UInt8]) throws(DecodeError) {
        let part = bytes.extracting(start..<end)
        var scanner = JSONScanner(depth: depth)
        try append(part, &scanner, to: &out)
        try scanner.expectEnd(part)
    }

    /// The canonical bytes of a value that a scanner found.
    func value(_ bytes: Span<UInt8>, _ value: JSONValue) throws(DecodeError) -> [UInt8] {
        let quotes = value.kind == .string ? 1 : 0
        var out: [UInt8] = []
        try append(bytes, value.start - quotes, value.end + quotes, to: &out)
        return out
    }

    /// Appends an object with these members, each canonical already.
    func append(_ members: [Member], at offset: Int, to out: inout [UInt8]) throws(DecodeError) {
        let sorted = members.sorted(by: Member.precedes)
        var isFirst = true
        out.append(0x7B)
        for index in sorted.indices {
            if index > 0, sorted[index].key == sorted[index - 1].key {
                guard sorted[index].value == sorted[index - 1].value else {
                    throw DecodeError(.duplicateKey, at: offset, "a key stands twice with different values")
                }
                continue
            }
            if !isFirst { out.append(contentsOf: [0x2C, 0x20]) }
            isFirst = false
            Self.append(text: sorted[index].key, to: &out)
            out.append(contentsOf: [0x3A, 0x20])
            out.append(contentsOf: sorted[index].value)
        }
        out.append(0x7D)
    }

    private func append(
        _ bytes: Span<UInt8>,
        _ scanner: inout JSONScanner,
        to out: inout [UInt8]
    ) throws(DecodeError) {
        switch scanner.peek(bytes) {
        case 0x7B: try appendObject(bytes, &scanner, to: &out)
        case 0x5B: try appendArray(bytes, &scanner, to: &out)
        default:
            let value = try scanner.value(bytes)
            switch value.kind {
            case .string: Self.append(text: try Self.text(bytes, value), to: &out)
            case .number:
                var text = RowWriter()
                let decimal = try DecimalText(bytes, value.start, value.end, digits: digits)
                decimal.appendText(bytes, to: &text)
                out.append(contentsOf: text.bytes)
            default: for index in value.start..<value.end { out.append(bytes[index]) }
            }
        }
    }

    private func appendObject(
        _ bytes: Span<UInt8>,
        _ scanner: inout JSONScanner,
        to out: inout [UInt8]
    ) throws(DecodeError) {
        let start = scanner.position
        var members: [Member] = []
        if try scanner.begin(0x7B, bytes) {
            repeat {
                let key = try Self.text(bytes, scanner.key(bytes))
                var value: [UInt8] = []
                try append(bytes, &scanner, to: &value)
                members.append(Member(key: key, value: value))
            } while try scanner.more(0x7D, bytes)
        }
        try append(members, at: start, to: &out)
    }

    private func appendArray(
        _ bytes: Span<UInt8>,
        _ scanner: inout JSONScanner,
        to out: inout [UInt8]
    ) throws(DecodeError) {
        var isFirst = true
        out.append(0x5B)
        if try scanner.begin(0x5B, bytes) {
            repeat {
                if !isFirst { out.append(contentsOf: [0x2C, 0x20]) }
                isFirst = false
                try append(bytes, &scanner, to: &out)
            } while try scanner.more(0x5D, bytes)
        }
        out.append(0x5D)
    }

    /// The text of a string, its escapes resolved.
    static func text(_ bytes: Span<UInt8>, _ value: JSONValue) throws(DecodeError) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(value.end - value.start)
        var cursor = value.start
        while cursor < value.end {
            guard bytes[cursor] == 0x5C, cursor + 1 < value.end else {
                out.append(bytes[cursor])
                cursor += 1
                continue
            }
            switch bytes[cursor + 1] {
            case 0x62: out.append(0x08)
            case 0x66: out.append(0x0C)
            case 0x6E: out.append(0x0A)
            case 0x72: out.append(0x0D)
            case 0x74: out.append(0x09)
            case 0x75:
                var scalar = try JSONScanner.hex(bytes, cursor)
                if scalar & 0xFC00 == 0xD800 {
                    scalar = 0x10000 + (scalar & 0x3FF) << 10 + (try JSONScanner.hex(bytes, cursor + 6)) & 0x3FF
                    cursor += 6
                }
                append(scalar: scalar, to: &out)
                cursor += 4
            case let byte: out.append(byte)
            }
            cursor += 2
        }
        return out
    }

    private static func append(scalar: UInt32, to out: inout [UInt8]) {
        func tail(_ shift: UInt32) -> UInt8 { UInt8(truncatingIfNeeded: scalar >> shift & 0x3F | 0x80) }
        switch scalar {
        case 0..<0x80: out.append(UInt8(truncatingIfNeeded: scalar))
        case 0x80..<0x800: out.append(contentsOf: [UInt8(truncatingIfNeeded: scalar >> 6 | 0xC0), tail(0)])
        case 0x800..<0x10000:
            out.append(contentsOf: [UInt8(truncatingIfNeeded: scalar >> 12 | 0xE0), tail(6), tail(0)])
        default:
            out.append(contentsOf: [UInt8(truncatingIfNeeded: scalar >> 18 | 0xF0), tail(12), tail(6), tail(0)])
        }
    }

    /// Appends a quoted string with the escapes that PostgreSQL writes.
    private static func append(text: [UInt8], to out: inout [UInt8]) {
        let hexadecimal = Array("0123456789abcdef".utf8)
        out.append(0x22)
        for byte in text {
            switch byte {
            case 0x22, 0x5C: out.append(contentsOf: [0x5C, byte])
            case 0x08: out.append(contentsOf: [0x5C, 0x62])
            case 0x0C: out.append(contentsOf: [0x5C, 0x66])
            case 0x0A: out.append(contentsOf: [0x5C, 0x6E])
            case 0x0D: out.append(contentsOf: [0x5C, 0x72])
            case 0x09: out.append(contentsOf: [0x5C, 0x74])
            case 0..<0x20:
                out.append(contentsOf: [0x5C, 0x75, 0x30, 0x30])
                out.append(contentsOf: [hexadecimal[Int(byte >> 4)], hexadecimal[Int(byte & 15)]])
            default: out.append(byte)
            }
        }
        out.append(0x22)
    }
}

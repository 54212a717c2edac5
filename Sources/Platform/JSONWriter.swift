/// Something that can be written as one JSON value.
package protocol JSONWritable {
    func write(to json: inout JSONWriter)
}

/// The one JSON writer: appends UTF-8 text, and puts a space after every colon and comma.
///
/// Scripts grep the literal text `"status": "healthy"`, so the spacing is part of the interface. Keys come out in the
/// order in which they are written. A number that JSON cannot say (NaN, infinity) comes out as null.
package struct JSONWriter: Sendable {
    /// The text written so far.
    package private(set) var bytes: [UInt8] = []
    private let isIndented: Bool
    private var depth = 0
    private var isFirst = true
    private var isAfterKey = false

    package init(indented: Bool = false) { isIndented = indented }

    /// Returns the text of one object whose fields `body` writes.
    package static func object(indented: Bool = false, _ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var json = JSONWriter(indented: indented)
        json.object(body)
        return json.bytes
    }

    package mutating func value(_ value: some JSONWritable) { value.write(to: &self) }

    package mutating func field(_ key: String, _ value: some JSONWritable) {
        self.key(key)
        value.write(to: &self)
    }

    package mutating func object(_ body: (inout JSONWriter) -> Void) {
        nest(UInt8(ascii: "{"), UInt8(ascii: "}"), body)
    }

    package mutating func object(_ key: String, _ body: (inout JSONWriter) -> Void) {
        self.key(key)
        object(body)
    }

    package mutating func array(_ body: (inout JSONWriter) -> Void) {
        nest(UInt8(ascii: "["), UInt8(ascii: "]"), body)
    }

    package mutating func array(_ key: String, _ body: (inout JSONWriter) -> Void) {
        self.key(key)
        array(body)
    }

    package mutating func null() { literal("null") }

    /// Appends text that already is one JSON value, such as the exact digits of a number.
    package mutating func literal(_ text: String) {
        separate()
        bytes.append(contentsOf: text.utf8)
    }

    package mutating func string(_ text: String) {
        separate()
        quote(text)
    }

    private mutating func key(_ key: String) {
        precondition(!isAfterKey, "a key is followed by its value")
        separate()
        quote(key)
        bytes.append(UInt8(ascii: ":"))
        bytes.append(UInt8(ascii: " "))
        isAfterKey = true
    }

    private mutating func nest(_ open: UInt8, _ close: UInt8, _ body: (inout JSONWriter) -> Void) {
        separate()
        bytes.append(open)
        depth += 1
        isFirst = true
        body(&self)
        depth -= 1
        if isIndented, !isFirst { newline() }
        bytes.append(close)
        isFirst = false
    }

    private mutating func separate() {
        if isAfterKey {
            isAfterKey = false
            return
        }
        if !isFirst {
            bytes.append(UInt8(ascii: ","))
            if !isIndented { bytes.append(UInt8(ascii: " ")) }
        }
        if isIndented, depth > 0 { newline() }
        isFirst = false
    }

    private mutating func newline() {
        bytes.append(UInt8(ascii: "\n"))
        bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * depth))
    }

    private mutating func quote(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case UInt8(ascii: "\n"): bytes.append(contentsOf: "\\n".utf8)
            case UInt8(ascii: "\r"): bytes.append(contentsOf: "\\r".utf8)
            case UInt8(ascii: "\t"): bytes.append(contentsOf: "\\t".utf8)
            case 0..<0x20:
                bytes.append(contentsOf: byte < 0x10 ? "\\u000".utf8 : "\\u00".utf8)
                bytes.append(contentsOf: String(byte, radix: 16).utf8)
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}

extension String: JSONWritable {
    package func write(to json: inout JSONWriter) { json.string(self) }
}

extension Bool: JSONWritable {
    package func write(to json: inout JSONWriter) { json.literal(self ? "true" : "false") }
}

extension Int: JSONWritable {
    package func write(to json: inout JSONWriter) { json.literal(String(self)) }
}

extension Int64: JSONWritable {
    package func write(to json: inout JSONWriter) { json.literal(String(self)) }
}

extension UInt64: JSONWritable {
    package func write(to json: inout JSONWriter) { json.literal(String(self)) }
}

extension Double: JSONWritable {
    package func write(to json: inout JSONWriter) {
        guard isFinite else { return json.null() }
        json.literal(description)
    }
}

extension Optional: JSONWritable where Wrapped: JSONWritable {
    package func write(to json: inout JSONWriter) {
        switch self {
        case .some(let value): value.write(to: &json)
        case .none: json.null()
        }
    }
}

extension Array: JSONWritable where Element: JSONWritable {
    package func write(to json: inout JSONWriter) {
        json.array { json in for element in self { element.write(to: &json) } }
    }
}

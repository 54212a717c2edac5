/// One JSON value, as a request body carries it.
///
/// A number keeps its text, so that nothing is lost before somebody asks for a certain kind of number. Not for market
/// data: the decoder of records reads bytes without building values.
package enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case number(String)
    case string(String)
    case array([JSONValue])
    case object([Member])

    package struct Member: Sendable, Equatable {
        package let key: String
        package let value: JSONValue

        package init(_ key: String, _ value: JSONValue) {
            self.key = key
            self.value = value
        }
    }

    /// Reads one value that fills `bytes`.
    ///
    /// Strict (RFC 8259): no comments, no trailing commas, valid UTF-8, and no key twice in one object.
    package init(parsing bytes: [UInt8], limits: JSONLimits = .init()) throws(JSONError) {
        var parser = try JSONParser(bytes, limits: limits)
        self = try parser.document()
    }

    package subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    package var string: String? { if case .string(let text) = self { text } else { nil } }
    package var bool: Bool? { if case .bool(let flag) = self { flag } else { nil } }
    package var int: Int? { if case .number(let text) = self { Int(text) } else { nil } }
    package var double: Double? { if case .number(let text) = self { Double(text) } else { nil } }
    package var array: [JSONValue]? { if case .array(let values) = self { values } else { nil } }
    package var members: [Member]? { if case .object(let members) = self { members } else { nil } }
}

/// How large a JSON text may be before it is refused unread.
package struct JSONLimits: Sendable {
    package var bytes = 1 << 20
    package var depth = 32

    package init(bytes: Int = 1 << 20, depth: Int = 32) {
        self.bytes = bytes
        self.depth = depth
    }
}

/// Where a text stops being JSON, and what was expected there.
package struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Bytes from the start of the text.
    package let offset: Int
    package let detail: String

    package var description: String { "\(detail) at byte \(offset)" }
}

extension JSONValue: JSONWritable {
    package func write(to json: inout JSONWriter) {
        switch self {
        case .null: json.null()
        case .bool(let flag): json.value(flag)
        case .number(let text): json.literal(text)
        case .string(let text): json.string(text)
        case .array(let values): json.value(values)
        case .object(let members):
            json.object { json in for member in members { json.field(member.key, member.value) } }
        }
    }
}

internal import Platform

/// What somebody wrote for an option, before it is understood.
enum WrittenValue: Sendable {
    case text(String)
    case list([String])
    case null
}

/// How one kind of value is read, checked and written.
struct ValueKind<Value: Sendable>: Sendable {
    /// What is accepted, to follow "expected": `a duration from 1s to 1d`.
    let expected: String
    let read: @Sendable (WrittenValue) throws(UnitError) -> Value
    /// As YAML, for the template and for `check`.
    let write: @Sendable (Value) -> String

    /// A kind that reads one text.
    init(
        _ expected: String,
        read: @escaping @Sendable (String) throws(UnitError) -> Value,
        write: @escaping @Sendable (Value) -> String
    ) {
        self.expected = expected
        self.read = { (written) throws(UnitError) in
            switch written {
            case .text(let text): return try read(text)
            case .list: throw UnitError(description: "a list, expected \(expected)")
            case .null: throw UnitError(description: "no value, expected \(expected)")
            }
        }
        self.write = write
    }

    /// A kind that takes what was written as it is.
    init(
        _ expected: String,
        written read: @escaping @Sendable (WrittenValue) throws(UnitError) -> Value,
        write: @escaping @Sendable (Value) -> String
    ) {
        self.expected = expected
        self.read = read
        self.write = write
    }

    /// The same kind, where nothing may be said at all.
    var optional: ValueKind<Value?> {
        let kind = self
        return ValueKind<Value?>(
            expected,
            written: { (written) throws(UnitError) in
                if case .null = written { return nil }
                return try kind.read(written)
            },
            write: { $0.map(kind.write) ?? "null" }
        )
    }
}

extension ValueKind where Value == Int {
    static func integer(_ range: ClosedRange<Int>) -> Self {
        let expected = "a whole number from \(range.lowerBound) to \(range.upperBound)"
        return ValueKind(expected) { (text) throws(UnitError) in
            guard let value = Int(text), range.contains(value) else {
                throw UnitError(description: "\"\(text)\", expected \(expected)")
            }
            return value
        } write: {
            String($0)
        }
    }

    static func size(_ range: ClosedRange<Int>) -> Self {
        let bounds = (HumanUnits.format(byteCount: range.lowerBound), HumanUnits.format(byteCount: range.upperBound))
        let expected = "a size from \(bounds.0) to \(bounds.1)"
        return ValueKind(expected) { (text) throws(UnitError) in
            let value = try HumanUnits.byteCount(text)
            guard range.contains(value) else { throw UnitError(description: "\"\(text)\", expected \(expected)") }
            return value
        } write: {
            HumanUnits.format(byteCount: $0)
        }
    }
}

extension ValueKind where Value == Duration {
    static func duration(_ range: ClosedRange<Duration>) -> Self {
        let bounds = (HumanUnits.format(range.lowerBound), HumanUnits.format(range.upperBound))
        let expected = "a duration from \(bounds.0) to \(bounds.1)"
        return ValueKind(expected) { (text) throws(UnitError) in
            let value = try HumanUnits.duration(text)
            guard range.contains(value) else { throw UnitError(description: "\"\(text)\", expected \(expected)") }
            return value
        } write: {
            HumanUnits.format($0)
        }
    }
}

extension ValueKind where Value == Bool {
    static var boolean: Self {
        ValueKind("true or false") { (text) throws(UnitError) in
            switch text {
            case "true": return true
            case "false": return false
            default: throw UnitError(description: "\"\(text)\", expected true or false")
            }
        } write: {
            $0 ? "true" : "false"
        }
    }
}

extension ValueKind where Value == Double {
    /// A share of a whole, such as `20%`.
    static var share: Self {
        let expected = "a share from 0% to 100%"
        return ValueKind(expected) { (text) throws(UnitError) in
            guard text.hasSuffix("%"), let percent = Double(text.dropLast()), (0...100).contains(percent) else {
                throw UnitError(description: "\"\(text)\", expected \(expected)")
            }
            return percent / 100
        } write: {
            let percent = $0 * 100
            return percent == percent.rounded() ? "\(Int(percent))%" : "\(percent)%"
        }
    }
}

extension ValueKind where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One of the words of an enumeration.
    static var word: Self {
        let words = Value.allCases.map(\.rawValue)
        let expected = words.count == 2 ? words.joined(separator: " or ") : "one of \(words.joined(separator: ", "))"
        return ValueKind(expected) { (text) throws(UnitError) in
            guard let value = Value(rawValue: text) else {
                let hint = Nearest.suggestion(for: text, among: words)
                throw UnitError(description: "\"\(text)\", expected \(expected)\(hint)")
            }
            return value
        } write: {
            $0.rawValue
        }
    }
}

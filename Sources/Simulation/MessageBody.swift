import Records

/// A message before it is bytes: its keys in the collector's order, each with its JSON text.
struct MessageBody: Sendable {
    struct Field: Sendable {
        let key: String
        var json: String
    }
    private(set) var fields: [Field] = []

    /// Appends a key with JSON text as it is: a number, `null`, an array.
    mutating func raw(_ key: String, _ json: String) { fields.append(Field(key: key, json: json)) }

    /// Appends a key with a text that needs no escapes.
    mutating func text(_ key: String, _ value: String) { raw(key, "\"\(value)\"") }

    mutating func integer(_ key: String, _ value: Int64) { raw(key, String(value)) }

    /// Gives every key of `keys` that is here another JSON text.
    mutating func replace(_ keys: [String], with json: String) {
        for index in fields.indices where keys.contains(fields[index].key) { fields[index].json = json }
    }

    mutating func remove(_ keys: [String]) { fields.removeAll { keys.contains($0.key) } }

    /// The compact JSON object.
    var bytes: [UInt8] {
        var bytes: [UInt8] = [UInt8(ascii: "{")]
        bytes.reserveCapacity(fields.reduce(2) { $0 + $1.key.utf8.count + $1.json.utf8.count + 4 })
        for (index, field) in fields.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes.append(UInt8(ascii: "\""))
            bytes.append(contentsOf: field.key.utf8)
            bytes.append(contentsOf: [UInt8(ascii: "\""), UInt8(ascii: ":")])
            bytes.append(contentsOf: field.json.utf8)
        }
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }
}

/// Numbers and times as the collector's Python writes them.
enum PythonText {
    /// `units` times 10 to the minus `places`, all places written: `67000.10`.
    static func fixed(_ units: Int64, places: Int) -> String {
        guard places > 0 else { return String(units) }
        let digits = padded(units.magnitude, to: places + 1)
        return (units < 0 ? "-" : "") + digits.dropLast(places) + "." + digits.suffix(places)
    }

    /// The same number as a float prints: `13.0`, `0.0001`, `3.812e-05`.
    static func float(_ units: Int64, places: Int) -> String {
        let significant = String(units.magnitude)
        let exponent = significant.count - 1 - places
        let sign = units < 0 ? "-" : ""
        if units != 0, exponent < -4 {
            let mantissa = trimmed(significant.prefix(1) + "." + significant.dropFirst())
            return "\(sign)\(mantissa)e-\(padded(UInt64(-exponent), to: 2))"
        }
        let plain = trimmed(Substring(fixed(units, places: max(places, 1)).drop { $0 == "-" }))
        return sign + plain + (plain.contains(".") ? "" : ".0")
    }

    /// A time as in `2026-11-20T08:28:38.062000+00:00`.
    static func isoTime(_ milliseconds: Int64) -> String {
        Timestamp(milliseconds: milliseconds).description.dropLast() + "+00:00"
    }

    static func padded(_ value: UInt64, to width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text
        while text.last == "0" { text.removeLast() }
        if text.last == "." { text.removeLast() }
        return String(text)
    }
}

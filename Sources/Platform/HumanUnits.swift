/// A text that does not say a length of time or a number of bytes.
package struct UnitError: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String

    package init(description: String) { self.description = description }
}

/// Reads and writes what people put into configuration files: `30s`, `1h30m`, `64MiB`.
package enum HumanUnits {
    private static let microseconds: [(unit: String, size: Int64)] = [
        ("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1),
    ]
    private static let bytes: [(unit: String, size: Int64)] = [
        ("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10),
        ("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000), ("B", 1),
    ]

    /// Reads a span such as `20ms`, `3d` or `1h30m`; each unit at most once, from large to small.
    package static func duration(_ text: String) throws(UnitError) -> Duration {
        if text == "0" { return .zero }
        return .microseconds(try sum(text, microseconds, what: "a duration such as 20ms, 30s, 1h30m or 3d"))
    }

    /// Writes a span as `duration(_:)` reads it; what is finer than a microsecond is dropped.
    package static func format(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        guard seconds >= 0, attoseconds >= 0 else { return "-" + format(.zero - duration) }
        var rest = seconds * 1_000_000 + attoseconds / 1_000_000_000_000
        var text = ""
        for (unit, size) in microseconds where rest >= size {
            text += "\(rest / size)\(unit)"
            rest %= size
        }
        return text.isEmpty ? "0s" : text
    }

    /// Reads a size such as `64MiB` or `500kB`; a bare number counts bytes.
    package static func byteCount(_ text: String) throws(UnitError) -> Int {
        if let count = Int(text), count >= 0, !text.hasPrefix("+") { return count }
        return Int(try sum(text, bytes, what: "a size such as 64MiB, 500kB or 1GiB"))
    }

    /// Writes a size in the largest binary unit that leaves no remainder.
    package static func format(byteCount: Int) -> String {
        for (unit, size) in bytes.prefix(4) where byteCount != 0 && byteCount % Int(size) == 0 {
            return "\(byteCount / Int(size))\(unit)"
        }
        return "\(byteCount)B"
    }

    private static func sum(
        _ text: String,
        _ units: [(unit: String, size: Int64)],
        what: String
    ) throws(UnitError) -> Int64 {
        var rest = Substring(text)
        var allowed = units[...]
        var total: Int64 = 0
        repeat {
            let digits = rest.prefix { ("0"..."9").contains($0) }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { !("0"..."9").contains($0) }
            rest = rest.dropFirst(unit.count)
            guard !digits.isEmpty else { throw UnitError(description: "\"\(text)\" is not \(what)") }
            guard !unit.isEmpty else { throw UnitError(description: "\"\(text)\" lacks a unit; say \(what)") }
            guard let index = allowed.firstIndex(where: { $0.unit == unit }) else {
                let known = units.map(\.unit).reversed().joined(separator: ", ")
                let isKnown = units.contains { $0.unit == unit }
                throw UnitError(
                    description: isKnown
                        ? "\"\(text)\" names its units out of order; say the larger one first, each once"
                        : "\"\(text)\" has the unknown unit \"\(unit)\"; known are \(known)"
                )
            }
            let size = allowed[index].size
            allowed = allowed[(index + 1)...]
            let (product, tooLarge) = size.multipliedReportingOverflow(by: Int64(digits) ?? .max)
            let (next, overflow) = total.addingReportingOverflow(product)
            guard !tooLarge, !overflow else { throw UnitError(description: "\"\(text)\" is too large") }
            total = next
        } while !rest.isEmpty
        return total
    }
}

extension Int {
    /// For people: `12,345,678`.
    package var grouped: String {
        var text = ""
        for (index, digit) in String(magnitude).reversed().enumerated() {
            if index > 0, index % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return (self < 0 ? "-" : "") + String(text.reversed())
    }
}

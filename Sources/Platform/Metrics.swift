internal import Synchronization

/// A number that only rises.
package final class Counter: Sendable {
    private let number = Atomic<UInt64>(0)

    package init() {}

    package func add(_ amount: Int = 1) {
        precondition(amount >= 0, "a counter never falls")
        number.wrappingAdd(UInt64(amount), ordering: .relaxed)
    }

    package var value: UInt64 { number.load(ordering: .relaxed) }
}

/// A number that rises and falls.
package final class Gauge: Sendable {
    private let bits = Atomic<UInt64>(0)

    package init() {}

    package func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }

    package var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }
}

/// Every number that `/metrics` shows, in the text format of Prometheus.
///
/// Ask for a counter or gauge once, keep it, and count without a lock; asking again for the same name and labels gives
/// the same one. Names are `thermocline_<noun>_<unit>_total|seconds|bytes`; labels are `type`, `tier`, `reason` and the
/// like, never anything that a message says.
/// Source: https://prometheus.io/docs/instrumenting/exposition_formats/
package final class Metrics: Sendable {
    private enum Series: Sendable {
        case counter(Counter)
        case gauge(Gauge)
        case probe(@Sendable () -> Double?)
    }
    private struct Family: Sendable {
        let help: String
        let kind: String
        /// By rendered labels, such as `{type="trade"}`.
        var series: [String: Series] = [:]
    }
    private let families = Locked<[String: Family]>([:])

    package init() {}

    package func counter(_ name: String, _ help: String, _ labels: KeyValuePairs<String, String> = [:]) -> Counter {
        precondition(name.hasSuffix("_total"), "counters end in _total: \(name)")
        let series = register(name, help, "counter", labels) { .counter(Counter()) }
        guard case .counter(let counter) = series else { preconditionFailure("\(name) is not a counter") }
        return counter
    }

    package func gauge(_ name: String, _ help: String, _ labels: KeyValuePairs<String, String> = [:]) -> Gauge {
        let series = register(name, help, "gauge", labels) { .gauge(Gauge()) }
        guard case .gauge(let gauge) = series else { preconditionFailure("\(name) is not a plain gauge") }
        return gauge
    }

    /// Registers a gauge that is read when somebody looks; nil leaves the series out.
    package func probe(
        _ name: String,
        _ help: String,
        _ labels: KeyValuePairs<String, String> = [:],
        _ read: @escaping @Sendable () -> Double?
    ) {
        _ = register(name, help, "gauge", labels) { .probe(read) }
    }

    /// The whole exposition, families and series in alphabetical order.
    package func exposition() -> [UInt8] {
        let families = families.withLock { $0 }
        var text = ""
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            text += "# HELP \(name) \(Self.escape(family.help, quotes: false))\n# TYPE \(name) \(family.kind)\n"
            for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) {
                switch series {
                case .counter(let counter): text += "\(name)\(labels) \(counter.value)\n"
                case .gauge(let gauge): text += "\(name)\(labels) \(Self.format(gauge.value))\n"
                case .probe(let read):
                    guard let value = read() else { continue }
                    text += "\(name)\(labels) \(Self.format(value))\n"
                }
            }
        }
        return Array(text.utf8)
    }

    private func register(
        _ name: String,
        _ help: String,
        _ kind: String,
        _ labels: KeyValuePairs<String, String>,
        _ make: () -> Series
    ) -> Series {
        precondition(name.hasPrefix("thermocline_"), "metrics begin with thermocline_: \(name)")
        let rendered = Self.render(labels)
        return families.withLock { families in
            var family = families[name] ?? Family(help: help, kind: kind)
            precondition(family.kind == kind, "\(name) is a \(family.kind)")
            let series = family.series[rendered] ?? make()
            family.series[rendered] = series
            families[name] = family
            return series
        }
    }

    private static func render(_ labels: KeyValuePairs<String, String>) -> String {
        guard !labels.isEmpty else { return "" }
        return "{" + labels.map { "\($0.key)=\"\(escape($0.value, quotes: true))\"" }.joined(separator: ",") + "}"
    }

    private static func escape(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for character in text {
            switch character {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.append(character)
            }
        }
        return escaped
    }

    private static func format(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        return value.description
    }
}

import Postgres
import Records
import TestSupport

/// Counts, distinct natural keys, exact decimal sums, non-null counts and times of the recorded types, by name.
struct RecordedFigures: Equatable, Sendable, CustomStringConvertible {
    private(set) var values: [String: String]

    var description: String { values.sorted { $0.key < $1.key }.map { "\($0): \($1)" }.joined(separator: "\n") }

    /// What differs, for a failure that says it.
    func difference(_ other: RecordedFigures) -> String {
        Set(values.keys).union(other.values.keys).sorted().filter { values[$0] != other.values[$0] }
            .map { "\($0): \(values[$0] ?? "nothing"), expected \(other.values[$0] ?? "nothing")" }
            .joined(separator: "\n")
    }

    /// What `expected.json` says.
    static func expected() throws -> RecordedFigures {
        var values: [String: String] = [:]
        for (token, of) in try RecordedData.expected() {
            values["\(token) rows"] = "\(of.messages)"
            values["\(token) keys"] = "\(of.distinctNaturalKeys)"
            values["\(token) first"] = "\(of.eventTsMsMin)"
            values["\(token) last"] = "\(of.eventTsMsMax)"
            for (key, sum) in of.sums { values["\(token) sum \(key)"] = trimmed(sum) }
            for (key, count) in of.nonNull { values["\(token) count \(key)"] = "\(count)" }
        }
        return RecordedFigures(values: values)
    }

    /// What the views of a database say; message keys are the columns that hold them.
    static func found(on connection: PostgresConnection) async throws -> RecordedFigures {
        var values: [String: String] = [:]
        for (token, of) in try RecordedData.expected() {
            guard let type = Catalog.standard.type(ofSubject: token) else { throw RecordedData.Unreadable(token) }
            let keys = of.sums.keys.sorted()
            let columns = keys.map { column($0) }
            let kind = token.hasPrefix("lsr_") ? "WHERE kind = '\(token.dropFirst(4))'" : ""
            let figures =
                [
                    "count(*)", "count(DISTINCT (\(type.keyColumns.joined(separator: ", "))))",
                    "(extract(epoch FROM min(ts)) * 1000)::bigint", "(extract(epoch FROM max(ts)) * 1000)::bigint",
                ] + columns.map { "sum(\($0))" } + columns.map { "count(\($0))" }
            let sql = "SELECT \(figures.joined(separator: ", ")) FROM thermocline.\(type.name) \(kind)"
            guard let row = try await connection.execute(sql).rows.first else { throw RecordedData.Unreadable(sql) }
            for (index, name) in ["rows", "keys", "first", "last"].enumerated() {
                values["\(token) \(name)"] = row[index]
            }
            for (index, key) in keys.enumerated() {
                values["\(token) sum \(key)"] = row[4 + index].map(trimmed)
                values["\(token) count \(key)"] = row[4 + keys.count + index]
            }
        }
        return RecordedFigures(values: values)
    }

    private static func column(_ key: String) -> String {
        switch key {
        case "current_funding_rate": "funding_rate"
        case "open_interest_value": "open_interest"
        case "long_account_ratio", "long_position_ratio": "long_ratio"
        case "short_account_ratio", "short_position_ratio": "short_ratio"
        case "vol_index", "volatility_index": "index_value"
        case "best_bid_price", "best_bid_quantity", "best_ask_price", "best_ask_quantity": "\(key.dropFirst(5))[1]"
        case "bids_count", "asks_count": "cardinality(\(key.prefix(3))_price)"
        case "bids_price", "bids_quantity", "asks_price", "asks_quantity":
            "(SELECT sum(v) FROM unnest(\(key.prefix(3))_\(key.dropFirst(5))) AS v)"
        default: key
        }
    }

    /// Without the zeros at the end of the fraction: they say how a number was written, not which.
    private static func trimmed(_ decimal: String) -> String {
        guard decimal.contains(".") else { return decimal }
        let digits = decimal.reversed().drop { $0 == "0" }.reversed()
        return String(digits.last == "." ? digits.dropLast() : digits[...])
    }
}

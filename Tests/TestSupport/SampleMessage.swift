package import Records

/// A valid message of any record type, made from its catalogue entry: an eighth type brings its own tests.
package struct SampleMessage: Sendable {
    package let subject: String
    package let payload: [UInt8]

    /// Makes message `number` of a type; other numbers have other natural keys.
    ///
    /// `values` replaces the JSON text of keys.
    package init(_ type: RecordType, number: Int = 0, values: [String: String] = [:]) {
        let first = type.subjects[0].first
        let milliseconds = 1_795_000_000_000 + Int64(number)
        subject = "\(first).binance.perpetual.BTC-USDT"
        var members = [
            "exchange": #""binance""#, "market_type": #""perpetual""#, "symbol": #""BTC-USDT""#,
            "data_type": "\"\(first)\"", "ts_ms": String(milliseconds), "publisher": #""unified-collector""#,
        ]
        for key in type.eventTimeKeys { members[key] = String(milliseconds) }
        for column in type.columns {
            for key in Self.keys(column, type) { members[key] = Self.value(column, number) }
        }
        members.merge(values) { $1 }
        let body = members.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }
        payload = Array("{\(body.joined(separator: ","))}".utf8)
    }

    private static func keys(_ column: Column, _ type: RecordType) -> [String] {
        switch column.source {
        case .keys(let keys), .firstOf(let keys): [keys[0]]
        case .levels(let key, _): [key]
        case .variantKeys(let keys): Array((keys[type.subjects[0].variant ?? "unspecified"] ?? []).prefix(1))
        case .variant: []
        }
    }

    private static func value(_ column: Column, _ number: Int) -> String {
        if case .levels = column.source { return #"[["100.5","1"],["100.25","2.50"]]"# }
        if case .oneOf(let words) = column.rule { return "\"\(words[number % words.count])\"" }
        return switch column.kind {
        case .timestamp: String(1_795_100_000_000 + number)
        case .text: "\"\(column.name)-\(number)\""
        case .decimal: "\"\(number + 1).50\""
        case .decimals: #"["1.50",2]"#
        case .integer: String(number)
        case .boolean: "true"
        case .json: #"{"a":[1,null]}"#
        }
    }
}

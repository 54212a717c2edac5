package import Records

/// The part of a range that a partial transfer means; what is nil leaves nothing out.
///
/// Names are those that rows are stored with.
package struct TransferFilter: Sendable, Hashable, CustomStringConvertible {
    package var exchange: String?
    package var marketType: String?
    package var symbol: String?
    /// The time that is covered of the range.
    package var time: TimeRange?

    package init(
        exchange: String? = nil,
        marketType: String? = nil,
        symbol: String? = nil,
        time: TimeRange? = nil
    ) {
        self.exchange = exchange
        self.marketType = marketType
        self.symbol = symbol
        self.time = time
    }

    package var isEmpty: Bool { self == TransferFilter() }

    /// Columns and what they must hold.
    package var names: [(column: String, value: String)] {
        [("exchange", exchange), ("market_type", marketType), ("symbol", symbol)].compactMap { column, value in
            value.map { (column, $0) }
        }
    }

    /// What the ledger tells the parts of one range apart by; empty where nothing is left out.
    package var description: String {
        let words = names + (time.map { [("from", $0.start.description), ("to", $0.end.description)] } ?? [])
        return words.map { "\($0.0)=\($0.1)" }.joined(separator: " ")
    }

    /// Reads a `description`; nil for what is none.
    package init?(_ text: String) {
        var words: [Substring: String] = [:]
        for word in text.split(separator: " ") {
            let halves = word.split(separator: "=", maxSplits: 1)
            guard halves.count == 2 else { return nil }
            words[halves[0]] = String(halves[1])
        }
        let times = ["from", "to"].map { key in
            words[Substring(key)].flatMap { Timestamp(iso8601: $0, zoneRequired: true) }
        }
        self.init(exchange: words["exchange"], marketType: words["market_type"], symbol: words["symbol"])
        if let start = times[0], let end = times[1], start < end { time = TimeRange(start: start, end: end) }
        guard description == text else { return nil }
    }
}

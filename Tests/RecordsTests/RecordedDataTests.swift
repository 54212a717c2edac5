import Foundation
import Records
import TestSupport
import Testing

/// All of the recorded market data decodes, to the counts, keys and exact sums that `expected.json` states.
@Suite(.enabled(if: RecordedData.isAvailable, Comment(rawValue: RecordedData.skipped)), .timeLimit(.minutes(5)))
struct RecordedDataTests {
    /// What was seen of one first token.
    private struct Tally {
        var messages = 0
        var keys: Set<[UInt8]> = []
        var sums: [String: DecimalSum] = [:]
        var nonNull: [String: Int] = [:]
        var earliest = Timestamp(micros: .max)
        var latest = Timestamp(micros: .min)
        var series: [String: Int] = [:]

        /// Adds a field; of an array every element, of a count (no field) the number itself.
        mutating func add(_ key: String, _ field: CopyRowReader.Field, _ kind: Column.Kind, _ rows: Span<UInt8>) {
            guard !field.isNull else { return }
            nonNull[key, default: 0] += 1
            switch kind {
            case .decimal: sums[key, default: DecimalSum()].add(numeric: rows, at: field.start)
            case .integer: sums[key, default: DecimalSum()].add(String(Self.number(rows, field.start, bytes: 8)))
            case .decimals: addElements(key, field, rows)
            default: return
            }
        }

        /// An order book's side also counts its levels and sums its best one.
        private mutating func addElements(_ key: String, _ field: CopyRowReader.Field, _ rows: Span<UInt8>) {
            let side = key.prefix { $0 != "_" }
            let half = key.drop { $0 != "_" }
            var sum = sums.removeValue(forKey: key) ?? DecimalSum()
            let elements = RowValues.decimals((field.start..<field.end).map { rows[$0] })
            for element in elements { sum.add(element) }
            sums[key] = sum
            sums["best_\(side.dropLast())\(half)", default: DecimalSum()].add(elements[0])
            nonNull["best_\(side.dropLast())\(half)", default: 0] += 1
            guard half == "_price" else { return }
            sums["\(side)_count", default: DecimalSum()].add(String(elements.count))
            nonNull["\(side)_count", default: 0] += 1
        }

        private static func number(_ rows: Span<UInt8>, _ start: Int, bytes: Int) -> Int64 {
            (start..<start + bytes).reduce(0) { $0 << 8 | Int64(rows[$1]) }
        }
    }

    /// Which column each key of `expected.json` sums.
    private static let columns: [String: [String: String]] = [
        "trade": ["price": "price", "quantity": "quantity"],
        "orderbook": [
            "bids_price": "bid_price", "bids_quantity": "bid_quantity", "asks_price": "ask_price",
            "asks_quantity": "ask_quantity", "last_update_id": "last_update_id",
        ],
        "funding_rate": [
            "current_funding_rate": "funding_rate", "estimated_funding_rate": "estimated_funding_rate",
            "mark_price": "mark_price", "index_price": "index_price", "premium_index": "premium_index",
        ],
        "open_interest": [
            "open_interest_value": "open_interest", "open_interest_usd": "open_interest_usd",
            "mark_price": "mark_price", "index_price": "index_price",
        ],
        "liquidation": [
            "price": "price", "quantity": "quantity", "filled_quantity": "filled_quantity",
            "notional_value": "notional_value",
        ],
        "lsr_all_account": [
            "long_short_ratio": "long_short_ratio", "long_account_ratio": "long_ratio",
            "short_account_ratio": "short_ratio",
        ],
        "lsr_top_position": [
            "long_short_ratio": "long_short_ratio", "long_position_ratio": "long_ratio",
            "short_position_ratio": "short_ratio",
        ],
        "volatility_index": ["volatility_index": "index_value", "vol_index": "index_value"],
    ]

    @Test func `counts, natural keys, exact sums and times are those of the file`() throws {
        let tallies = try tally()
        let expected = try RecordedData.expected()
        #expect(Set(tallies.keys) == Set(expected.keys))
        for (name, tally) in tallies {
            let facts = try #require(expected[name])
            #expect(tally.messages == facts.messages, "\(name)")
            #expect(tally.keys.count == facts.distinctNaturalKeys, "\(name)")
            #expect(tally.earliest == Timestamp(milliseconds: facts.eventTsMsMin), "\(name)")
            #expect(tally.latest == Timestamp(milliseconds: facts.eventTsMsMax), "\(name)")
            #expect(tally.series == facts.byExchangeMarket, "\(name)")
            for (key, sum) in facts.sums {
                let actual = try #require(tally.sums[key], "\(name).\(key)")
                #expect(actual == DecimalSum(sum), "\(name).\(key)")
                #expect(tally.nonNull[key] == facts.nonNull[key], "\(name).\(key)")
            }
        }
    }

    private func tally() throws -> [String: Tally] {
        var decoders: [String: RecordDecoder] = [:]
        for type in Catalog.standard.types { decoders[type.name] = RecordDecoder(type: type, catalog: .standard) }
        var tallies: [String: Tally] = [:]
        var rows = RowBatch()
        for (index, message) in try RecordedData.eraC().enumerated() {
            let type = try #require(Catalog.standard.type(ofSubject: message.firstToken))
            let decoder = try #require(decoders[type.name])
            rows.removeAll()
            try decoder.decode(
                message.payload.span,
                subject: Array(message.subject.utf8).span,
                origin: MessageOrigin(
                    sequence: UInt64(index),
                    time: message.receivedAt,
                    receivedAt: message.receivedAt
                ),
                into: &rows
            )
            try add(rows, type, message.firstToken, to: &tallies[message.firstToken, default: Tally()])
        }
        return tallies
    }

    private func add(_ rows: RowBatch, _ type: RecordType, _ name: String, to tally: inout Tally) throws {
        var reader = CopyRowReader(type: type)
        _ = try reader.next(in: rows.bytes.span)
        let row = rows.rows[0]
        tally.messages += 1
        tally.keys.insert(rows.key(of: row))
        tally.earliest = min(tally.earliest, row.ts)
        tally.latest = max(tally.latest, row.ts)
        if let exchange = reader.text(1, in: rows.bytes.span), let market = reader.text(2, in: rows.bytes.span) {
            tally.series["\(exchange)/\(market)", default: 0] += 1
        }
        for (key, column) in Self.columns[name] ?? [:] {
            let index = try #require(type.allColumns.firstIndex { $0.name == column })
            tally.add(key, reader.fields[index], type.allColumns[index].kind, rows.bytes.span)
        }
    }

    @Test func `every example of the generations A, B and C decodes`() throws {
        var eras: [String: Int] = [:]
        for line in try RecordedData.lines("messages/examples.jsonl") {
            let object = try #require(try JSONSerialization.jsonObject(with: line) as? [String: Any])
            let subject = try #require(object["subject"] as? String)
            let mark = try #require(line.range(of: Data(#""payload": "#.utf8)))
            let payload = Array(line[mark.upperBound...].dropLast())
            let type = try #require(Catalog.standard.type(ofSubject: String(subject.prefix { $0 != "." })))
            let rows = try decode(type, payload, subject: subject)
            let values = try RowValues.all(rows.bytes, of: type)[0]
            let era = try #require(object["era"] as? String)
            #expect((values["published_at"] == .null) == (era == "A"), "\(subject)")
            #expect(values["extra"] == .null, "\(subject)")
            eras[era, default: 0] += 1
        }
        #expect(eras == ["A": 8, "B": 14, "C": 20])
    }
}

import Foundation
import Records
import TestSupport
import Testing

/// Every message of `hostile.jsonl` is decided as it says, with exactly the columns it says.
@Suite(.enabled(if: RecordedData.isAvailable, Comment(rawValue: RecordedData.skipped)), .timeLimit(.minutes(5)))
struct HostileMessageTests {
    @Test func `every hostile message is decided as expected`() throws {
        let cases = try HostileCase.all()
        #expect(cases.count == 852)
        var stored: [String: Set<[UInt8]>] = [:]
        var expectedRows: [String: Int] = [:]
        for item in cases {
            let type = try #require(item.type, "\(item.name)")
            do {
                let rows = try decode(type, item.payload, subject: item.subject)
                #expect(item.expect == "store" || item.alsoOk == "store", "\(item.name) was stored")
                try expectColumns(item, rows, type)
                guard let group = item.group else { continue }
                stored[group, default: []].insert(rows.key(of: rows.rows[0]))
                expectedRows[group] = item.rowsInGroup
            } catch let error as DecodeError {
                #expect(item.expect == "quarantine" || item.alsoOk == "quarantine", "\(item.name): \(error)")
            }
        }
        // Two books of one millisecond without an id have one natural key: the second is a conflict, kept in
        // quarantine.
        expectedRows["orderbook/okxts"] = 1
        for (group, count) in expectedRows { #expect(stored[group]?.count == count, "\(group)") }
    }

    private func expectColumns(_ item: HostileCase, _ rows: RowBatch, _ type: RecordType) throws {
        guard let columns = try item.columns() else { return }
        let row = try RowValues.all(rows.bytes, of: type)[0]
        for (key, value) in columns {
            guard let (actual, expected) = compare(key, value, row, type) else { continue }
            #expect(actual == expected, "\(item.name): \(key)")
        }
    }

    /// What a column holds and what it should; nil for keys that are provenance or checked elsewhere.
    private func compare(_ key: String, _ value: Any, _ row: RowValues, _ type: RecordType) -> (
        RowValues.Value, RowValues.Value
    )? {
        let time = (value as? Int64).map { RowValues.Value.timestamp(Timestamp(milliseconds: $0)) } ?? .null
        switch key {
        case "data_type", "instrument_id": return nil
        case "ts_ms":
            if type.eventTimeKeys.isEmpty { return (milliseconds(row["ts"]), time) }
            return row["published_at"] == .null ? nil : (row["published_at"], time)
        case "trade_ts_ms", "liquidation_ts_ms": return (row["ts"], time)
        case "next_funding_ts_ms": return (row["next_funding_at"], time)
        case "bids_count": return (count(row["bid_price"]), .integer(value as? Int64 ?? -1))
        case "asks_count": return (count(row["ask_price"]), .integer(value as? Int64 ?? -1))
        case "best_bid_price", "best_bid_quantity", "best_ask_price", "best_ask_quantity":
            guard case .decimals(let all) = row[String(key.dropFirst(5))], let best = all.first else {
                return (.null, time)
            }
            return (.decimal(best), decimal(value))
        case "last_update_id": return (row[key], (value as? Int64).map { .integer($0) } ?? .null)
        case "open_interest_value": return (row["open_interest"], decimal(value))
        case "open_interest_unit": return (row["unit"], text(value))
        case "long_position_ratio", "long_account_ratio": return (row["long_ratio"], decimal(value))
        case "short_position_ratio", "short_account_ratio": return (row["short_ratio"], decimal(value))
        default:
            let kind = type.allColumns.first { $0.name == key }?.kind
            return (row[key], kind == .decimal ? decimal(value) : text(value))
        }
    }

    /// Times are given in whole milliseconds.
    private func milliseconds(_ value: RowValues.Value) -> RowValues.Value {
        guard case .timestamp(let time) = value else { return value }
        return .timestamp(Timestamp(milliseconds: time.micros / 1_000))
    }

    private func count(_ value: RowValues.Value) -> RowValues.Value {
        guard case .decimals(let all) = value else { return .null }
        return .integer(Int64(all.count))
    }

    private func text(_ value: Any) -> RowValues.Value { (value as? String).map { .text($0) } ?? .null }

    /// Plain digits without needless zeros, as `RowValues` gives them.
    private func decimal(_ value: Any) -> RowValues.Value {
        guard var text = value as? String else { return .null }
        if text.contains(".") {
            while text.hasSuffix("0") { text.removeLast() }
            if text.hasSuffix(".") { text.removeLast() }
        }
        return .decimal(text)
    }
}

import Platform
import Postgres
package import Records
package import Tiering

/// What each pass asks of the ledger.
extension PostgresTarget {
    package func ledger(_ selection: LedgerSelection) async throws(StoreError) -> [Transfer] {
        let touched = selection.touched.flatMap { type, starts in starts.map { (type, "\($0)") } }
        let columns = [touched.map(\.0), touched.map(\.1)].map { SQLText.array($0) }
        let rows = try await session.transaction("read the ledger") { connection throws(PostgresError) in
            var rows = try await connection.execute(ColdSQL.selectLedger, columns).rows
            for (type, limit) in selection.before {
                rows += try await connection.execute(ColdSQL.selectHeld, [type, "\(limit)"]).rows
            }
            return rows
        }
        // A range may be both touched and held for long.
        let found = try rows.map { row throws(StoreError) in try LedgerRow.transfer(row) }
        return Dictionary(found.map { ($0.id, $0) }) { $1 }.values.sorted { $0.range.start < $1.range.start }
    }

    package func sums(since time: Timestamp?) async throws(StoreError) -> (of: [String: LedgerSums], at: Timestamp)? {
        let (last, rows) = try await session.transaction("sum the ledger up") { connection throws(PostgresError) in
            let last = try await connection.execute(ColdSQL.lastChange).scalar.flatMap(Int64.init)
            let isNew = last != time?.micros
            return (last ?? 0, isNew ? try await connection.execute(ColdSQL.sumLedger).rows : nil)
        }
        guard let rows else { return nil }
        var sums: [String: LedgerSums] = [:]
        for row in rows {
            guard let type = row[0], let state = row[1].flatMap(Transfer.State.init),
                let count = row[2].flatMap(Int.init)
            else { continue }
            sums[type, default: LedgerSums()].add(
                count,
                state,
                through: row[3].flatMap(Int64.init).map(Timestamp.init(micros:)),
                verifiedAt: row[4].flatMap(Int64.init).map(Timestamp.init(micros:)),
                rowsInCold: row[5].flatMap(Int.init) ?? 0
            )
        }
        return (sums, Timestamp(micros: last))
    }

    package func oldestProofs(of types: [RecordType]) async throws(StoreError) -> [String: Timestamp] {
        let found = try await session.transaction("look for the oldest proofs") { connection throws(PostgresError) in
            try await connection.execute(ColdSQL.oldestProofs, [SQLText.array(types.map { Optional($0.name) })])
        }
        let proofs = found.rows.compactMap { row in
            row[0].flatMap { type in row[1].flatMap(Int64.init).map { (type, Timestamp(micros: $0)) } }
        }
        return Dictionary(proofs) { $1 }
    }
}

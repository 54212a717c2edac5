import Postgres
package import Records
package import Tiering

/// Reading cold again, long after its proof.
extension PostgresTarget {
    package func readConflicts(_ type: RecordType, in range: TimeRange) async throws(StoreError) -> PostgresRows {
        try await read(ColdSQL.readConflicts(type, range), "read the conflicts of \(type.name) \(range)")
    }

    package func oldestProved(of types: [RecordType]) async throws(StoreError) -> Transfer? {
        let found = try await session.transaction("look for the oldest proof") { connection throws(PostgresError) in
            try await connection.execute(ColdSQL.oldestProved, [SQLText.array(types.map { Optional($0.name) })])
        }
        return try found.rows.first.map { row throws(StoreError) in try LedgerRow.transfer(row) }
    }

    package func reread(
        _ transfer: Transfer,
        type: RecordType
    ) async throws(StoreError) -> (Transfer, PostgresRows)? {
        let operation = "read \(type.name) \(transfer.range) again"
        try await session.begin(operation, .repeatableRead)
        do throws(StoreError) {
            let key = [transfer.type, "\(transfer.range.start)", "\(transfer.range.end)"]
            let found = try await at("cold", operation) { () throws(PostgresError) in
                let found = try await connection.execute(ColdSQL.readProved, key)
                if !found.rows.isEmpty {
                    try await connection.beginCopyOut(ColdSQL.readContent(type, transfer.range, layout))
                }
                return found
            }
            guard let row = found.rows.first else {
                await connection.rollback()
                return nil
            }
            return (try LedgerRow.transfer(row), rows(operation))
        } catch {
            await connection.rollback()
            throw error
        }
    }

    package func recordScrubbed(_ transfer: Transfer) async throws(StoreError) -> Bool {
        let parameters = [
            transfer.type, "\(transfer.range.start)", "\(transfer.range.end)", transfer.manifest.map { "\($0)" },
            transfer.state.rawValue, transfer.error, transfer.scrubbedAt?.description,
        ]
        return try await session.transaction("record the scrub of \(transfer.type)") {
            connection throws(PostgresError) in
            try await connection.execute(ColdSQL.recordScrubbed, parameters).affected == 1
        }
    }
}

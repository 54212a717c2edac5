import Platform
import Postgres
import Records
import Tiering

/// Finds, by bisecting, the rows of a batch that the database rejects whatever stands beside them.
///
/// Everything is tried in transactions that are rolled back. A row is to blame only where it fails alone and another
/// row alone succeeds: a batch that fails alike says something about the table, not about its rows.
struct RejectedRows {
    let type: RecordType
    let connection: PostgresConnection
    /// Rejected rows beyond which the lane stops instead: `quarantine.max_share` of a batch, at least 100.
    let limit: Int

    struct Reject {
        let row: RowBatch.Row
        let error: StoreError
    }

    /// Throws: `.failed` (halt) where too many rows fail, or all of them; what passes (retry) as it came.
    func find(in rows: RowBatch) async throws(StoreError) -> [Reject] {
        var rejects: [Reject] = []
        var ranges = [rows.rows.indices]
        while let range = ranges.popLast() {
            guard let error = try await failure(of: rows, range) else { continue }
            if range.count > 1 {
                let middle = range.lowerBound + range.count / 2
                ranges += [middle..<range.upperBound, range.lowerBound..<middle]
                continue
            }
            rejects.append(Reject(row: rows.rows[range.lowerBound], error: error))
            guard rejects.count <= limit else { throw stopped(by: error, "more than \(limit) rows of one batch fail") }
        }
        if let first = rejects.first, rejects.count == rows.count {
            throw stopped(by: first.error, "every row of the batch fails")
        }
        return rejects
    }

    /// Why these rows cannot be stored together; nil where they can.
    private func failure(of rows: RowBatch, _ range: Range<Int>) async throws(StoreError) -> StoreError? {
        do throws(StoreError) {
            try await at("hot", "try rows of \(type.name)") { () throws(PostgresError) in
                try await connection.begin()
                _ = try await connection.execute(HotSQL.makeStaging(type))
                _ = try await connection.copyIn(HotSQL.copyToStaging(type), rows: rows.copyBytes(range))
                _ = try await connection.execute(HotSQL.appendStaging(type))
            }
            await connection.rollback()
            return nil
        } catch {
            await connection.rollback()
            guard error.disposition == .reject else { throw error }
            return error
        }
    }

    private func stopped(by error: StoreError, _ what: String) -> StoreError {
        StoreError(
            .failed,
            .halt,
            tier: "hot",
            operation: "append \(type.name)",
            sqlState: error.sqlState,
            detail: "\(what), the first with: \(error.detail). The lane stops and quarantines nothing: the table is "
                + "more likely wrong than the rows. Look at what was changed on \(TierSQL.table(type)); the lane goes "
                + "on by itself once the rows fit"
        )
    }
}

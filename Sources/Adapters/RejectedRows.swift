import Platform
import Postgres
import Records
import Tiering

/// Finds, by bisecting, the rows of a batch that the database rejects whatever stands beside them.
///
/// Everything is tried in one transaction that is rolled back: what fits stays while the rest is tried, so that of two
/// rows that break a user's constraint together the first fits. A row is to blame only where it fails alone and
/// others succeed: a batch that fails alike says something about the table, not about its rows.
struct RejectedRows {
    let type: RecordType
    let connection: PostgresConnection
    /// Rows rejected with one SQLSTATE beyond which the lane stops instead: `quarantine.max_share` of a batch, at
    /// least 100; nil where what fails alike is kept aside too.
    let limit: Int?

    struct Reject {
        let row: RowBatch.Row
        let error: StoreError
    }

    /// Throws: `.failed` (halt) where too many rows fail, or all of them; what passes (retry) as it came.
    func find(in rows: RowBatch) async throws(StoreError) -> [Reject] {
        let call = HotCall(connection, "try rows of \(type.name)")
        do throws(StoreError) {
            try await at("hot", call.operation) { () throws(PostgresError) in try await connection.begin() }
            // What a user's deferred constraint would say at COMMIT is said at once.
            try await call.execute("SET CONSTRAINTS ALL IMMEDIATE")
            // Before the first savepoint, or the first half that fails takes the table back with it.
            if type.dedupe == .key { try await call.execute(HotSQL.makeStaging(type)) }
            let rejects = try await find(in: rows, call)
            await connection.rollback()
            return rejects
        } catch {
            await connection.rollback()
            throw error
        }
    }

    private func find(in rows: RowBatch, _ call: HotCall) async throws(StoreError) -> [Reject] {
        var rejects: [Reject] = []
        var bySQLState: [String: Int] = [:]
        var ranges = halves(of: rows.rows.indices)
        while let range = ranges.popLast() {
            guard let error = try await failure(of: rows, range, call) else { continue }
            guard range.count == 1 else {
                ranges += halves(of: range)
                continue
            }
            rejects.append(Reject(row: rows.rows[range.lowerBound], error: error))
            bySQLState[error.sqlState ?? "", default: 0] += 1
            if let limit, bySQLState[error.sqlState ?? "", default: 0] > limit {
                throw stopped(by: error, "more than \(limit) rows of one batch fail with one SQLSTATE", call)
            }
        }
        if limit != nil, let first = rejects.first, rejects.count == rows.count {
            throw stopped(by: first.error, rows.count == 1 ? "the one row at hand fails" : "every row fails", call)
        }
        return rejects
    }

    /// The later half first: the last of the list is tried next, and rows are tried in their order.
    private func halves(of range: Range<Int>) -> [Range<Int>] {
        guard range.count > 1 else { return range.isEmpty ? [] : [range] }
        let middle = range.lowerBound + range.count / 2
        return [middle..<range.upperBound, range.lowerBound..<middle]
    }

    /// Why these rows cannot be stored beside those that were tried before; nil where they can, and are.
    private func failure(
        of rows: RowBatch,
        _ range: Range<Int>,
        _ call: HotCall
    ) async throws(StoreError) -> StoreError? {
        try await call.execute("SAVEPOINT tried")
        do throws(StoreError) {
            if type.dedupe == .position {
                _ = try await call.copy(HotSQL.copy(type), rows.copyBytes(range))
            } else {
                try await RowStore(type: type, call: call).stage(rows.copyBytes(range))
                try await call.execute(HotSQL.appendStaging(type))
                try await call.execute(HotSQL.emptyStaging(type))
            }
            try await call.execute("RELEASE SAVEPOINT tried")
            return nil
        } catch {
            // A partition that was taken away meanwhile is made again, and says nothing of the row.
            guard error.disposition == .reject, !error.isMissingPartition else { throw error }
            try await call.execute("ROLLBACK TO SAVEPOINT tried")
            // Or the next one lies inside it, and so on: each holds a lock, and the server has so many.
            try await call.execute("RELEASE SAVEPOINT tried")
            return error
        }
    }

    private func stopped(by error: StoreError, _ what: String, _ call: HotCall) -> StoreError {
        StoreError(
            .failed,
            .halt,
            tier: "hot",
            operation: call.operation,
            sqlState: error.sqlState,
            constraint: error.constraint,
            detail: "\(what), the first with: \(error.detail). The lane stops and quarantines nothing: the table is "
                + "more likely wrong than the rows. Look at what was changed on \(TierSQL.table(type)); the lane goes "
                + "on by itself once the rows fit, or once others beside them do"
        )
    }
}

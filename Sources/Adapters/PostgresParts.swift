import Digest
import Platform
import Postgres
import Records
package import Tiering

/// Transfers of parts of ranges: what one inserts is added to what its range must be in cold.
extension PostgresTarget {
    package func openParts() async throws(StoreError) -> [Transfer] {
        try await transfers(ColdSQL.readOpenParts)
    }
}

extension PostgresCopy {
    /// What the range of a part holds before the merge, once nobody else can change that.
    func lockWhole() async throws(StoreError) -> Summary {
        let range = transfer.range
        let found = try await at("cold", operation) { () throws(PostgresError) in
            let key = [transfer.type, "\(range.start)", "\(range.end)"]
            return try await connection.execute(ColdSQL.lockWhole, key).rows.first
        }
        let whole = try found.map { row throws(StoreError) in try LedgerRow.transfer(row) }
        if let whole, !whole.isSettled { throw StoreError.unsettled(whole, operation) }
        if let cold = whole?.cold { return cold }
        try await at("cold", operation) { () throws(PostgresError) in
            try await connection.beginCopyOut(ColdSQL.readContent(type, range, layout))
        }
        return try await PostgresRows(connection: connection, operation: operation, chunkBytes: settings.chunkBytes)
            .summary(of: type, tier: "cold")
    }

    func addToWhole(_ part: Transfer) async throws(PostgresError) {
        let cold = part.cold ?? .zero
        let key = [RandomID.uuid(), part.type, "\(part.range.start)", "\(part.range.end)"]
        _ = try await connection.execute(ColdSQL.addPart, key + ["\(cold.rows)", "\(cold.digest)", part.staging])
    }
}

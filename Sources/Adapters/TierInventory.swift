import Platform
package import Postgres
package import Records
package import Tiering

/// Reads what one tier holds, row by row, for whoever audits it: only reads, owns no lane, needs no lease.
package struct TierInventory: Sendable {
    /// What names a row, in whichever tier it is.
    package struct Key: Hashable, Sendable {
        package let ts: Timestamp
        package let exchange: String
        package let marketType: String
        package let symbol: String
        /// The key columns that the type adds, as text.
        package let own: [String?]
    }

    /// 256 KiB: few calls, and little memory however much a tier holds.
    private static let chunkBytes = 256 << 10
    private let tier: Tier
    private let connection: PostgresConnection

    package init(_ tier: Tier, on connection: PostgresConnection) {
        self.tier = tier
        self.connection = connection
    }

    /// Hands over the key of every row of a type; in cold also of those kept as conflicts.
    package func forEachKey(of type: RecordType, _ body: (Key) -> Void) async throws(StoreError) {
        let sql = tier == .hot ? HotSQL.keys(type) : ColdSQL.keys(type)
        try await forEach(sql, fields: type.keyColumns.count, "read keys of \(type.name)") {
            (reader: CopyRowReader, rows: Span<UInt8>) throws(CopyRowError) in
            guard let micros = try reader.integer(0, in: rows), let exchange = reader.text(1, in: rows),
                let marketType = reader.text(2, in: rows), let symbol = reader.text(3, in: rows)
            else { throw CopyRowError(at: reader.rowStart, "a null that the schema forbids") }
            let own = (4..<type.keyColumns.count).map { reader.text($0, in: rows) }
            body(
                Key(
                    ts: Timestamp(micros: micros),
                    exchange: exchange,
                    marketType: marketType,
                    symbol: symbol,
                    own: own
                )
            )
        }
    }

    /// Hands over every message in quarantine; only hot has one.
    package func forEachQuarantined(
        _ body: (_ subject: String, _ payload: [UInt8]) -> Void
    ) async throws(StoreError) {
        precondition(tier == .hot, "the quarantine is in hot")
        try await forEach(HotSQL.quarantined, fields: 2, "read the quarantine") {
            (reader: CopyRowReader, rows: Span<UInt8>) throws(CopyRowError) in
            guard let subject = reader.text(0, in: rows), !reader.fields[1].isNull else {
                throw CopyRowError(at: reader.rowStart, "a null that the schema forbids")
            }
            body(subject, (reader.fields[1].start..<reader.fields[1].end).map { rows[$0] })
        }
    }

    /// Every transfer that the ledger has; only cold has one.
    package func ledger() async throws(StoreError) -> [Transfer] {
        precondition(tier == .cold, "the ledger is in cold")
        let found = try await at(tier.rawValue, "read the ledger") { () throws(PostgresError) in
            try await connection.execute(ColdSQL.readLedger)
        }
        return try found.rows.map { row throws(StoreError) in try LedgerRow.transfer(row) }
    }

    private func forEach(
        _ copy: String,
        fields: Int,
        _ operation: String,
        _ body: (CopyRowReader, Span<UInt8>) throws(CopyRowError) -> Void
    ) async throws(StoreError) {
        try await at(tier.rawValue, operation) { () throws(PostgresError) in try await connection.beginCopyOut(copy) }
        while true {
            let chunk = try await at(tier.rawValue, operation) { () throws(PostgresError) in
                try await connection.nextCopyChunk(atMost: Self.chunkBytes)
            }
            guard let chunk else { return }
            do throws(CopyRowError) {
                var reader = CopyRowReader(fieldCount: fields)
                while try reader.next(in: chunk.span) { try body(reader, chunk.span) }
            } catch {
                throw StoreError(.corrupt, .halt, tier: tier.rawValue, operation: operation, detail: "\(error)")
            }
        }
    }
}

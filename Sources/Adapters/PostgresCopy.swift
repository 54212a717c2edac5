package import Digest
import Platform
import Postgres
import Records
import Segments
package import Tiering

/// A copy on its way into cold: straight into the table or its segments, or beside them to be merged by key.
package struct PostgresCopy: ColdCopy {
    let transfer: Transfer
    let type: RecordType
    /// Nil where the rows go straight in.
    let staging: String?
    /// What the range held before this copy; a part asks again at its end.
    let base: Summary
    let connection: PostgresConnection
    let operation: String
    let settings: ArchiveSettings
    let layout: ColdFormat
    /// What packs the rows where they are to be segments.
    let segments: SegmentWriter?

    package func write(_ rows: [UInt8]) async throws(StoreError) {
        guard staging == nil, let segments else { return try await copy(rows) }
        try await copy(try segments.add(rows, operation))
    }

    private func copy(_ rows: [UInt8]) async throws(StoreError) {
        guard !rows.isEmpty else { return }
        try await at("cold", operation) { () throws(PostgresError) in try await connection.writeCopy(rows) }
    }

    package func commit(hot: Summary, stamp: String) async throws(StoreError) -> Transfer {
        if staging == nil, let segments { try await copy(try segments.finish(operation)) }
        let count = try await at("cold", operation) { () throws(PostgresError) in try await connection.endCopyIn() }
        if segments != nil { try await keepOthersOut() }
        let base = transfer.filter == nil ? base : try await lockWhole()
        var added = hot
        if let staging {
            added = try await merge(staging)
            if segments != nil { _ = try await repack.run(transfer.range) }
        } else if segments != nil {
            try await refuseOthers(count)
        }
        var copied = transfer
        copied.copied(hot: hot, cold: base + added, stamp: stamp, staging: staging)
        try await at("cold", operation) { () throws(PostgresError) in
            _ = try await connection.execute(ColdSQL.record, LedgerRow.parameters(copied))
            if transfer.filter != nil && added != .zero { try await addToWhole(copied) }
            if segments != nil {
                try await connection.markUnpacked(Partition.covering(transfer.range, of: type), of: type)
            }
            try await connection.commit()
        }
        return copied
    }

    private var repack: SegmentRepack {
        SegmentRepack(type: type, connection: connection, operation: operation, settings: settings)
    }

    /// From here to the end of the transaction nobody else writes segments of the partitions.
    private func keepOthersOut() async throws(StoreError) {
        try await at("cold", operation) { () throws(PostgresError) in
            _ = try await connection.execute("SET LOCAL lock_timeout = \(settings.lockTimeout.milliseconds)")
            try await connection.lock(Set(Partition.covering(transfer.range, of: type)))
        }
    }

    /// No unique index spans segments: where another copy was faster, this one starts over and merges.
    private func refuseOthers(_ count: Int) async throws(StoreError) {
        let isAlone = try await at("cold", operation) { () throws(PostgresError) in
            try await connection.execute(ColdSQL.holdsOnly(count, type, transfer.range)).scalar == "t"
        }
        guard !isAlone else { return }
        throw SegmentWriter.mustMerge("rows of the range came from elsewhere meanwhile", operation)
    }

    /// Adds the rows whose key is new, keeps those that differ as conflicts; returns what was added.
    private func merge(_ staging: String) async throws(StoreError) -> Summary {
        try await at("cold", operation) { () throws(PostgresError) in
            try await connection.beginCopyOut(ColdSQL.merge(type, staging, in: transfer.range, layout))
        }
        let rows = PostgresRows(connection: connection, operation: operation, chunkBytes: settings.chunkBytes)
        let added = try await rows.summary(of: type, tier: "cold")
        try await at("cold", operation) { () throws(PostgresError) in
            _ = try await connection.execute(ColdSQL.keepConflicts(type, staging, in: transfer.range, layout))
        }
        return added
    }

    package func abandon() async { await connection.rollback() }
}

extension PostgresConnection {
    /// Locks partitions of cold against others who write segments, in one order.
    func lock(_ partitions: Set<Partition>) async throws(PostgresError) {
        for partition in partitions.sorted(by: { $0.range.start < $1.range.start }) {
            _ = try await execute(ColdSQL.lockPartition(partition))
        }
    }

    /// Makes the view of a type over segments anew, from the partitions that there are.
    func makeView(_ type: RecordType) async throws(PostgresError) {
        let names = try await execute(TierSQL.partitions(of: type)).rows.compactMap { $0[0] }
        for statement in ColdSQL.view(type, months: Partition.months(of: type, names)) {
            _ = try await execute(statement)
        }
    }
}

import Digest
import Platform
import Postgres
package import Records
package import Tiering

/// The hot tier as the archiver sees it, in one fenced session.
package struct PostgresSource: ArchiveSource {
    let session: FencedSession
    let settings: ArchiveSettings

    var connection: PostgresConnection { session.connection }

    package func activity(of types: [RecordType], rangeMicros: Int64) async throws(StoreError) -> [RangeActivity] {
        let found = try await session.transaction("read activity") { connection throws(PostgresError) in
            try await connection.execute(
                HotSQL.activity,
                ["\(rangeMicros)", SQLText.array(types.map { Optional($0.name) })]
            )
        }
        return found.rows.compactMap { row in
            guard let type = row[0], let start = row[1].flatMap(Int64.init), let stamp = row[2],
                let rows = row[3].flatMap(Int.init)
            else { return nil }  // a range without a stamp was only ever pruned
            let range = TimeRange(containing: Timestamp(micros: start), width: rangeMicros)
            return RangeActivity(type: type, range: range, stamp: stamp, rows: rows)
        }
    }

    package func newestEvent() async throws(StoreError) -> Timestamp? {
        try await session.transaction("read the newest event") { connection throws(PostgresError) in
            try await connection.execute(HotSQL.newestEvent).scalar.flatMap(Int64.init).map(Timestamp.init(micros:))
        }
    }

    /// The fence alone, whose row lock is written and flushed as the rows of a lane are.
    package func commitLatency() async throws(StoreError) -> Duration {
        let (clock, session) = (ContinuousClock(), session)
        let start = clock.now
        try await session.transaction("measure the commit latency") { _ throws(PostgresError) in }
        return start.duration(to: clock.now)
    }

    package func forget(_ emptied: [RangeActivity]) async throws(StoreError) {
        let buckets = emptied.flatMap { found in
            stride(from: found.range.start.micros, to: found.range.end.micros, by: Int(settings.bucketMicros)).map {
                [found.type, "\(Timestamp(micros: $0))", "\(found.range.start)", found.stamp]
            }
        }
        let columns = (0..<4).map { column in SQLText.array(buckets.map { $0[column] }) }
        try await session.transaction("forget the activity of emptied ranges") { connection throws(PostgresError) in
            _ = try await connection.execute(HotSQL.forgetActivity, columns)
        }
    }

    package func newestPrune() async throws(StoreError) -> PruneRecord? {
        try await pruneRecords(HotSQL.newestPrune).first
    }

    /// Every prune hot remembers; cold must hold each manifest named here.
    package func pruneRecords() async throws(StoreError) -> [PruneRecord] {
        try await pruneRecords(HotSQL.pruneRecords)
    }

    private func pruneRecords(_ sql: String) async throws(StoreError) -> [PruneRecord] {
        let found = try await session.transaction("read the prune log") { connection throws(PostgresError) in
            try await connection.execute(sql)
        }
        return try found.rows.map { row throws(StoreError) in
            guard let type = row[0], let start = row[1].flatMap(Int64.init), let end = row[2].flatMap(Int64.init),
                let manifest = row[3].flatMap(Int64.init), let sha256 = row[4], start < end
            else {
                throw StoreError(.corrupt, .halt, tier: "hot", operation: "read the prune log", detail: "a broken row")
            }
            let range = TimeRange(start: Timestamp(micros: start), end: Timestamp(micros: end))
            return PruneRecord(type: type, range: range, manifest: manifest, sha256: sha256)
        }
    }

    // MARK: Copy

    package func openSnapshot(
        of type: RecordType,
        in range: TimeRange,
        filter: TransferFilter?
    ) async throws(StoreError) -> PostgresSnapshot {
        let operation = "read \(type.name) \(range)"
        try await session.begin(operation, .repeatableRead)
        do throws(StoreError) {
            return try await at("hot", operation) { () throws(PostgresError) in
                // A table that somebody locks fails this attempt, instead of stopping the archive in silence.
                _ = try await connection.execute("SET LOCAL lock_timeout = \(settings.lockTimeout.milliseconds)")
                let (stamp, rows) = try await activity(of: type, in: range)
                let existing = try await connection.execute(TierSQL.partitions(of: type)).rows.compactMap { $0[0] }
                let names = Partition.covering(range, of: type).map(\.name).filter(existing.contains)
                var leftOut = 0
                if !names.isEmpty {
                    if let filter {
                        let sql = HotSQL.countLeftOut(partitions: names, range, filter)
                        leftOut = try await connection.execute(sql).scalar.flatMap(Int.init) ?? 0
                    }
                    let isOrdered = settings.format == .segments && filter == nil
                    try await connection.beginCopyOut(
                        HotSQL.readRows(type, partitions: names, range, filter, isOrdered: isOrdered)
                    )
                }
                return PostgresSnapshot(
                    stamp: stamp ?? "",
                    expectedRows: rows - leftOut,
                    connection: connection,
                    isEmpty: names.isEmpty,
                    operation: operation,
                    chunkBytes: settings.chunkBytes
                )
            }
        } catch {
            await connection.rollback()
            throw error
        }
    }

    private func activity(of type: RecordType, in range: TimeRange) async throws(PostgresError) -> (String?, Int) {
        let parameters = ["\(range.start)", "\(range.end)", type.name]
        let row = try await connection.execute(HotSQL.activityOfRange, parameters).rows.first
        return (row?[0], row?[1].flatMap(Int.init) ?? 0)
    }

    // MARK: Prune

    package func prune(_ transfer: Transfer, type: RecordType, sha256: String) async throws(StoreError) -> PruneOutcome
    {
        guard let verified = transfer.hot, let manifest = transfer.manifest else {
            preconditionFailure("a transfer is verified before it is pruned")
        }
        let operation = "prune \(type.name) \(transfer.range)"
        do throws(StoreError) {
            try await session.begin(operation)
            let outcome = try await delete(transfer, type, verified, manifest: manifest, sha256: sha256, operation)
            if case .pruned = outcome {
                try await at("hot", operation) { () throws(PostgresError) in try await connection.commit() }
            } else {
                await connection.rollback()
            }
            return outcome
        } catch {
            await connection.rollback()
            guard error.sqlState == "55P03" else { throw error }
            return .declined(declined)
        }
    }

    /// Inside the transaction: deletes the range and compares what went with what was verified.
    private func delete(
        _ transfer: Transfer,
        _ type: RecordType,
        _ verified: Summary,
        manifest: Int64,
        sha256: String,
        _ operation: String
    ) async throws(StoreError) -> PruneOutcome {
        let range = transfer.range
        let key = [type.name, "\(range.start)", "\(range.end)", "\(manifest)"]
        let before = try await at("hot", operation) { () throws(PostgresError) in
            _ = try await connection.execute("SET LOCAL lock_timeout = \(settings.lockTimeout.milliseconds)")
            return try await connection.execute(HotSQL.findPrune, key).scalar
        }
        if let before { return .already(rows: Int(before) ?? 0) }
        if let pin = try await findPin(type, range, operation) { return .declined(pin.refusal) }
        try await at("hot", operation) { () throws(PostgresError) in
            try await connection.beginCopyOut(HotSQL.deleteRange(type, range))
        }
        var deleted = BucketSums(type: type, bucketMicros: settings.bucketMicros)
        while let chunk = try await next(operation) { try deleted.add(chunk, tier: "hot") }
        guard deleted.summary == verified else {
            // An earlier prune of ours may have been committing while this one waited for its rows.
            let (logged, now) = try await at("hot", operation) { () throws(PostgresError) in
                (try await connection.execute(HotSQL.findPrune, key).scalar, try await activity(of: type, in: range).0)
            }
            if let logged { return .already(rows: Int(logged) ?? 0) }
            return now == transfer.stamp ? .altered(found: deleted.summary) : .late
        }
        let buckets = deleted.buckets.sorted { $0.key < $1.key }
        try await at("hot", operation) { () throws(PostgresError) in
            let arrays = [buckets.map { $0.key.description }, buckets.map { "\($0.value.rows)" }]
            _ = try await connection.execute(
                HotSQL.subtractActivity,
                [type.name] + arrays.map { SQLText.array($0) }
            )
            let log = key + [sha256, "\(verified.rows)", "\(verified.digest)"]
            _ = try await connection.execute(HotSQL.logPrune, log)
        }
        return .pruned(rows: verified.rows)
    }

    private func next(_ operation: String) async throws(StoreError) -> [UInt8]? {
        try await at("hot", operation) { () throws(PostgresError) in
            try await connection.nextCopyChunk(atMost: settings.chunkBytes)
        }
    }

    package func close() async { await connection.close() }
}

/// One REPEATABLE READ snapshot of a range, being streamed.
package struct PostgresSnapshot: HotSnapshot {
    package let stamp: String
    package let expectedRows: Int
    let connection: PostgresConnection
    /// No partition covers the range: there is nothing to stream.
    let isEmpty: Bool
    let operation: String
    let chunkBytes: Int

    package func next() async throws(StoreError) -> [UInt8]? {
        if isEmpty { return nil }
        return try await at("hot", operation) { () throws(PostgresError) in
            try await connection.nextCopyChunk(atMost: chunkBytes)
        }
    }

    package func close() async { await connection.rollback() }
}

import Digest
package import Records
package import Tiering

/// The hot tier in memory as the archiver sees it, in one fenced session.
package struct MemorySource: ArchiveSource {
    let token: Int64
    let session: Int
    let database: HotDatabase
    let faults: Faults

    func run<R: Sendable>(
        _ operation: String,
        _ body: () async throws(StoreError) -> R
    ) async throws(StoreError) -> R {
        try await faults.onTier("hot", operation, dropped: close) { () throws(StoreError) in
            try await database.checkFence(session, token, operation)
            return try await body()
        }
    }

    package func activity(of types: [RecordType], rangeMicros: Int64) async throws(StoreError) -> [RangeActivity] {
        try await run("read activity") { await database.activity(of: types.map(\.name), rangeMicros: rangeMicros) }
    }

    package func newestEvent() async throws(StoreError) -> Timestamp? {
        try await run("read the newest event") { await database.newestEvent() }
    }

    package func commitLatency() async throws(StoreError) -> Duration {
        try await run("measure the commit latency") { await database.commitLatency }
    }

    package func forget(_ emptied: [RangeActivity]) async throws(StoreError) {
        try await run("forget activity") { await database.forget(emptied) }
    }

    package func newestPrune() async throws(StoreError) -> PruneRecord? {
        try await run("read the prune log") { await database.prunes.map(\.record).max { $0.manifest < $1.manifest } }
    }

    package func openSnapshot(
        of type: RecordType,
        in range: TimeRange,
        filter: TransferFilter?
    ) async throws(StoreError) -> MemorySnapshot {
        let (stamp, rows, expected) = try await run("open snapshot") {
            await database.snapshot(of: type.name, in: range, filter)
        }
        return MemorySnapshot(
            stamp: stamp ?? "",
            expectedRows: expected,
            rows: MemoryRows(rows.map(\.bytes), tier: "hot", faults: faults)
        )
    }

    package func prune(_ transfer: Transfer, type: RecordType, sha256: String) async throws(StoreError) -> PruneOutcome
    {
        if faults.draws(0.02) { return .declined("a lock was not to be had") }
        return try await run("prune") { () throws(StoreError) in
            try await database.prune(transfer, sha256: sha256)
        }
    }

    /// A table in memory is what the catalogue says.
    package func drift(of types: [RecordType]) async throws(StoreError) -> [SchemaDrift] { [] }

    package func isGone(_ type: RecordType, in range: TimeRange) async throws(StoreError) -> Bool {
        try await run("look for rows") { await database.isGone(type.name, in: range) }
    }

    package func close() async { await database.disconnect(session) }
}

extension HotDatabase {
    func isGone(_ type: String, in range: TimeRange) -> Bool {
        tables[type]?.rows(in: range).isEmpty ?? true
            && !activePins.contains { $0.type == type && $0.range.overlaps(range) }
            && !resting.contains { $0.resting.type == type && $0.resting.range.overlaps(range) }
    }

    func stamp(of type: String, in range: TimeRange) -> (String?, Int) {
        sum(activity.filter { $0.key.type == type && range.contains($0.key.start) })
    }

    private func sum(_ buckets: [Bucket: Activity]) -> (String?, Int) {
        let sorted = buckets.sorted { ($0.key.start, $0.key.writer) < ($1.key.start, $1.key.writer) }
        let stamps = sorted.compactMap { bucket, activity in
            activity.stamp.map { "\(bucket.start.micros) \(bucket.writer) \($0)" }
        }
        return (stamps.isEmpty ? nil : stamps.joined(separator: ","), sorted.reduce(0) { $0 + $1.value.rows })
    }

    func activity(of types: [String], rangeMicros: Int64) -> [RangeActivity] {
        struct Key: Hashable {
            let type: String
            let range: TimeRange
        }
        var ranges: [Key: [Bucket: Activity]] = [:]
        for (bucket, activity) in activity where types.contains(bucket.type) {
            let key = Key(type: bucket.type, range: TimeRange(containing: bucket.start, width: rangeMicros))
            ranges[key, default: [:]][bucket] = activity
        }
        return ranges.compactMap { key, buckets in
            let (stamp, rows) = sum(buckets)
            return stamp.map { RangeActivity(type: key.type, range: key.range, stamp: $0, rows: rows) }
        }
    }

    func forget(_ emptied: [RangeActivity]) {
        for found in emptied where stamp(of: found.type, in: found.range) == (found.stamp, 0) {
            for bucket in activity.keys where bucket.type == found.type && found.range.contains(bucket.start) {
                activity[bucket] = nil
            }
        }
    }

    func snapshot(
        of type: String,
        in range: TimeRange,
        _ filter: TransferFilter?
    ) -> (String?, [MemoryRow], Int) {
        let (stamp, expected) = stamp(of: type, in: range)
        let all = tables[type]?.rows(in: range) ?? []
        let meant = filter.map { filter in all.filter { $0.isMeant(by: filter) } } ?? all
        return (stamp, meant, expected - all.count + meant.count)
    }

    /// Deletes a range if it holds exactly what was verified.
    func prune(_ transfer: Transfer, sha256: String) throws(StoreError) -> PruneOutcome {
        guard let verified = transfer.hot, let manifest = transfer.manifest else {
            preconditionFailure("a transfer is verified before it is pruned")
        }
        let (type, range) = (transfer.type, transfer.range)
        let record = PruneRecord(type: type, range: range, manifest: manifest, sha256: sha256)
        if let done = prunes.first(where: { $0.record == record }) { return .already(rows: done.rows) }
        if let pin = pin(on: type, range) { return .declined(pin.refusal) }
        let rows = tables[type]?.rows(in: range) ?? []
        let found = rows.reduce(Summary.zero) { $0 + $1.summary }
        guard found == verified || flaws.contains(.prunesUnproved) else {
            return stamp(of: type, in: range).0 == transfer.stamp ? .altered(found: found) : .late
        }
        for row in rows {
            tables[type]?.remove(row)
            let start = TimeRange(containing: row.ts, width: bucketMicros).start
            activity[Bucket(type: type, start: start, writer: "prune"), default: Activity()].rows -= 1
            deleted[type, default: []].append((row.identity, row.content))
        }
        prunes.append(Prune(record: record, rows: rows.count))
        changed.insert(type)
        return .pruned(rows: rows.count)
    }
}

/// One snapshot of a range: what it holds was read when it was opened.
package struct MemorySnapshot: HotSnapshot {
    package let stamp: String
    package let expectedRows: Int
    let rows: MemoryRows

    package func next() async throws(StoreError) -> [UInt8]? { try await rows.next() }
    package func close() async {}
}

/// Rows in memory, handed out in chunks.
package actor MemoryRows: RowStream {
    // Small, so that a stream of few rows has a middle in which something can happen.
    private static let chunkRows = 8
    private var left: ArraySlice<[UInt8]>
    private let tier: String
    private let faults: Faults

    init(_ rows: [[UInt8]], tier: String, faults: Faults) {
        left = rows[...]
        self.tier = tier
        self.faults = faults
    }

    package func next() async throws(StoreError) -> [UInt8]? {
        try await faults.onTier(tier, "read rows") {
            guard !left.isEmpty else { return nil }
            defer { left = left.dropFirst(Self.chunkRows) }
            return left.prefix(Self.chunkRows).reduce(into: []) { $0 += $1 }
        }
    }
}

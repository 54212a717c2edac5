import Digest
import Platform
package import Records
package import Tiering

/// A partition that left hot in memory, and its rows.
package struct RestingRows: Sendable {
    package let resting: Resting
    let rows: [MemoryRow]
}

/// Whole partitions of hot in memory, as `PostgresSource` has them.
extension MemorySource {
    package func pins() async throws(StoreError) -> [Pin] {
        try await run("read pins") { await database.activePins }
    }

    package func partitions(of types: [RecordType]) async throws(StoreError) -> [HotPartition] {
        let names = Set(types.map(\.name))
        return try await run("list partitions") { await database.partitions.filter { names.contains($0.type) } }
    }

    package func prune(
        _ due: DuePartition,
        type: RecordType,
        sha256: [Int64: String]
    ) async throws(StoreError) -> PartitionOutcome {
        if faults.draws(0.02) { return .declined("a lock was not to be had") }
        return try await run("rest") { await database.rest(due, sha256: sha256) }
    }

    package func resting(for span: Duration) async throws(StoreError) -> [Resting] {
        try await run("read what rests") { await database.resting(for: span) }
    }

    package func read(_ resting: Resting, type: RecordType, in range: TimeRange?) async throws(StoreError) -> MemoryRows
    {
        let rows = try await run("read what rests") { await database.rows(of: resting) }
        let wanted = rows.filter { range?.contains($0.ts) ?? true }
        return MemoryRows(wanted.map(\.bytes), tier: "hot", faults: faults)
    }

    package func drop(_ resting: Resting) async throws(StoreError) -> Bool {
        try await run("drop") { await database.drop(resting) }
    }

    package func giveBack(_ resting: Resting, type: RecordType) async throws(StoreError) -> Bool {
        try await run("give back") { await database.giveBack(resting) }
    }
}

extension HotDatabase {
    package func pin(_ pin: Pin) { pins.append(pin) }

    package var partitionCount: Int { partitions.count }

    var activePins: [Pin] { pins.filter { $0.expiresAt > clock.timestamp } }

    func pin(on type: String, _ range: TimeRange) -> Pin? {
        activePins.first { $0.type == type && $0.range.overlaps(range) }
    }

    func rest(_ due: DuePartition, sha256: [Int64: String]) -> PartitionOutcome {
        let (type, range) = (due.partition.type, due.partition.range)
        if let pin = pin(on: type, range) { return .declined(pin.refusal) }
        let logged = Set(prunes.lazy.filter { $0.record.type == type }.map(\.record.manifest))
        let leaving = due.transfers.filter { !logged.contains($0.manifest ?? -1) }
        if leaving.isEmpty && !due.transfers.isEmpty { return .already }
        if resting.contains(where: { $0.resting.type == type && $0.resting.range == range }) {
            return due.transfers.isEmpty ? .declined("an earlier life of it still rests") : .occupied
        }
        guard partitions.contains(due.partition) else { return .declined("hot has no such partition") }
        var counted = activity.filter { $0.key.type == type && range.contains($0.key.start) }
        for transfer in leaving {
            let (stamp, rows) = stamp(of: type, in: transfer.range)
            guard stamp == transfer.stamp || flaws.contains(.restsUnproved) else { return .late }
            guard rows == transfer.hot?.rows || flaws.contains(.restsUnproved) else {
                return .declined("activity counts other rows")
            }
            counted = counted.filter { !transfer.range.contains($0.key.start) }
        }
        guard counted.values.reduce(0, { $0 + $1.rows }) == 0 || flaws.contains(.restsUnproved) else { return .late }
        return .rests(rows: take(due.partition, leaving, sha256), locked: .zero)
    }

    /// Takes the rows out of hot and logs what was proved of them.
    private func take(_ partition: HotPartition, _ leaving: [Transfer], _ sha256: [Int64: String]) -> Int {
        let (type, range) = (partition.type, partition.range)
        let rows = tables[type]?.rows(in: range) ?? []
        for (bucket, counted) in activity where bucket.type == type && range.contains(bucket.start) && counted.rows != 0
        {
            let prune = Bucket(type: type, start: bucket.start, writer: "prune")
            activity[prune, default: Activity()].rows -= counted.rows
        }
        for row in rows {
            tables[type]?.remove(row)
            deleted[type, default: []].append((row.identity, row.content))
        }
        for transfer in leaving {
            let number = transfer.manifest ?? -1
            let sha256 = sha256[number] ?? ""
            let record = PruneRecord(type: type, range: transfer.range, manifest: number, sha256: sha256)
            prunes.append(Prune(record: record, rows: transfer.hot?.rows ?? 0))
        }
        partitions.remove(partition)
        let rests = Resting(
            name: "\(type)_p\(range.start.micros)",
            type: type,
            range: range,
            rows: rows.count,
            at: clock.timestamp,
            proofs: leaving.map { Resting.Proof(range: $0.range, manifest: $0.manifest ?? -1, hot: $0.hot ?? .zero) }
        )
        resting.append(RestingRows(resting: rests, rows: rows))
        changed.insert(type)
        return rows.count
    }

    func resting(for span: Duration) -> [Resting] {
        let limit = clock.timestamp.advanced(byMicros: -span.micros)
        return resting.map(\.resting).filter { $0.at <= limit && pin(on: $0.type, $0.range) == nil }
            .sorted { ($0.range.start, $0.type) < ($1.range.start, $1.type) }
    }

    func rows(of resting: Resting) -> [MemoryRow] { self.resting.first { $0.resting == resting }?.rows ?? [] }

    func drop(_ resting: Resting) -> Bool {
        guard let index = self.resting.firstIndex(where: { $0.resting == resting }),
            pin(on: resting.type, resting.range) == nil
        else { return false }
        self.resting.remove(at: index)
        changed.insert(resting.type)
        return true
    }

    func giveBack(_ resting: Resting) -> Bool {
        guard let index = self.resting.firstIndex(where: { $0.resting == resting }) else { return false }
        let rows = self.resting[index].rows
        var stored: [Timestamp: Int] = [:]
        for row in rows where insert(row, resting.type) {
            stored[TimeRange(containing: row.ts, width: bucketMicros).start, default: 0] += 1
        }
        count(stored, resting.type, writer: "undo")
        guard rows.allSatisfy({ tables[resting.type]?.row($0)?.content == $0.content }) else { return false }
        self.resting.remove(at: index)
        let manifests = resting.proofs.map(\.manifest)
        prunes.removeAll { manifests.contains($0.record.manifest) }
        return true
    }

    /// Takes away a resting row and tells nobody.
    package func loseRestingRow() {
        guard let first = resting.first else { return }
        resting[0] = RestingRows(resting: first.resting, rows: Array(first.rows.dropFirst()))
    }
}

extension MemoryTarget {
    package func missing(
        _ rows: some RowStream,
        type: RecordType,
        in range: TimeRange
    ) async throws(StoreError) -> Int {
        var bytes: [UInt8] = []
        try await rows.forEach { chunk throws(StoreError) in bytes += chunk }
        let all = bytes
        return try await run("look for rows") { () throws(StoreError) in
            try await database.countMissing(all, type: type)
        }
    }
}

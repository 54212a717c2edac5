import Digest
import Platform
import Postgres
package import Records
package import Tiering

/// Whole partitions of hot on PostgreSQL: detached, resting, dropped or given back.
extension PostgresSource {
    package func pins() async throws(StoreError) -> [Pin] {
        let found = try await session.transaction("read pins") { connection throws(PostgresError) in
            try await connection.execute(HotSQL.pins)
        }
        return try found.rows.map { row throws(StoreError) in try Self.pin(row) }
    }

    static func pin(_ row: [String?]) throws(StoreError) -> Pin {
        guard let id = row[0], let type = row[1], let range = range(row[2], row[3]), let reason = row[4],
            let expires = row[5].flatMap(Int64.init)
        else { throw broken("pin") }
        return Pin(id: id, type: type, range: range, reason: reason, expiresAt: Timestamp(micros: expires))
    }

    static func range(_ start: String?, _ end: String?) -> TimeRange? {
        guard let start = start.flatMap(Int64.init), let end = end.flatMap(Int64.init), start < end else { return nil }
        return TimeRange(start: Timestamp(micros: start), end: Timestamp(micros: end))
    }

    static func broken(_ table: String) -> StoreError {
        StoreError(.corrupt, .halt, tier: "hot", operation: "read thermocline_store.\(table)", detail: "a broken row")
    }

    /// The pin that forbids a prune; until the transaction ends no other is written.
    func findPin(_ type: RecordType, _ range: TimeRange, _ operation: String) async throws(StoreError) -> Pin? {
        let rows = try await at("hot", operation) { () throws(PostgresError) in
            _ = try await connection.execute(HotSQL.lockPins)
            return try await connection.execute(
                HotSQL.pinsOfRange,
                [type.name, "\(range.start)", "\(range.end)"]
            ).rows
        }
        return try rows.first.map { row throws(StoreError) in try Self.pin(row) }
    }

    package func partitions(of types: [RecordType]) async throws(StoreError) -> [HotPartition] {
        try await session.transaction("list partitions") { connection throws(PostgresError) in
            var found: [HotPartition] = []
            for type in types {
                let names = try await connection.execute(TierSQL.partitions(of: type)).rows.compactMap { $0[0] }
                found += names.compactMap { Partition(named: $0, of: type) }
                    .map { HotPartition(type: type.name, range: $0.range) }
            }
            return found
        }
    }

    // MARK: Rest

    package func prune(
        _ due: DuePartition,
        type: RecordType,
        sha256: [Int64: String]
    ) async throws(StoreError) -> PartitionOutcome {
        let operation = "let \(type.name) \(due.partition.range) rest"
        do throws(StoreError) {
            try await session.begin(operation)
            let outcome = try await rest(due, type, sha256, operation)
            if case .rests = outcome { return outcome }
            await connection.rollback()
            return outcome
        } catch {
            await connection.rollback()
            guard error.sqlState == "55P03" else { throw error }
            return .declined(declined)
        }
    }

    var declined: String { "a lock was not to be had within \(settings.lockTimeout.milliseconds) ms" }

    /// Inside the transaction, which it commits where the partition rests.
    ///
    /// Between the lock and the COMMIT there are four short statements, whatever the size: rows are counted by
    /// activity, never read.
    private func rest(
        _ due: DuePartition,
        _ type: RecordType,
        _ sha256: [Int64: String],
        _ operation: String
    ) async throws(StoreError) -> PartitionOutcome {
        let partition = Partition(of: type, containing: due.partition.range.start)
        let range = partition.range
        try await at("hot", operation) { () throws(PostgresError) in
            _ = try await connection.execute("SET LOCAL lock_timeout = \(settings.lockTimeout.milliseconds)")
        }
        if let pin = try await findPin(type, range, operation) { return .declined(pin.refusal) }
        let manifests = due.transfers.compactMap(\.manifest)
        let (logged, isOccupied, isThere) = try await at("hot", operation) { () throws(PostgresError) in
            let found = try await connection.execute(
                HotSQL.findPrunes,
                [type.name, SQLText.array(manifests.map { "\($0)" })]
            )
            let resting = try await connection.execute(HotSQL.isResting, [partition.name]).scalar == "t"
            let names = try await connection.execute(TierSQL.partitions(of: type)).rows.map { $0[0] }
            return (Set(found.rows.compactMap { $0[0].flatMap(Int64.init) }), resting, names.contains(partition.name))
        }
        if !manifests.isEmpty && manifests.allSatisfy(logged.contains) { return .already }
        if isOccupied { return due.transfers.isEmpty ? .declined("an earlier life of it still rests") : .occupied }
        guard isThere else { return .declined("hot has no partition \(partition.name)") }
        // A bucket that begins before the partition may count rows of it.
        let first = range.start.advanced(byMicros: 1 - settings.bucketMicros)
        let leaving = due.transfers.filter { !logged.contains($0.manifest ?? -1) }
        try await at("hot", operation) { () throws(PostgresError) in
            _ = try await connection.execute(HotSQL.lockTable(type))
        }
        let locked = ContinuousClock.now
        let found = try await at("hot", operation) { () throws(PostgresError) in
            let statements = [HotSQL.lockPartition(partition), HotSQL.detach(partition, of: type)]
            _ = try await connection.executeScript(statements.joined(separator: ";\n"))
            let width = due.transfers.first.map { $0.range.end.micros - $0.range.start.micros } ?? settings.bucketMicros
            return try await connection.execute(
                HotSQL.activityOfPartition,
                ["\(width)", type.name, "\(first)", "\(range.end)"]
            ).rows
        }
        if let refusal = compare(found, with: leaving) { return refusal }
        let log = leaving.map { transfer in
            (transfer, sha256[transfer.manifest ?? -1] ?? "", transfer.hot ?? .zero)
        }
        let columns = [
            log.map { "\($0.0.range.start)" }, log.map { "\($0.0.range.end)" }, log.map { "\($0.0.manifest ?? -1)" },
            log.map { $0.1 }, log.map { "\($0.2.rows)" }, log.map { "\($0.2.digest)" },
        ]
        let rows = try await at("hot", operation) { () throws(PostgresError) in
            let parameters = [type.name, "\(range.start)", "\(range.end)", partition.name]
            let rests = try await connection.execute(HotSQL.rest, parameters + columns.map { SQLText.array($0) })
            try await connection.commit()
            return rests.scalar.flatMap(Int.init) ?? 0
        }
        return .rests(rows: rows, locked: locked.duration(to: .now))
    }

    /// Compares what the locked table's activity says with what was verified; nil where both are the same.
    private func compare(_ found: [[String?]], with leaving: [Transfer]) -> PartitionOutcome? {
        var expected = Dictionary(leaving.map { ($0.range.start.micros, $0) }) { $1 }
        for row in found {
            let rows = row[2].flatMap(Int.init) ?? 0
            guard let transfer = row[0].flatMap(Int64.init).flatMap({ expected.removeValue(forKey: $0) }) else {
                if rows == 0 { continue }
                return .late
            }
            guard row[1] == transfer.stamp else { return .late }
            guard rows == transfer.hot?.rows else {
                return .declined(
                    "hot's activity counts \(rows) rows in \(transfer.range), verified were \(transfer.hot?.rows ?? 0)"
                )
            }
        }
        return expected.isEmpty ? nil : .late
    }

    // MARK: Drop

    package func resting(for span: Duration) async throws(StoreError) -> [Resting] {
        let found = try await session.transaction("read what rests") { connection throws(PostgresError) in
            try await connection.execute(HotSQL.resting, ["\(span.micros)"])
        }
        var resting: [Resting] = []
        for row in found.rows {
            guard let name = row[0], let type = row[1], let range = Self.range(row[2], row[3]),
                let rows = row[4].flatMap(Int.init), let time = row[5].flatMap(Int64.init)
            else { throw Self.broken("resting") }
            if resting.last?.name != name {
                let at = Timestamp(micros: time)
                resting.append(Resting(name: name, type: type, range: range, rows: rows, at: at, proofs: []))
            }
            guard let manifest = row[8].flatMap(Int64.init) else { continue }
            guard let range = Self.range(row[6], row[7]), let rows = row[9].flatMap(Int.init),
                let digest = row[10].flatMap(Digest128.init)
            else { throw Self.broken("prune_log") }
            let proof = Resting.Proof(range: range, manifest: manifest, hot: Summary(rows: rows, digest: digest))
            resting[resting.count - 1].proofs.append(proof)
        }
        return resting
    }

    package func read(
        _ resting: Resting,
        type: RecordType,
        in range: TimeRange?
    ) async throws(StoreError) -> PostgresRows {
        let operation = "read \(resting.name), which rests,"
        try await session.begin(operation)
        do throws(StoreError) {
            try await at("hot", operation) { () throws(PostgresError) in
                try await connection.beginCopyOut(HotSQL.readResting(resting.name, type, range))
            }
        } catch {
            await connection.rollback()
            throw error
        }
        return PostgresRows(
            tier: "hot",
            connection: connection,
            operation: operation,
            chunkBytes: settings.chunkBytes,
            endsTransaction: true
        )
    }

    package func drop(_ resting: Resting) async throws(StoreError) -> Bool {
        try await take(resting, "drop \(resting.name)") { () throws(StoreError) in true }
    }

    package func giveBack(_ resting: Resting, type: RecordType) async throws(StoreError) -> Bool {
        let operation = "give \(resting.name) back"
        var keeper = PartitionKeeper(type: type, tier: "hot", limit: .max)
        _ = try await keeper.ensure(Set(Partition.covering(resting.range, of: type)), at: nil, on: connection)
        return try await take(resting, operation, ignoresPins: true) { () throws(StoreError) in
            let left = try await at("hot", operation) { () throws(PostgresError) in
                _ = try await connection.execute(
                    HotSQL.giveBack(resting.name, type),
                    [type.name, "\(settings.bucketMicros)"]
                )
                let left = try await connection.execute(HotSQL.countNotBack(resting.name, type)).scalar
                if left == "0" {
                    let (range, at) = (resting.range, "\(resting.at)")
                    let log = [resting.type, "\(range.start)", "\(range.end)", at]
                    _ = try await connection.execute(HotSQL.forgetPrunes, log)
                }
                return left
            }
            return left == "0"
        }
    }

    /// Runs `body` while nobody else can take the partition away, then drops it if `body` says so; else, it rests on.
    private func take(
        _ resting: Resting,
        _ operation: String,
        ignoresPins: Bool = false,
        _ body: () async throws(StoreError) -> Bool
    ) async throws(StoreError) -> Bool {
        do throws(StoreError) {
            try await session.begin(operation)
            try await at("hot", operation) { () throws(PostgresError) in
                _ = try await connection.execute("SET LOCAL lock_timeout = \(settings.lockTimeout.milliseconds)")
            }
            let isTaken = try await at("hot", operation) { () throws(PostgresError) in
                _ = try await connection.execute(HotSQL.lockPins)
                let pinned = [resting.type, "\(resting.range.start)", "\(resting.range.end)"]
                let isPinned = try await !connection.execute(HotSQL.pinsOfRange, pinned).rows.isEmpty
                if isPinned && !ignoresPins { return false }
                return try await connection.execute(HotSQL.lockResting, [resting.name, "\(resting.at)"]).rows.count == 1
            }
            guard isTaken else {
                await connection.rollback()
                return false
            }
            let goes = try await body()
            try await at("hot", operation) { () throws(PostgresError) in
                if goes {
                    _ = try await connection.execute(HotSQL.dropResting(resting.name))
                    _ = try await connection.execute(HotSQL.forgetResting, [resting.name])
                }
                try await connection.commit()
            }
            return goes
        } catch {
            await connection.rollback()
            throw error
        }
    }
}

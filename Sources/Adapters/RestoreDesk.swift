import Digest
import Platform
import Postgres
package import Records
package import Tiering

/// Keeps rows in hot, or brings them back, whether or not a service runs.
///
/// Under the token that both fences hold, beside the archiver's own sessions: a take-over ends these, too.
package struct RestoreDesk: Sendable {
    /// One partition that rested, and what became of it.
    package struct Undone: Sendable, Equatable {
        package let name: String
        package let range: TimeRange
        package let rows: Int
        /// False where it rests on, because hot holds other rows under keys of it.
        package let isBack: Bool
    }

    private let tiers: PostgresTiers
    private let bucketMicros: Int64
    /// How many ranges are restored at the same time.
    private let concurrency: Int

    package init(tiers: PostgresTiers, bucketMicros: Int64, concurrency: Int) {
        self.tiers = tiers
        self.bucketMicros = bucketMicros
        self.concurrency = concurrency
    }

    // MARK: Pins

    package func pins() async throws(StoreError) -> [Pin] {
        try await run { source, _ throws(StoreError) in try await source.pins() }
    }

    /// Keeps what hot holds of a range, and what it will hold of it, for `span`.
    package func pin(
        _ type: RecordType,
        _ range: TimeRange,
        reason: String,
        for span: Duration
    ) async throws(StoreError) -> Pin {
        try await run { source, _ throws(StoreError) in
            try await source.pin(type, range, reason: reason, for: span)
        }
    }

    /// False where there is no such pin.
    package func unpin(_ id: String) async throws(StoreError) -> Bool {
        try await run { source, _ throws(StoreError) in try await source.unpin(id) }
    }

    // MARK: Undo and restore

    /// Gives back the partitions of a range that rest, and pins them.
    package func undo(
        _ type: RecordType,
        _ range: TimeRange,
        keeping span: Duration
    ) async throws(StoreError) -> [Undone] {
        try await run { source, _ throws(StoreError) in
            let resting = try await source.resting(of: type, in: range)
            var undone: [Undone] = []
            for partition in resting {
                // First the pin, or the archiver would let it rest again at once.
                _ = try await source.pin(type, partition.range, reason: "undo of \(partition.name)", for: span)
                let isBack = try await source.giveBack(partition, type: type)
                undone.append(
                    Undone(name: partition.name, range: partition.range, rows: partition.rows, isBack: isBack)
                )
            }
            return undone
        }
    }

    /// Copies the proved ranges that meet `range` from cold to hot, proves that hot holds them, and pins them.
    ///
    /// `progress` hears of each. Throws: `.corrupt` where cold is not what its ledger says: nothing of that range came,
    /// and none is begun after it.
    package func restore(
        _ type: RecordType,
        _ range: TimeRange,
        keeping span: Duration,
        progress: @escaping @Sendable (Restored) -> Void
    ) async throws(StoreError) {
        let ranges = try await run { _, target throws(StoreError) in
            try await target.ledger()
                .filter { $0.type == type.name && $0.isProved && $0.range.overlaps(range) }
                .sorted { $0.range.start < $1.range.start }
        }
        let waiting = Locked(ranges[...])
        let next: @Sendable () -> Transfer? = { waiting.withLock { $0.popFirst() } }
        let stop: @Sendable () -> Void = { waiting.withLock { $0 = [] } }
        let outcome = await withTaskGroup(of: Result<Void, StoreError>.self) { group in
            for _ in 0..<min(concurrency, ranges.count) {
                group.addTask {
                    let restored = await Result { () async throws(StoreError) in
                        try await restoreEach(type, keeping: span, progress, next: next)
                    }
                    if case .failure = restored { stop() }
                    return restored
                }
            }
            var outcome = Result<Void, StoreError>.success(())
            for await ended in group { if case .failure = ended { outcome = ended } }
            return outcome
        }
        try outcome.get()
    }

    private func restoreEach(
        _ type: RecordType,
        keeping span: Duration,
        _ progress: @Sendable (Restored) -> Void,
        next: @Sendable () -> Transfer?
    ) async throws(StoreError) {
        try await run { source, target throws(StoreError) in
            let restore = Restore(type: type, source: source, target: target, bucketMicros: bucketMicros)
            while let transfer = next() {
                _ = try await source.pin(type, transfer.range, reason: "restored from cold", for: span)
                progress(try await restore.run(transfer))
            }
        }
    }

    private func run<R>(
        _ body: (PostgresSource, PostgresTarget) async throws(StoreError) -> R
    ) async throws(StoreError) -> R {
        try await PostgresTiers.closing(try await tiers.openBeside(), body)
    }
}

extension PostgresSource {
    func pin(
        _ type: RecordType,
        _ range: TimeRange,
        reason: String,
        for span: Duration
    ) async throws(StoreError) -> Pin {
        let found = try await session.transaction("pin \(type.name) \(range)") { connection throws(PostgresError) in
            try await connection.execute(
                HotSQL.addPin,
                [type.name, "\(range.start)", "\(range.end)", reason, "\(span.micros)"]
            )
        }
        guard let row = found.rows.first else { throw Self.broken("pin") }
        return try Self.pin(row)
    }

    func unpin(_ id: String) async throws(StoreError) -> Bool {
        try await session.transaction("remove pin \(id)") { connection throws(PostgresError) in
            try await connection.execute(HotSQL.removePin, [id]).affected == 1
        }
    }

    /// What rests of a range, pinned or not.
    func resting(of type: RecordType, in range: TimeRange) async throws(StoreError) -> [Resting] {
        let found = try await session.transaction("read what rests") { connection throws(PostgresError) in
            try await connection.execute(HotSQL.restingOfRange, [type.name, "\(range.start)", "\(range.end)"])
        }
        return try found.rows.map { row throws(StoreError) in
            guard let name = row[0], let range = Self.range(row[1], row[2]), let rows = row[3].flatMap(Int.init),
                let at = row[4].flatMap(Int64.init)
            else { throw Self.broken("resting") }
            return Resting(
                name: name,
                type: type.name,
                range: range,
                rows: rows,
                at: Timestamp(micros: at),
                proofs: []
            )
        }
    }
}

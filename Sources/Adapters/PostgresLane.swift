import Platform
import Postgres
package import Records
package import Tiering

/// One claimed lane in one session with the hot database.
package actor PostgresLane: LaneSession {
    package nonisolated let owner: String
    private let source: SourceID
    private let type: RecordType
    private let connection: PostgresConnection
    private let bucketMicros: Int64
    private let maxRejectedShare: Double
    private let maxQuarantineBytes: Int
    private var partitions: PartitionKeeper
    private var mode = AppendMode()

    init(
        owner: String,
        source: SourceID,
        type: RecordType,
        connection: PostgresConnection,
        settings: HotSettings
    ) {
        self.owner = owner
        self.source = source
        self.type = type
        self.connection = connection
        bucketMicros = settings.bucketMicros
        maxRejectedShare = settings.maxRejectedShare
        maxQuarantineBytes = settings.maxQuarantineBytes
        partitions = PartitionKeeper(type: type, tier: "hot", limit: settings.maxPartitions)
    }

    private var key: [String?] { [source.stream, source.filter] }

    package func recordConsumer(_ name: String) async throws(StoreError) -> Bool {
        try await update("record the consumer", HotSQL.recordConsumer, key + [owner, name])
    }

    package func heartbeat() async throws(StoreError) -> Bool {
        try await update("say that the lane lives", HotSQL.heartbeat, key + [owner])
    }

    private func update(_ operation: String, _ sql: String, _ parameters: [String?]) async throws(StoreError) -> Bool {
        try await at("hot", "\(operation) of \(source)") { () throws(PostgresError) in
            try await connection.execute(sql, parameters).affected == 1
        }
    }

    package func startEpoch(
        _ epoch: Int64,
        created: Timestamp?,
        at sequence: UInt64,
        gap: Gap?
    ) async throws(StoreError) -> Bool {
        let call = HotCall(connection, "start an epoch of \(source)")
        // That a stream was deleted is noted all the same: nothing is read of it.
        if type.dedupe == .position, created != nil {
            let wasReadOtherwise = try await call.execute(HotSQL.wasReadOtherwise, key).scalar == "t"
            if epoch > 1 || gap != nil || wasReadOtherwise { throw mayBeStored(call) }
        }
        let started = try await call.transaction { () throws(StoreError) -> Bool? in
            let parameters = key + [owner, "\(epoch)", created?.description, "\(sequence)"]
            guard try await call.execute(HotSQL.startEpoch, parameters).affected == 1 else { return nil }
            if let gap { try await add(gap, call) }
            return true
        }
        return started != nil
    }

    /// Without keys nothing can tell what a stream that changed holds anew.
    private func mayBeStored(_ call: HotCall) -> StoreError {
        call.halt(
            "the stream went back, was deleted, made again, or is read by another filter: what it holds now may be "
                + "stored already, and types.\(type.name).dedupe = position cannot tell. Set it to key, run "
                + "`thermocline schema apply hot` and start again: everything that the stream holds is then read and "
                + "stored once. Afterwards it may become position again"
        )
    }

    /// In parts where the server lacks memory for the whole: it holds a lock for each partition and each index.
    package func commit(_ batch: LaneBatch) async throws(StoreError) -> CommitOutcome {
        do throws(StoreError) {
            return try await commitWhole(batch)
        } catch {
            guard error.sqlState == "53200", partitions(for: batch).count > 1, let (first, rest) = batch.halves else {
                throw error
            }
            let outcome = try await commit(first)
            guard case .committed = outcome else { return outcome }
            return outcome + (try await commit(rest))
        }
    }

    private func commitWhole(_ batch: LaneBatch) async throws(StoreError) -> CommitOutcome {
        var batch = batch
        try await makePartitions(for: &batch)
        do throws(StoreError) {
            return try await append(batch)
        } catch {
            guard error.disposition == .reject, !error.isMissingPartition else { throw remade(error) }
        }
        do throws(StoreError) {
            try await takeOutRejects(of: &batch)
            return try await append(batch)
        } catch {
            throw remade(error)
        }
    }

    /// No bad row where its partition was taken away: it is made again at the next attempt.
    private func remade(_ error: StoreError) -> StoreError {
        guard error.isMissingPartition else { return error }
        partitions.forget()
        return error.passing
    }

    /// Straight into the table where keys have not repeated lately, else through staging.
    private func append(_ batch: LaneBatch) async throws(StoreError) -> CommitOutcome {
        let isByPosition = type.dedupe == .position
        if isByPosition || (!batch.rows.isEmpty && !batch.rows.hasContestedKeys && mode.triesDirect) {
            do throws(StoreError) {
                let outcome = try await append(batch, staging: false)
                if !batch.rows.isEmpty { mode.triedDirect(wasDirty: false) }
                return outcome
            } catch {
                guard !isByPosition, isRepeatedKey(error) else { throw error }
                mode.triedDirect(wasDirty: true)
            }
        } else if !batch.rows.isEmpty {
            mode.staged()
        }
        return try await append(batch, staging: true)
    }

    /// Whether our own key was repeated; a user's unique constraint is another matter.
    private func isRepeatedKey(_ error: StoreError) -> Bool {
        guard error.sqlState == "23505", let constraint = error.constraint else { return false }
        return Partition.isKey(constraint, of: type)
    }

    /// Moves the rows that the database rejects, whole messages, to quarantine.
    private func takeOutRejects(of batch: inout LaneBatch) async throws(StoreError) {
        let limit = max(100, Int(Double(batch.rows.count) * maxRejectedShare))
        let rejects = try await RejectedRows(type: type, connection: connection, limit: limit).find(in: batch.rows)
        let errors = Dictionary(uniqueKeysWithValues: rejects.map { ($0.row.sequence, $0.error) })
        batch.takeOut(reason: "rejected") { row in errors[row.sequence].map { ($0.detail, $0.sqlState) } }
    }

    /// The partitions that the rows need.
    private func partitions(for batch: LaneBatch) -> Set<Partition> {
        var needed: Set<Partition> = []
        var last: Partition?
        for row in batch.rows.rows where last.map({ !$0.range.contains(row.ts) }) ?? true {
            let partition = Partition(of: type, containing: row.ts)
            needed.insert(partition)
            last = partition
        }
        return needed
    }

    /// Makes the partitions that the rows need; rows beyond `hot.max_partitions` go whole to quarantine.
    private func makePartitions(for batch: inout LaneBatch) async throws(StoreError) {
        let needed = partitions(for: batch)
        var keeper = partitions
        let refused = try await keeper.ensure(needed, at: batch.messageTime, on: connection)
        partitions = keeper
        guard !refused.isEmpty else { return }
        let detail = "\(type.name) has \(partitions.limit) partitions, as many as hot.max_partitions allows"
        batch.takeOut(reason: "no_partition") { row in
            refused.contains { $0.range.contains(row.ts) } ? (detail, nil) : nil
        }
    }

    // MARK: One transaction

    private func append(_ batch: LaneBatch, staging: Bool) async throws(StoreError) -> CommitOutcome {
        let call = HotCall(connection, "append \(type.name)")
        let store = RowStore(type: type, call: call)
        let outcome = try await call.transaction { () throws(StoreError) -> CommitOutcome? in
            let fence =
                key + [
                    owner, "\(batch.epoch)", "\(batch.from)", "\(batch.to)", batch.messageTime?.description,
                    batch.newestEvent?.description,
                ]
            guard try await call.execute(HotSQL.fence, fence).affected == 1 else { return nil }
            for gap in batch.gaps { try await add(gap, call) }
            let kept = staging ? try await store.merge(batch.rows) : try await store.copy(batch.rows)
            var batch = batch
            let others = batch.quarantined.count
            batch.takeOut(reason: "conflict") { row in kept.conflicts[row.sequence].map { ($0, nil) } }
            let quarantine = QuarantineTable(call: call, maxBytes: maxQuarantineBytes)
            try await quarantine.add(batch.quarantined, of: source.stream)
            try await store.addActivity(kept.stored, writer: source.description, bucketMicros: bucketMicros)
            return .committed(
                stored: kept.stored.count,
                repeated: batch.repeated + batch.rows.count - kept.stored.count,
                quarantined: batch.quarantined.count,
                conflicts: batch.quarantined.count - others
            )
        }
        if let outcome { return outcome }
        return try await whoseLane()
    }

    private func add(_ gap: Gap, _ call: HotCall) async throws(StoreError) {
        let parameters: [String?] = [
            type.name, source.stream, source.filter, "\(gap.epoch)", gap.cause.rawValue,
            gap.firstSequence.map { "\($0)" }, gap.lastSequence.map { "\($0)" }, gap.isSuspected ? "t" : "f",
        ]
        try await call.execute(HotSQL.addGap, parameters)
    }

    /// Tells, after a fence that matched nothing, who has the lane, and whether an earlier commit of ours won.
    private func whoseLane() async throws(StoreError) -> CommitOutcome {
        let found = try await at("hot", "read the position of \(source)") { () throws(PostgresError) in
            try await connection.execute(HotSQL.readPosition, key)
        }
        guard let row = found.rows.first, let holder = row[5] else { return .lost(owner: "nobody") }
        return holder == owner ? .positionMoved : .lost(owner: "\(holder) on \(row[6] ?? "an unknown host")")
    }

    package func close() async { await connection.close() }
}

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
        let started = try await transaction("start an epoch of \(source)") { () throws(PostgresError) -> Bool? in
            let parameters = key + [owner, "\(epoch)", created?.description, "\(sequence)"]
            guard try await connection.execute(HotSQL.startEpoch, parameters).affected == 1 else { return nil }
            if let gap { try await add(gap) }
            return true
        }
        return started != nil
    }

    package func commit(_ batch: LaneBatch) async throws(StoreError) -> CommitOutcome {
        var batch = batch
        try await makePartitions(for: &batch)
        do throws(StoreError) {
            return try await append(batch)
        } catch {
            if error.sqlState == "23514" && error.constraint == nil {
                // No bad row: its partition was taken away, and is made again at the next attempt.
                partitions.forget()
                throw error.passing
            }
            guard error.disposition == .reject else { throw error }
        }
        try await takeOutRejects(of: &batch)
        return try await append(batch)
    }

    /// Straight into the table where keys have not repeated lately, else through staging.
    private func append(_ batch: LaneBatch) async throws(StoreError) -> CommitOutcome {
        if !batch.rows.isEmpty && mode.triesDirect {
            do throws(StoreError) {
                let outcome = try await append(batch, staging: false)
                mode.triedDirect(wasDirty: false)
                return outcome
            } catch {
                guard isRepeatedKey(error) else { throw error }
                mode.triedDirect(wasDirty: true)
            }
        }
        let outcome = try await append(batch, staging: true)
        if !batch.rows.isEmpty { mode.staged() }
        return outcome
    }

    /// Whether our own key was repeated; a user's unique constraint is another matter.
    private func isRepeatedKey(_ error: StoreError) -> Bool {
        guard error.sqlState == "23505", let constraint = error.constraint else { return false }
        return constraint.hasPrefix("\(type.name)_p") && constraint.hasSuffix("_key")
    }

    /// Moves the rows that the database rejects, whole messages, to quarantine.
    private func takeOutRejects(of batch: inout LaneBatch) async throws(StoreError) {
        let limit = max(100, Int(Double(batch.rows.count) * maxRejectedShare))
        let rejects = try await RejectedRows(type: type, connection: connection, limit: limit).find(in: batch.rows)
        let errors = Dictionary(uniqueKeysWithValues: rejects.map { ($0.row.sequence, $0.error) })
        batch.takeOut(reason: "rejected") { row in errors[row.sequence].map { ($0.detail, $0.sqlState) } }
    }

    /// Makes the partitions that the rows need; rows beyond `hot.max_partitions` go whole to quarantine.
    private func makePartitions(for batch: inout LaneBatch) async throws(StoreError) {
        var needed: Set<Partition> = []
        var last: Partition?
        for row in batch.rows.rows where last.map({ !$0.range.contains(row.ts) }) ?? true {
            let partition = Partition(of: type, containing: row.ts)
            needed.insert(partition)
            last = partition
        }
        var keeper = partitions
        let refused = try await keeper.ensure(needed, on: connection)
        partitions = keeper
        guard !refused.isEmpty else { return }
        let detail = "\(type.name) has \(partitions.limit) partitions, as many as hot.max_partitions allows"
        batch.takeOut(reason: "no_partition") { row in
            refused.contains { $0.range.contains(row.ts) } ? (detail, nil) : nil
        }
    }

    // MARK: One transaction

    private func append(_ batch: LaneBatch, staging: Bool) async throws(StoreError) -> CommitOutcome {
        if !batch.quarantined.isEmpty { try await checkQuarantine() }
        let outcome = try await transaction("append \(type.name)") { () throws(PostgresError) -> CommitOutcome? in
            let fence =
                key + [
                    owner, "\(batch.epoch)", "\(batch.from)", "\(batch.to)", batch.messageTime?.description,
                    batch.newestEvent?.description,
                ]
            guard try await connection.execute(HotSQL.fence, fence).affected == 1 else { return nil }
            for gap in batch.gaps { try await add(gap) }
            let stored = staging ? try await appendStaged(batch.rows) : try await appendDirect(batch.rows)
            try await add(batch.quarantined)
            try await addActivity(stored)
            return .committed(
                stored: stored.count,
                repeated: batch.repeated + batch.rows.count - stored.count,
                quarantined: batch.quarantined.count
            )
        }
        if let outcome { return outcome }
        return try await whoseLane()
    }

    /// Stores all rows or throws 23505; returns their event times.
    private func appendDirect(_ rows: RowBatch) async throws(PostgresError) -> [Timestamp] {
        _ = try await connection.copyIn(HotSQL.copy(type), rows: rows.copyBytes())
        return rows.rows.map(\.ts)
    }

    /// Stores the rows whose key is new; returns their event times.
    private func appendStaged(_ rows: RowBatch) async throws(PostgresError) -> [Timestamp] {
        guard !rows.isEmpty else { return [] }
        _ = try await connection.execute(HotSQL.makeStaging(type))
        _ = try await connection.copyIn(HotSQL.copyToStaging(type), rows: rows.copyBytes())
        let stored = try await connection.execute(HotSQL.appendStaging(type))
        return stored.rows.compactMap { $0[0].flatMap(Int64.init).map(Timestamp.init(micros:)) }
    }

    private func add(_ gap: Gap) async throws(PostgresError) {
        let parameters: [String?] = [
            type.name, source.stream, source.filter, "\(gap.epoch)", gap.cause.rawValue,
            gap.firstSequence.map { "\($0)" }, gap.lastSequence.map { "\($0)" }, gap.isSuspected ? "t" : "f",
        ]
        _ = try await connection.execute(HotSQL.addGap, parameters)
    }

    /// Stops the lane at the bound, rather than drop a message.
    private func checkQuarantine() async throws(StoreError) {
        let found = try await at("hot", "look at the quarantine") { () throws(PostgresError) in
            try await connection.execute(HotSQL.quarantineBytes).scalar.flatMap(Int.init)
        }
        guard let found, found >= maxQuarantineBytes else { return }
        throw StoreError(
            .failed,
            .halt,
            tier: "hot",
            operation: "append \(type.name)",
            detail: "the quarantine holds \(found) bytes, quarantine.max_bytes is \(maxQuarantineBytes): the lane "
                + "stops rather than drop a message. Look at thermocline.quarantine; delete what is not wanted, "
                + "or raise the bound"
        )
    }

    private func add(_ messages: [QuarantinedMessage]) async throws(PostgresError) {
        guard !messages.isEmpty else { return }
        let columns: [(QuarantinedMessage) -> String?] = [
            { "\($0.sequence)" }, { $0.time.description }, { printable($0.subject) }, { hex($0.headers) },
            { hex($0.payload) }, { $0.reason }, { $0.detail }, { $0.sqlState },
        ]
        let arrays = columns.map { column in SQLText.array(messages.map(column)) }
        _ = try await connection.execute(HotSQL.addQuarantine, [source.stream] + arrays)
    }

    private func addActivity(_ stored: [Timestamp]) async throws(PostgresError) {
        guard !stored.isEmpty else { return }
        var buckets: [Timestamp: (rows: Int, min: Timestamp, max: Timestamp)] = [:]
        for ts in stored {
            let bucket = TimeRange(containing: ts, width: bucketMicros).start
            let seen = buckets[bucket] ?? (0, ts, ts)
            buckets[bucket] = (seen.rows + 1, min(seen.min, ts), max(seen.max, ts))
        }
        let sorted = buckets.sorted { $0.key < $1.key }
        let arrays = [
            sorted.map { $0.key.description }, sorted.map { "\($0.value.rows)" },
            sorted.map { $0.value.min.description }, sorted.map { $0.value.max.description },
        ]
        _ = try await connection.execute(
            HotSQL.addActivity,
            [type.name, source.description] + arrays.map { SQLText.array($0) }
        )
    }

    /// Tells, after a fence that matched nothing, who has the lane, and whether an earlier commit of ours won.
    private func whoseLane() async throws(StoreError) -> CommitOutcome {
        let found = try await at("hot", "read the position of \(source)") { () throws(PostgresError) in
            try await connection.execute(HotSQL.readPosition, key)
        }
        guard let row = found.rows.first, let holder = row[5] else { return .lost(owner: "nobody") }
        return holder == owner ? .positionMoved : .lost(owner: "\(holder) on \(row[6] ?? "an unknown host")")
    }

    /// Runs `body` in a transaction; nil, the fence's refusal, rolls it back.
    private func transaction<R>(
        _ operation: String,
        _ body: () async throws(PostgresError) -> R?
    ) async throws(StoreError) -> R? {
        do throws(StoreError) {
            return try await at("hot", operation) { () throws(PostgresError) in
                try await connection.begin()
                let answer = try await body()
                if answer == nil { await connection.rollback() } else { try await connection.commit() }
                return answer
            }
        } catch {
            await connection.rollback()
            throw error
        }
    }

    package func close() async { await connection.close() }
}

/// Subjects are bytes; what is not UTF-8 or is a zero byte is shown by the replacement character.
private func printable(_ bytes: [UInt8]) -> String {
    String(decoding: bytes, as: UTF8.self).replacing("\0", with: "\u{FFFD}")
}

private func hex(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text = Array("\\x".utf8)
    text.reserveCapacity(bytes.count * 2 + 2)
    for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
}

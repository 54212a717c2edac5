import Platform
package import Records
package import Tiering

/// The hot tier in memory, as one process reaches it through its faults.
package struct MemoryHot: HotTier {
    private let database: HotDatabase
    private let faults: Faults

    package init(_ database: HotDatabase, faults: Faults = Faults()) {
        self.database = database
        self.faults = faults
    }

    package func claim(
        _ source: SourceID,
        type: RecordType,
        previous: String?
    ) async throws(StoreError) -> ClaimOutcome<MemoryLane> {
        let session = await database.connect()
        let claimed = try await faults.onTier("hot", "claim", dropped: { await database.disconnect(session) }) {
            await database.claim(source, session: session, previous: previous)
        }
        if let owner = claimed.held {
            await database.disconnect(session)
            return .held(owner: owner)
        }
        let lane = MemoryLane(
            owner: claimed.owner,
            source: source,
            type: type,
            session: session,
            database: database,
            faults: faults
        )
        return .claimed(lane, claimed.2)
    }
}

/// One claimed lane in one session with the hot database in memory.
package struct MemoryLane: LaneSession {
    package let owner: String
    let source: SourceID
    let type: RecordType
    let session: Int
    let database: HotDatabase
    let faults: Faults

    private func run<R: Sendable>(
        _ operation: String,
        _ body: () async throws(StoreError) -> R
    ) async throws(StoreError) -> R {
        try await faults.onTier("hot", operation, dropped: close, body)
    }

    package func recordConsumer(_ name: String) async throws(StoreError) -> Bool {
        try await run("record consumer") { () throws(StoreError) in
            try await database.touch(source, session, owner, consumer: name)
        }
    }

    package func heartbeat() async throws(StoreError) -> Bool {
        try await run("heartbeat") { () throws(StoreError) in
            try await database.touch(source, session, owner, consumer: nil)
        }
    }

    package func startEpoch(
        _ epoch: Int64,
        created: Timestamp?,
        at sequence: UInt64,
        gap: Gap?
    ) async throws(StoreError) -> Bool {
        let position = Position(streamCreated: created, epoch: epoch, sequence: sequence)
        return try await run("start epoch") { () throws(StoreError) in
            try await database.startEpoch(source, session, owner, position, gap: gap)
        }
    }

    package func commit(_ batch: LaneBatch) async throws(StoreError) -> CommitOutcome {
        if database.flaws.contains(.movesPositionFirst) { await database.movePosition(of: source, to: batch) }
        var batch = batch
        if database.flaws.contains(.movesPositionFirst) { batch.from = batch.to }
        return try await run("commit") { () throws(StoreError) in
            try await database.commit(batch, to: source, type: type, session, owner)
        }
    }

    package func close() async { await database.disconnect(session) }
}

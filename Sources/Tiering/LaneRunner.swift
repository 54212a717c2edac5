package import Platform
package import Records

/// Ingests one source: fetch, decode, batch, append, acknowledge; one transaction a batch, one batch ahead.
///
/// The position in the hot database is the truth. Whatever goes wrong, the lane drops what it has fetched, claims again
/// and reads from there with a new consumer: that is the only recovery it knows.
package actor LaneRunner<Streams: MessageStreams, Hot: HotTier, C: Clock> where C.Duration == Duration {
    /// An open lane: a claim, a consumer, and how far both have come.
    package struct Open: Sendable {
        package let session: Hot.Session
        package let consumer: Streams.Consumer
        let created: Timestamp
        package internal(set) var cursor: LaneCursor
        var heartbeatAt: C.Instant
        /// Consumer sequence at the last beat that found more delivered than received.
        var unreceivedSince: UInt64?
        /// The stream's last sequence at the last idle beat.
        var lastSeen: UInt64?
    }

    package nonisolated let settings: LaneSettings
    let streams: Streams
    private let hot: Hot
    private let reader: LaneReader<Streams, C>
    private let clock: C
    let now: @Sendable () -> Timestamp
    let board: LaneBoard
    let report: @Sendable (LaneEvent) -> Void
    private var lastOwner: String?
    /// The last message that any consumer of ours delivered: the stream must still hold that one, or have discarded it.
    var furthest: LaneCursor?
    /// Removed one by one from the stream, as far as the consumer has asked.
    var removed = RemovedMessages()
    /// Found by others, and to be written with the next batch.
    var noted = NotedGap()

    package init(
        _ settings: LaneSettings,
        streams: Streams,
        hot: Hot,
        decoder: RecordDecoder,
        clock: C,
        now: @escaping @Sendable () -> Timestamp,
        board: LaneBoard,
        memory: MemoryBudget = MemoryBudget(64 << 20),
        report: @escaping @Sendable (LaneEvent) -> Void
    ) {
        self.settings = settings
        self.streams = streams
        self.hot = hot
        reader = LaneReader(
            settings: settings,
            streams: streams,
            decoder: decoder,
            clock: clock,
            now: now,
            board: board,
            memory: MemoryShare(of: memory, largest: min(settings.batch.bytes / 2, 4 << 20))
        )
        self.clock = clock
        self.now = now
        self.board = board
        self.report = report
        board.set(
            settings.source,
            LaneStatus(
                type: settings.type.name,
                source: settings.source,
                patienceMicros: 3 * settings.heartbeat.micros
            )
        )
    }

    /// Claims the lane and makes its consumer; nil while a live owner holds it.
    package func open() async throws -> Open? {
        let session: Hot.Session
        let claimed: Position
        switch try await hot.claim(settings.source, type: settings.type, previous: lastOwner) {
        case .held(let owner):
            board.update(settings.source) {
                $0.state = .waiting
                $0.trouble = "lane is held by \(owner); waiting for it to stop"
            }
            report(.held(settings.source, owner: owner))
            return nil
        case .claimed(let claim, let position):
            (session, claimed) = (claim, position)
        }
        lastOwner = session.owner
        report(.claimed(settings.source, claimed))
        do {
            return try await noteDeletion(of: claimed, in: session) { try await start(session, at: claimed) }
        } catch {
            await session.close()
            throw error
        }
    }

    private func start(_ session: Hot.Session, at claimed: Position) async throws -> Open {
        let source = settings.source
        removed = RemovedMessages()
        if let old = claimed.consumer { try await streams.deleteConsumer(named: old, of: source.stream) }
        let made = try await makeConsumer(session, at: claimed)
        var cursor: LaneCursor
        switch made.resumption {
        case .resume(let sequence, let gap):
            cursor = cursorAt(claimed.epoch, claimed.sequence, claimed.messageTime)
            var batch = LaneBatch(epoch: claimed.epoch, from: claimed.sequence)
            batch.to = sequence
            batch.messageTime = sequence == claimed.sequence ? claimed.messageTime : nil
            let loss = try await lossAbove(claimed, made.state)
            batch.gaps = [gap, loss].compactMap { $0 }
            if !batch.gaps.isEmpty {
                judge(&batch, by: made.state, since: claimed.messageTime)
                guard case .committed = try await session.commit(batch) else { throw LostLane() }
                if loss != nil { furthest = nil }
                for gap in batch.gaps { list(gap) }
                cursor = cursorAt(claimed.epoch, sequence, batch.messageTime)
            }
        case .newEpoch(let epoch, let sequence, let gap):
            let created = made.state.created
            guard try await session.startEpoch(epoch, created: created, at: sequence, gap: gap) else {
                throw LostLane()
            }
            if let gap { list(gap) }
            furthest = nil
            await made.consumer.close()
            let position = Position(streamCreated: created, epoch: epoch, sequence: sequence, consumer: made.name)
            return try await start(session, at: position)
        }
        let (opened, restarted) = (cursor, board.get(source)?.lastProgress != nil)
        board.update(source) {
            $0.state = .reading
            $0.trouble = nil
            $0.needsOperator = false
            $0.isGone = false
            $0.position = opened.sequence
            $0.fetched = opened.sequence
            $0.epoch = opened.epoch
            $0.restarts += restarted ? 1 : 0
            $0.lastProgress = now()
        }
        return Open(
            session: session,
            consumer: made.consumer,
            created: made.state.created,
            cursor: cursor,
            heartbeatAt: clock.now.advanced(by: settings.heartbeat)
        )
    }

    private func cursorAt(_ epoch: Int64, _ sequence: UInt64, _ time: Timestamp?) -> LaneCursor {
        LaneCursor(epoch: epoch, sequence: sequence, messageTime: time, isShared: settings.isShared)
    }

    private struct Made {
        let name: String
        let consumer: Streams.Consumer
        let state: StreamState
        let resumption: Resumption
    }

    /// Makes a consumer under a new random name, recorded before it exists, and *then* looks at the stream.
    private func makeConsumer(_ session: Hot.Session, at position: Position) async throws -> Made {
        let source = settings.source
        let name = "thermocline-\(settings.type.name)-\(RandomID.hex(digits: 16))"
        guard try await session.recordConsumer(name) else { throw LostLane() }
        let consumer = try await streams.makeConsumer(of: source, named: name, from: position.sequence + 1)
        let state = try await streams.state(of: source.stream)
        var time: Timestamp?
        if position.streamCreated != nil, position.sequence > 0, position.sequence <= state.lastSequence {
            time = try await streams.time(of: position.sequence, in: source.stream)
        }
        board.update(source) { $0.stream = state }
        let resumption = Resumption(
            position: position,
            state: state,
            timeAtPosition: time,
            isShared: settings.isShared
        )
        return Made(name: name, consumer: consumer, state: state, resumption: resumption)
    }

    /// Reads until `isStopping`, one batch being committed while the next is gathered.
    package func read(_ lane: inout Open, isStopping: @Sendable () -> Bool) async throws {
        var batch = try await gather(&lane, committing: nil)
        while true {
            let flight = Flight()
            let (session, consumer, closed) = (lane.session, lane.consumer, batch)
            async let settled: Void = settle(closed, in: session, consumer: consumer, flight: flight)
            var next: Result<LaneBatch, any Error>?
            if !isStopping() {
                do {
                    let gathered = try await gather(&lane, committing: flight)
                    try await reader.tend(consumer, until: flight)
                    next = .success(gathered)
                } catch {
                    next = .failure(error)
                }
            }
            try await settled
            guard let next else { return }
            batch = try next.get()
            try await beat(&lane, isIdle: closed.isEmpty && batch.isEmpty)
        }
    }

    /// Fetches and decodes until the policy closes the batch; empty where nothing came.
    package func gather(_ lane: inout Open, committing flight: Flight?) async throws -> LaneBatch {
        var batch = LaneBatch(epoch: lane.cursor.epoch, from: lane.cursor.sequence)
        batch.messageTime = lane.cursor.messageTime
        batch.gaps = noted.take(epoch: batch.epoch)
        let since = lane.cursor.messageTime
        if try await reader.gather(&batch, from: lane.consumer, at: &lane.cursor, committing: flight) {
            try await findGaps(in: &batch, since: since)
            batch.repeated = batch.rows.deduplicateAndSort(as: settings.type)
        }
        return batch
    }

    /// Commits a batch and acknowledges it; an empty one costs nothing.
    package func settle(
        _ batch: LaneBatch,
        in session: Hot.Session,
        consumer: Streams.Consumer,
        flight: Flight
    ) async throws {
        defer {
            // First, so that whoever sees the flight landed finds the memory free.
            reader.memory.release(batch.held)
            flight.open()
        }
        guard !batch.isEmpty else { return }
        switch try await session.commit(batch) {
        case .positionMoved: throw Restart(reason: "an earlier commit of this lane had succeeded after all")
        case .lost(let owner): throw LostLane(owner: owner)
        case .committed(let stored, let repeated, let quarantined, let conflicts):
            let time = now()
            board.update(settings.source) {
                $0.stored += stored
                $0.repeated += repeated
                $0.quarantined += quarantined
                $0.conflicts += conflicts
                $0.position = batch.to
                $0.positionTime = batch.messageTime ?? $0.positionTime
                $0.lastProgress = time
            }
            for gap in batch.gaps { list(gap) }
            if settings.acknowledges && batch.received > 0 { try await consumer.acknowledge(through: batch.to) }
        }
    }

    /// Looks at the stream and says that the lane lives, once a heartbeat.
    package func beat(_ lane: inout Open, isIdle: Bool) async throws {
        guard clock.now >= lane.heartbeatAt else { return }
        lane.heartbeatAt = clock.now.advanced(by: settings.heartbeat)
        let state = try await streams.state(of: settings.source.stream)
        guard state.created == lane.created, state.lastSequence >= lane.cursor.sequence else {
            throw Restart(reason: "the stream is not the one this consumer was made on")
        }
        guard state.firstSequence <= lane.cursor.sequence + 1 else {
            // On a shared stream no hole tells of it; a lane that is opened again lists it.
            throw Restart(reason: "the stream discarded messages that were not read yet")
        }
        let time = now()
        board.update(settings.source) { $0.stream = state }
        guard isIdle else { return }
        let progress = try await lane.consumer.progress()
        if progress.deliveredSequence > lane.cursor.consumerSequence {
            // Once may be a message on its way; twice without one more received is a message lost on the way.
            guard lane.unreceivedSince != lane.cursor.consumerSequence else {
                throw Restart(
                    reason: "\(progress.deliveredSequence) delivered, \(lane.cursor.consumerSequence) received"
                )
            }
            lane.unreceivedSince = lane.cursor.consumerSequence
        } else if progress.pending == 0, let seen = lane.lastSeen, seen > lane.cursor.sequence {
            try await skip(to: seen, &lane)
        }
        lane.lastSeen = state.lastSequence
        guard try await lane.session.heartbeat() else { throw LostLane() }
        board.update(settings.source) {
            $0.pending = progress.pending
            $0.lastProgress = time
        }
    }

    /// Opens the lane and reads until `stop` opens.
    ///
    /// False where a live owner holds it.
    package func ingest(until stop: Latch) async throws -> Bool {
        guard var lane = try await open() else { return false }
        do {
            try await read(&lane) { stop.isOpen }
            if noted.isWaiting { try await settleNoted(&lane) }
        } catch {
            await close(lane)
            throw error
        }
        await close(lane)
        return true
    }

    package func close(_ lane: Open) async {
        remember(lane.cursor)
        await lane.consumer.close()
        await lane.session.close()
        reader.memory.releaseAll()
    }

    /// Says what went wrong and how the lane goes on.
    package func failed(_ error: any Error) -> Disposition {
        let disposition: Disposition
        switch error {
        case let restart as Restart:
            report(.restarted(settings.source, reason: restart.reason))
            return .retry
        case let error as StoreError: disposition = error.disposition == .retry ? .retry : .halt
        case let error as SourceError: disposition = error.disposition == .retry ? .retry : .halt
        case is LostLane: disposition = .retry
        default: disposition = .halt
        }
        report(.failed(settings.source, detail: "\(error)", disposition))
        board.update(settings.source) {
            $0.state = .degraded
            $0.needsOperator = disposition == .halt
            $0.trouble =
                "\(error); nothing is lost: the stream keeps what is not stored, and the lane tries again by itself"
        }
        return disposition
    }

    package func stopped() {
        board.update(settings.source) {
            $0.state = .stopped
            $0.trouble = nil
        }
    }
}

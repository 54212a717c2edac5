import Platform
import Records

/// Gathers batches out of a lane's consumer: what is fetched next, when a batch closes, what memory it may take.
struct LaneReader<Streams: MessageStreams, C: Clock>: Sendable where C.Duration == Duration {
    /// While a commit is under way nothing is hurried, but its end is looked for that often.
    private static var glance: Duration { .milliseconds(2) }

    let settings: LaneSettings
    let streams: Streams
    let decoder: RecordDecoder
    let clock: C
    let now: @Sendable () -> Timestamp
    let board: LaneBoard
    let memory: MemoryShare

    /// Fetches and decodes until the policy closes the batch; false where nothing came, or no memory is to be had.
    func gather(
        _ batch: inout LaneBatch,
        from consumer: Streams.Consumer,
        at cursor: inout LaneCursor,
        committing flight: Flight?
    ) async throws -> Bool {
        let policy = settings.batch
        let start = clock.now
        while true {
            let isCommitting = flight.map { !$0.isOpen } ?? false
            let age = start.duration(to: clock.now)
            let credit = memory.credit()
            let reason = policy.reasonToClose(
                rows: batch.received,
                bytes: batch.bytes,
                age: age,
                committing: isCommitting,
                starved: credit < 1
            )
            if let reason {
                let held = memory.held
                board.update(settings.source) {
                    $0.batches[reason, default: 0] += 1
                    $0.memory = held
                }
                memory.learn(bytes: batch.bytes, memory: batch.memoryBytes)
                return true
            }
            if credit < 1 {
                // What is being stored comes back; who holds nothing waits for the others.
                guard memory.held == 0 else { return false }
                await memory.wait(for: settings.fetchWait, clock: clock)
                try await consumer.tend()
                if memory.held == 0 { return false }
                continue
            }
            let isWaiting = batch.received == 0 && !isCommitting
            let messages = try await consumer.fetch(
                FetchLimits(
                    messages: policy.rows - batch.received,
                    bytes: max(min(policy.bytes - batch.bytes, credit / 2), 1),
                    credit: credit,
                    wait: isWaiting
                        ? settings.fetchWait : min(max(policy.linger, .milliseconds(1)), settings.fetchWait),
                    linger: min(isCommitting ? Self.glance : policy.linger - age, policy.linger, settings.fetchWait)
                )
            )
            let held = batch.memoryBytes
            try await take(messages, into: &batch, &cursor)
            let grown = batch.memoryBytes - held
            batch.held += grown
            memory.fetched(
                messages.wireBytes,
                outstanding: messages.outstanding,
                pending: messages.pending,
                grown: grown
            )
            if messages.entries.isEmpty && isWaiting { return false }
        }
    }

    /// Keeps the consumer's connection alive while a batch that is gathered waits for the commit of the one before.
    func tend(_ consumer: Streams.Consumer, until flight: Flight) async throws {
        while !flight.isOpen {
            try await flight.wait(for: settings.fetchWait, clock: clock)
            if !flight.isOpen { try await consumer.tend() }
        }
    }

    private func take(
        _ messages: MessageBatch,
        into batch: inout LaneBatch,
        _ cursor: inout LaneCursor
    ) async throws {
        guard !messages.entries.isEmpty else { return }
        let receivedAt = now()
        for entry in messages.entries {
            var verdict = cursor.accept(entry)
            if case .checkClock = verdict {
                let time = try await streams.time(of: cursor.sequence, in: settings.source.stream)
                guard time == nil || time == cursor.messageTime else {
                    throw Restart(reason: "the stream went back in time at sequence \(cursor.sequence)")
                }
                verdict = cursor.accept(entry)
            }
            switch verdict {
            case .restart(let reason): throw Restart(reason: reason)
            case .checkClock: preconditionFailure("the clock is checked once a consumer")
            case .take(let gap):
                if let gap { batch.gaps.append(gap) }
                batch.add(entry, of: messages.bytes, receivedAt: receivedAt, by: decoder)
            }
        }
        batch.messages.append(messages)
        let (received, pending, fetched) = (messages.entries.count, messages.pending, cursor.sequence)
        board.update(settings.source) {
            $0.received += received
            $0.pending = pending
            $0.fetched = fetched
        }
    }
}

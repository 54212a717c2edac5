import Platform
package import Records

extension StreamState {
    /// Why messages newer than `since` were gone before they were read.
    ///
    /// `.purged` only where no limit can have discarded them: a stream that discards by number or size stays full, and
    /// one that discards by age keeps what is younger. Age is judged by our clock; a message of more than half of the
    /// stream's size aside.
    package func causeOfLoss(after since: Timestamp?, at now: Timestamp) -> Gap.Cause {
        if maxMessagesPerSubject != nil { return .discarded }
        if let maxMessages, messages >= maxMessages { return .discarded }
        if let maxBytes, bytes >= maxBytes / 2 { return .discarded }
        guard let maxAgeMicros else { return .purged }
        guard let since else { return .discarded }
        return now.micros - since.micros < maxAgeMicros ? .purged : .discarded
    }
}

/// A gap that somebody else found, until it is written.
struct NotedGap {
    private var cause: Gap.Cause?
    /// In a batch that may yet fail.
    private var underWay: Gap.Cause?

    var isWaiting: Bool { cause != nil }

    mutating func note(_ cause: Gap.Cause) { self.cause = cause }

    mutating func take(epoch: Int64) -> [Gap] {
        guard let cause else { return [] }
        underWay = cause
        self.cause = nil
        return [Gap(cause: cause, epoch: epoch, firstSequence: nil, lastSequence: nil, isSuspected: true)]
    }

    mutating func written(_ gap: Gap) { if gap.cause == underWay { underWay = nil } }

    /// The lane starts over: what was under way is not written.
    mutating func restart() {
        cause = cause ?? underWay
        underWay = nil
    }
}

/// How a lane finds what it can no longer read.
extension LaneRunner {
    /// More holes than these are listed as one.
    private var mostHoles: Int { 16 }

    /// Says once that a gap is written.
    func list(_ gap: Gap) {
        noted.written(gap)
        report(.gap(settings.source, gap))
        board.update(settings.source) {
            $0.gaps += 1
            $0.lastGap = "\(gap.cause.rawValue): \(gap.summary)"
        }
    }

    /// Lists with the next batch that no stream captured the type for a while.
    package func noteUncaptured() {
        // Where another instance has the lane, that one lists it.
        if board.get(settings.source)?.state != .waiting { noted.note(.uncaptured) }
    }

    func settleNoted(_ lane: inout Open) async throws {
        var batch = LaneBatch(epoch: lane.cursor.epoch, from: lane.cursor.sequence)
        batch.messageTime = lane.cursor.messageTime
        batch.gaps = noted.take(epoch: batch.epoch)
        try await settle(batch, in: lane.session, consumer: lane.consumer, flight: Flight())
    }

    /// Keeps in mind how far a consumer that ends had come.
    func remember(_ cursor: LaneCursor) {
        noted.restart()
        guard cursor.messageTime != nil else { return }
        if let furthest, (furthest.epoch, furthest.sequence) >= (cursor.epoch, cursor.sequence) { return }
        furthest = cursor
    }

    /// What an earlier consumer delivered, was not stored, and is no longer what the stream holds there.
    ///
    /// The stream went back to no further than the position, so that the position itself shows nothing. `furthest` is
    /// forgotten when the gap is written, and not before.
    func lossAbove(_ position: Position, _ state: StreamState) async throws -> Gap? {
        guard let seen = furthest, seen.epoch == position.epoch, seen.sequence > position.sequence else { return nil }
        if seen.sequence <= state.lastSequence {
            let time = try await streams.time(of: seen.sequence, in: settings.source.stream)
            if time == nil || time == seen.messageTime { return nil }
        }
        return Gap(
            cause: .regression,
            epoch: position.epoch,
            firstSequence: position.sequence + 1,
            lastSequence: nil,
            isSuspected: true
        )
    }

    /// Runs `body`; where the stream is missing, writes down once that it was deleted.
    ///
    /// The position is then one of no stream: whatever comes under this name is read from its first message on.
    func noteDeletion<R>(of position: Position, in session: Hot.Session, _ body: () async throws -> R) async throws -> R
    {
        do {
            return try await body()
        } catch let error as SourceError where error.code == .streamMissing {
            if position.streamCreated != nil {
                let gap = Gap(
                    cause: .deleted,
                    epoch: position.epoch,
                    firstSequence: position.sequence + 1,
                    lastSequence: nil,
                    isSuspected: true
                )
                guard try await session.startEpoch(position.epoch + 1, created: nil, at: 0, gap: gap) else {
                    throw LostLane()
                }
                list(gap)
            }
            board.update(settings.source) { $0.isGone = true }
            throw error
        }
    }

    /// Lists what was gone before this batch could read it, with its cause.
    ///
    /// On a shared stream no hole in the sequence tells: a stream discards from its beginning, so what is gone lies
    /// before its first message, or it was removed one by one, and then the stream says so. All may have been ours.
    func findGaps(in batch: inout LaneBatch, since: Timestamp?) async throws {
        guard settings.isShared || batch.gaps.contains(where: { $0.cause == .discarded }) else { return }
        let state = try await streams.state(of: settings.source.stream)
        board.update(settings.source) { $0.stream = state }
        if settings.isShared { batch.gaps += try await holes(in: batch, state) }
        judge(&batch, by: state, since: since)
    }

    /// Says of what is gone whether somebody removed it, where that can be known.
    func judge(_ batch: inout LaneBatch, by state: StreamState, since: Timestamp?) {
        let cause = state.causeOfLoss(after: since, at: now())
        for index in batch.gaps.indices where batch.gaps[index].cause == .discarded { batch.gaps[index].cause = cause }
    }

    /// What is gone of the range of a batch, but for what the batch holds.
    ///
    /// Where too many were removed to ask which, it may be anything from the batch on: later batches do not repeat it.
    private func holes(in batch: LaneBatch, _ state: StreamState) async throws -> [Gap] {
        let discarded = min(max(state.firstSequence, 1) - 1, batch.to)
        guard discarded > batch.from || state.removed > 0 else { return [] }
        var holes = Holes(butFor: batch.messages.flatMap { $0.entries.map(\.streamSequence) })
        holes.add(batch.from + 1, through: discarded)
        let kept = max(discarded, batch.from) + 1
        var untold: [Gap] = []
        switch removed.news(in: state) {
        case .none: break
        case .ask: removed.keep(try await streams.removed(from: settings.source.stream))
        case .tooMany: untold = [suspected(kept, max(state.lastSequence, kept), batch.epoch)]
        case .unending: untold = [suspected(kept, nil, batch.epoch)]
        }
        if state.removed <= RemovedMessages.most, kept <= batch.to {
            for sequence in removed.sequences where (kept...batch.to).contains(sequence) {
                holes.add(sequence, through: sequence)
            }
        }
        return holes.ranges(atMost: mostHoles).map { suspected($0.lowerBound, $0.upperBound, batch.epoch) } + untold
    }

    private func suspected(_ first: UInt64, _ last: UInt64?, _ epoch: Int64) -> Gap {
        Gap(cause: .discarded, epoch: epoch, firstSequence: first, lastSequence: last, isSuspected: true)
    }

    /// Moves an idle lane past messages that are not there for it: of other types, so that their expiry is never taken
    /// for a gap of ours, or, on a stream of one type, removed, and then listed.
    ///
    /// Safe because `last` was read a whole heartbeat before the consumer said that nothing is pending: every message
    /// of ours up to it has been delivered and taken, on a cluster too, where one server counts the stream and another
    /// the consumer.
    func skip(to last: UInt64, _ lane: inout Open) async throws {
        let time = try await streams.time(of: last, in: settings.source.stream)
        var batch = LaneBatch(epoch: lane.cursor.epoch, from: lane.cursor.sequence)
        batch.to = last
        batch.messageTime = time
        if !settings.isShared {
            batch.gaps = [
                Gap(
                    cause: .discarded,
                    epoch: batch.epoch,
                    firstSequence: batch.from + 1,
                    lastSequence: last,
                    isSuspected: false
                )
            ]
        }
        try await findGaps(in: &batch, since: lane.cursor.messageTime)
        try await settle(batch, in: lane.session, consumer: lane.consumer, flight: Flight())
        lane.cursor.skip(to: last, messageTime: time)
        board.update(settings.source) { $0.fetched = last }
    }
}

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

/// Finds what a lane can no longer read, by what its stream says of itself.
struct GapFinder<Streams: MessageStreams>: Sendable {
    /// More holes than these are listed as one.
    private static var mostHoles: Int { 16 }
    /// More removed messages than these are not asked for one by one.
    private static var mostRemoved: UInt64 { 10_000 }

    let settings: LaneSettings
    let streams: Streams
    let now: @Sendable () -> Timestamp
    let board: LaneBoard

    /// Lists what was gone before this batch could read it, with its cause.
    ///
    /// On a shared stream no hole in the sequence tells: a stream discards from its beginning, so what is gone lies
    /// before its first message, or it was removed one by one, and then the stream says so. All may have been ours.
    func find(in batch: inout LaneBatch, since: Timestamp?) async throws {
        guard settings.isShared || batch.gaps.contains(where: { $0.cause == .discarded }) else { return }
        let state = try await streams.state(of: settings.source.stream)
        board.update(settings.source) { $0.stream = state }
        if settings.isShared {
            batch.gaps += try await holes(in: batch, state).map {
                Gap(
                    cause: .discarded,
                    epoch: batch.epoch,
                    firstSequence: $0.lowerBound,
                    lastSequence: $0.upperBound,
                    isSuspected: true
                )
            }
        }
        judge(&batch, by: state, since: since)
    }

    /// Says of what is gone whether somebody removed it, where that can be known.
    func judge(_ batch: inout LaneBatch, by state: StreamState, since: Timestamp?) {
        let cause = state.causeOfLoss(after: since, at: now())
        for index in batch.gaps.indices where batch.gaps[index].cause == .discarded { batch.gaps[index].cause = cause }
    }

    /// What is gone of the range of a batch, but for what the batch holds.
    private func holes(in batch: LaneBatch, _ state: StreamState) async throws -> [ClosedRange<UInt64>] {
        let discarded = min(max(state.firstSequence, 1) - 1, batch.to)
        guard discarded > batch.from || state.removed > 0 else { return [] }
        var holes = Holes(butFor: batch.messages.flatMap { $0.entries.map(\.streamSequence) })
        holes.add(batch.from + 1, through: discarded)
        let kept = max(discarded, batch.from) + 1
        if state.removed > Self.mostRemoved {
            holes.add(kept, through: batch.to)
        } else if state.removed > 0, kept <= batch.to {
            for sequence in try await streams.removed(from: settings.source.stream)
            where (kept...batch.to).contains(sequence) { holes.add(sequence, through: sequence) }
        }
        return holes.ranges(atMost: Self.mostHoles)
    }
}

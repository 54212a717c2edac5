import Platform
import Records
import Simulation
import TestSupport
import Testing
import Tiering

@Suite struct RemovedMessagesTests {
    private static func state(_ removed: UInt64, first: UInt64 = 1, perSubject: UInt64? = nil) -> StreamState {
        StreamState(
            created: Timestamp(micros: 1),
            firstSequence: first,
            lastSequence: 1_000_000,
            maxMessagesPerSubject: perSubject,
            removed: removed
        )
    }

    @Test func `a list that accounts for the count is not asked for again, also where the stream's beginning passes`() {
        var removed = RemovedMessages()
        #expect(removed.news(in: Self.state(0)) == .none)
        #expect(removed.news(in: Self.state(3)) == .ask)
        removed.keep([10, 20, 30])
        #expect(removed.news(in: Self.state(3, first: 9)) == .none)
        #expect(removed.news(in: Self.state(2, first: 15)) == .none)
        // It passed one, and one more is gone: the same count.
        #expect(removed.news(in: Self.state(2, first: 25)) == .ask)
        removed.keep([30, 40])
        #expect(removed.news(in: Self.state(0, first: 41)) == .none)
    }

    @Test func `too many are told of when they become more, and never else`() {
        var removed = RemovedMessages()
        #expect(removed.news(in: Self.state(RemovedMessages.most)) == .ask)
        let more = RemovedMessages.most + 1
        #expect(removed.news(in: Self.state(more + 5)) == .tooMany)
        #expect(removed.news(in: Self.state(more + 5)) == .none)
        #expect(removed.news(in: Self.state(more, first: 9)) == .none)
        #expect(removed.news(in: Self.state(more + 1, first: 9)) == .tooMany)
    }

    @Test func `where a limit removes with every message, too many are told of once`() {
        var removed = RemovedMessages()
        for count in 20_000...20_009 as ClosedRange<UInt64> {
            #expect(removed.news(in: Self.state(count, perSubject: 1)) == (count == 20_000 ? .unending : .none))
        }
    }

    private struct Outcome: Equatable {
        var gaps: [[Gap]] = []
        var asked = 0
    }

    /// What three batches of a shared stream list, each of two messages of ours and two of others.
    private func read(removed: @escaping @Sendable (_ look: Int) -> [UInt64]) async throws -> Outcome {
        let bench = Bench(.testReading)
        let own = bench.type.subjects[0].first
        await bench.server.createStream(bench.type.name)
        let asked = Locked(0)
        let looks = Locked(0)
        let streams = HollowStreams(streams: ScriptedStreams(bench.server, clock: bench.clock)) { isAsked in
            if isAsked { asked.withLock { $0 += 1 } } else { looks.withLock { $0 += 1 } }
            return removed(looks.withLock { $0 })
        }
        let clock = bench.clock
        let runner = LaneRunner(
            LaneSettings(
                source: SourceID(stream: bench.type.name, filter: "\(own).>"),
                type: bench.type,
                isShared: true,
                batch: BatchPolicy(rows: 2)
            ),
            streams: streams,
            hot: MemoryHot(bench.hot, faults: Faults()),
            decoder: RecordDecoder(type: bench.type, catalog: .underTest),
            clock: clock,
            now: { clock.timestamp },
            board: LaneBoard(),
            report: { _ in }
        )
        for round in 0..<3 {
            for other in 0..<2 {
                _ = await bench.server.publish("other.\(other)", [], to: bench.type.name)
            }
            await bench.publish((round * 2)..<(round * 2 + 2))
        }
        var lane = try #require(try await runner.open())
        var outcome = Outcome()
        looks.withLock { $0 = 0 }
        for _ in 0..<3 {
            let batch = try await runner.gather(&lane, committing: nil)
            #expect(batch.received == 2)
            outcome.gaps.append(batch.gaps)
            try await runner.settle(batch, in: lane.session, consumer: lane.consumer, flight: Flight())
        }
        await runner.close(lane)
        outcome.asked = asked.withLock { $0 }
        return outcome
    }

    private func gap(_ first: UInt64, _ last: UInt64) -> Gap {
        Gap(cause: .purged, epoch: 1, firstSequence: first, lastSequence: last, isSuspected: true)
    }

    @Test func `the removed messages of a shared stream are asked for once, and each batch lists its own`() async throws
    {
        let outcome = try await read { _ in [2, 5, 9, 10] }
        #expect(outcome == Outcome(gaps: [[gap(2, 2)], [gap(5, 5)], [gap(9, 10)]], asked: 1))
    }

    @Test func `what is removed between two batches is asked for and listed`() async throws {
        let outcome = try await read { $0 < 3 ? [2] : [2, 10] }
        #expect(outcome == Outcome(gaps: [[gap(2, 2)], [], [gap(10, 10)]], asked: 2))
    }

    @Test func `too many removed messages of a shared stream are one suspected gap, not one for every batch`()
        async throws
    {
        let outcome = try await read { _ in Array(repeating: 2, count: 10_001) }
        #expect(outcome == Outcome(gaps: [[gap(1, 12)], [], []], asked: 0))
        let more = try await read { Array(repeating: 2, count: $0 < 3 ? 10_001 : 10_002) }
        #expect(more == Outcome(gaps: [[gap(1, 12)], [], [gap(9, 12)]], asked: 0))
    }
}

/// Streams that say that some of their messages were removed.
private struct HollowStreams: MessageStreams {
    let streams: ScriptedStreams
    /// The removed sequences; told whether they are asked for, else only their number is.
    let removed: @Sendable (_ isAsked: Bool) -> [UInt64]

    func state(of stream: String) async throws(SourceError) -> StreamState {
        var state = try await streams.state(of: stream)
        state.maxMessagesPerSubject = nil
        state.removed = UInt64(removed(false).count)
        return state
    }

    func time(of sequence: UInt64, in stream: String) async throws(SourceError) -> Timestamp? {
        try await streams.time(of: sequence, in: stream)
    }

    func removed(from stream: String) async throws(SourceError) -> [UInt64] { removed(true) }

    func makeConsumer(
        of source: SourceID,
        named name: String,
        from sequence: UInt64
    ) async throws(SourceError) -> ScriptedConsumer {
        try await streams.makeConsumer(of: source, named: name, from: sequence)
    }

    func deleteConsumer(named name: String, of stream: String) async throws(SourceError) {
        try await streams.deleteConsumer(named: name, of: stream)
    }
}

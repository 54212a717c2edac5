import Platform
import Records
import Simulation
import TestSupport
import Testing
import Tiering

/// What becomes of a stream under a lane, where no server can be made to do it.
@Suite(.timeLimit(.minutes(1))) struct StreamFaultTests {
    static let day: Int64 = 86_400_000_000

    /// Reads and stores what is there.
    private func drain(
        _ runner: LaneRunner<ScriptedStreams, MemoryHot, ManualClock>,
        _ lane: inout LaneRunner<ScriptedStreams, MemoryHot, ManualClock>.Open
    ) async throws {
        while true {
            let batch = try await runner.gather(&lane, committing: nil)
            if batch.isEmpty { return }
            try await runner.settle(batch, in: lane.session, consumer: lane.consumer, flight: Flight())
        }
    }

    private func gaps(_ bench: Bench) async -> [Gap] { await bench.hot.gaps.map(\.gap) }

    @Test(arguments: [true, false])
    func `what was delivered, not stored, and then taken back by the stream is listed`(isGrownAgain: Bool) async throws
    {
        let bench = Bench(.testReading)
        await bench.server.createStream(bench.type.name)
        await bench.publish(0..<10)
        let faults = Faults()
        let runner = bench.lane(faults: faults)
        var lane = try #require(try await runner.open())
        try await drain(runner, &lane)
        await bench.publish(10..<20)
        #expect(try await runner.gather(&lane, committing: nil).received == 10)
        // The connection lives on; nothing of what was delivered is committed.
        await bench.server.restore(bench.type.name, through: 15, breaksConnections: false)
        await bench.publish(100..<(isGrownAgain ? 120 : 102))
        await #expect(throws: Restart.self) { try await drain(runner, &lane) }
        await runner.close(lane)

        // Found, and forgotten only once it is written.
        faults.plan("commit", .before)
        await #expect(throws: StoreError.self) { try await runner.open() }
        lane = try #require(try await runner.open())
        try await drain(runner, &lane)
        await runner.close(lane)
        lane = try #require(try await runner.open())
        let gap = Gap(cause: .regression, epoch: 1, firstSequence: 11, lastSequence: nil, isSuspected: true)
        #expect(await gaps(bench) == [gap])
        #expect(await bench.evidence().hot.count == 15 + (isGrownAgain ? 20 : 2))
        #expect(await bench.hot.position(of: bench.source)?.epoch == 1)
    }

    @Test func `a stream that went back over a gap and grew again is noticed, though the position has no time`()
        async throws
    {
        let bench = Bench(.testReading)
        await bench.server.createStream(bench.type.name)
        await bench.publish(0..<10)
        await bench.server.discard(below: 6, of: bench.type.name)
        let runner = bench.lane()
        let lane = try #require(try await runner.open())
        #expect(lane.cursor.sequence == 5 && lane.cursor.messageTime == nil)
        await runner.close(lane)

        // An older copy of it, that has not discarded yet, and grows past the position before anybody looks.
        await bench.server.recreateStream(bench.type.name, keepingLife: true)
        await bench.publish(100..<108)
        var again = try #require(try await runner.open())
        try await drain(runner, &again)
        let gap = Gap(cause: .regression, epoch: 1, firstSequence: nil, lastSequence: nil, isSuspected: true)
        #expect(await gaps(bench) == [gap])
        #expect(await bench.evidence().hot.count == 8)
    }

    @Test(arguments: [UInt64(8), 15])
    func `of a shared stream only what was not delivered is suspected`(below: UInt64) async throws {
        let bench = Bench(.testReading)
        await bench.server.createStream(bench.type.name)
        let faults = Faults()
        let runner = bench.lane(faults: faults, isShared: true)
        var lane = try #require(try await runner.open())
        await bench.publish(0..<20)
        let (server, stream) = (bench.server, bench.type.name)
        // Between the delivery and the look that closes the batch.
        faults.interrupt { if $0 == "state" { await server.discard(below: below, of: stream) } }
        #expect(try await runner.gather(&lane, committing: nil).gaps.isEmpty)
        let next = try await runner.gather(&lane, committing: nil)
        let lost = (UInt64(11)..<max(below, 11)).map { $0 }
        #expect(next.gaps.flatMap { Array(($0.firstSequence ?? 0)...($0.lastSequence ?? 0)) } == lost)
        #expect(next.received == 10 - lost.count)
    }

    @Test func `a deleted stream is listed once, and what comes under its name is read from its first message on`()
        async throws
    {
        let bench = Bench(.testReading)
        await bench.server.createStream(bench.type.name)
        await bench.publish(0..<10)
        let board = LaneBoard()
        let runner = bench.lane(board: board)
        var lane = try #require(try await runner.open())
        try await drain(runner, &lane)
        await runner.close(lane)
        await bench.server.deleteStream(bench.type.name)
        for _ in 0..<3 {
            let error = await #expect(throws: SourceError.self) { try await runner.open() }
            #expect(error?.code == .streamMissing)
        }
        let gap = Gap(cause: .deleted, epoch: 1, firstSequence: 11, lastSequence: nil, isSuspected: true)
        #expect(await gaps(bench) == [gap])
        #expect(board.get(bench.source)?.isGone == true)

        await bench.server.createStream(bench.type.name)
        await bench.publish(10..<13)
        lane = try #require(try await runner.open())
        try await drain(runner, &lane)
        #expect(await gaps(bench) == [gap])
        #expect(await bench.evidence().hot.count == 13)
        #expect(await bench.hot.position(of: bench.source)?.epoch == 3)
        #expect(board.get(bench.source)?.isGone == false)
    }

    @Test(arguments: [true, false])
    func `what a stream made again discarded before anybody looked is listed`(isDeletionSeen: Bool) async throws {
        let bench = Bench(.testReading)
        await bench.server.createStream(bench.type.name)
        await bench.publish(0..<10)
        let runner = bench.lane()
        var lane = try #require(try await runner.open())
        try await drain(runner, &lane)
        await runner.close(lane)
        if isDeletionSeen {
            await bench.server.deleteStream(bench.type.name)
            await #expect(throws: SourceError.self) { try await runner.open() }
            bench.clock.advance(by: .seconds(1))
            await bench.server.createStream(bench.type.name)
        } else {
            await bench.server.recreateStream(bench.type.name)
        }
        await bench.publish(10..<20)
        await bench.server.discard(below: 8, of: bench.type.name)

        lane = try #require(try await runner.open())
        try await drain(runner, &lane)
        let former = Gap(
            cause: isDeletionSeen ? .deleted : .recreated,
            epoch: 1,
            firstSequence: 11,
            lastSequence: nil,
            isSuspected: true
        )
        let epoch: Int64 = isDeletionSeen ? 3 : 2
        let head = Gap(cause: .discarded, epoch: epoch, firstSequence: 1, lastSequence: 7, isSuspected: true)
        #expect(await gaps(bench) == [former, head])
        #expect(await bench.evidence().hot.count == 13)
        #expect(await bench.server.consumers(of: bench.type.name) == 1)
    }

    @Test func `a gap that others found is written with the next batch, and again where that fails`() async throws {
        let bench = Bench(.testReading)
        await bench.server.createStream(bench.type.name)
        let runner = bench.lane()
        var lane = try #require(try await runner.open())
        await runner.noteUncaptured()
        _ = try await runner.gather(&lane, committing: nil)
        await runner.close(lane)
        lane = try #require(try await runner.open())
        try await drain(runner, &lane)
        try await drain(runner, &lane)
        #expect(await gaps(bench).map(\.cause) == [.uncaptured])
    }

    @Test(arguments: [day, -day, 90_000_000_000, -90_000_000_000])
    func `a clock that jumps by a day changes no verdict and is no regression`(_ jump: Int64) async throws {
        let bench = Bench(.testReading)
        await bench.server.createStream(bench.type.name)
        bench.clock.advance(by: .seconds(1))
        let runner = bench.lane()
        var lane = try #require(try await runner.open())
        for round in 0..<4 {
            // The server's clock steps in the middle of a delivery, and back, and across a reconnect.
            await bench.publish((round * 10)..<(round * 10 + 5))
            await bench.server.setClock(aheadBy: round.isMultiple(of: 2) ? jump : 0)
            await bench.publish((round * 10 + 5)..<(round * 10 + 10))
            try await drain(runner, &lane)
            guard round == 1 else { continue }
            await bench.server.restart()
            await runner.close(lane)
            lane = try #require(try await runner.open())
        }
        #expect(await gaps(bench).isEmpty)
        let position = await bench.hot.position(of: bench.source)
        #expect(position?.sequence == 40 && position?.epoch == 1)
        // Events lie at the true time: only a stream time more than a day behind it puts them out of the window.
        let refused = jump < -Self.day ? 20 : 0
        #expect(await bench.evidence().hot.count == 40 - refused)
        #expect(await bench.hot.quarantineCount == refused)
    }

    @Test(arguments: [-2 * day, 0, 2 * day])
    func `an event in the future is judged by the stream's time, whatever our clock says`(_ jump: Int64) async throws {
        let bench = Bench(.testReading)
        await bench.server.createStream(bench.type.name)
        let start = bench.clock.timestamp.micros / 1_000
        let ahead = { (hours: Int64) in
            let time = "\(start + hours * 3_600_000)"
            return ["reading_ts_ms": time, "ts_ms": time]
        }
        await bench.publish(0..<1, values: ahead(23))
        await bench.publish(1..<2, values: ahead(25))
        let clock = bench.clock
        let runner = bench.lane(now: { clock.timestamp.advanced(byMicros: jump) })
        var lane = try #require(try await runner.open())
        try await drain(runner, &lane)
        #expect(await bench.evidence().hot.count == 1)
        #expect(await bench.hot.quarantineCount == 1)
        #expect(await bench.hot.position(of: bench.source)?.sequence == 2)
    }
}

@Suite struct CauseOfLossTests {
    private static let now = Timestamp(micros: 10_000_000)

    private static func state(
        messages: UInt64 = 4,
        bytes: UInt64 = 400,
        maxAge: Int64? = nil,
        maxBytes: UInt64? = nil,
        maxMessages: UInt64? = nil,
        perSubject: UInt64? = nil
    ) -> StreamState {
        StreamState(
            created: Timestamp(micros: 0),
            firstSequence: 7,
            lastSequence: 10,
            messages: messages,
            bytes: bytes,
            maxAgeMicros: maxAge,
            maxBytes: maxBytes,
            maxMessages: maxMessages,
            maxMessagesPerSubject: perSubject
        )
    }

    @Test(arguments: [
        state(), state(maxBytes: 802), state(maxMessages: 5), state(maxAge: 5_000_001), state(messages: 0, bytes: 0),
    ])
    func `messages that no limit can have discarded were removed by somebody`(state: StreamState) {
        #expect(state.causeOfLoss(after: Timestamp(micros: 5_000_000), at: Self.now) == .purged)
    }

    @Test(arguments: [
        state(maxBytes: 800), state(maxMessages: 4), state(maxAge: 5_000_000), state(perSubject: 1),
    ])
    func `where a limit may have been reached nobody can tell`(state: StreamState) {
        #expect(state.causeOfLoss(after: Timestamp(micros: 5_000_000), at: Self.now) == .discarded)
    }

    @Test func `without the time of the last message read, age may have been the cause`() {
        #expect(Self.state(maxAge: 5_000_001).causeOfLoss(after: nil, at: Self.now) == .discarded)
    }
}

@Suite struct HolesTests {
    @Test func `what is told of is missing, but for what is kept, and ranges that touch are one`() {
        var holes = Holes(butFor: [3, 4, 9, 30])
        holes.add(2, through: 10)
        holes.add(11, through: 11)
        holes.add(20, through: 19)
        holes.add(30, through: 30)
        #expect(holes.ranges == [2...2, 5...8, 10...11])
        #expect(holes.ranges(atMost: 3) == holes.ranges)
        #expect(holes.ranges(atMost: 2) == [2...11])
    }

    @Test func `where nothing is told nothing is missing`() {
        #expect(Holes(butFor: [1, 2]).ranges(atMost: 0).isEmpty)
    }
}

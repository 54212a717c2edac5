import Platform
import Records
import Simulation
import TestSupport
import Testing
import Tiering

/// What holds the archive back makes it wait, never fail.
@Suite(.timeLimit(.minutes(1))) struct ThrottleTests {
    private static func bench() async throws -> Bench {
        let bench = Bench(.testReading)
        await bench.server.createStream(bench.type.name)
        try await bench.store(0..<25)
        bench.clock.advance(by: .seconds(61))
        return bench
    }

    @Test func `bytes beyond a burst wait until the rate has brought them`() async throws {
        let clock = ManualClock(start: Timestamp(micros: 0))
        let throttle = Throttle(Throttle.Limits(bytesPerSecond: 1_000), clock: clock)
        clock.advance(by: .seconds(60))
        try await throttle.spend(1_000)  // a second's worth was saved, and no more
        async let second: Void = throttle.spend(2_500)
        await clock.waitForSleepers(1)
        async let third: Void = throttle.spend(500)
        await clock.waitForSleepers(2)
        clock.advance(by: .milliseconds(2_500))
        try await second
        await clock.waitForSleepers(1)
        clock.advance(by: .milliseconds(500))
        try await third
    }

    @Test func `without a rate nothing waits`() async throws {
        let clock = ManualClock(start: Timestamp(micros: 0))
        try await Throttle(clock: clock).spend(1 << 40)
    }

    @Test func `a pass goes on at its rate`() async throws {
        let bench = try await Self.bench()
        let throttle = Throttle(Throttle.Limits(bytesPerSecond: 1_000), clock: bench.clock)
        async let pass: Void = bench.pass(bench.tiers(), throttle: throttle)
        let start = bench.clock.now
        while await bench.cold.ledger.map(\.state) != [.verified] {
            bench.clock.advance(by: .milliseconds(100))
            await Task.yield()
        }
        try await pass
        let bytes = 25 * 60
        #expect(start.duration(to: bench.clock.now) > .milliseconds(bytes - 1_000))
    }

    @Test func `no range is begun while hot is slow, and the pass goes on when it is not`() async throws {
        let bench = try await Self.bench()
        let (board, tiers) = (ArchiveBoard(), bench.tiers())
        let throttle = Throttle(Throttle.Limits(pauseAbove: .milliseconds(50)), clock: bench.clock)
        await bench.hot.setCommitLatency(.milliseconds(51))
        async let pass: Void = bench.pass(tiers, throttle: throttle, board: board)
        await bench.clock.waitForSleepers(1)
        #expect(board.current.paused == "hot takes 51 ms to commit, more than archive.pause_above")
        #expect(await bench.cold.ledger.isEmpty)
        bench.clock.advance(by: .seconds(5))
        await bench.clock.waitForSleepers(1)
        #expect(await bench.cold.ledger.isEmpty)
        await bench.hot.setCommitLatency(.milliseconds(50))
        bench.clock.advance(by: .seconds(5))
        try await pass
        #expect(await bench.cold.ledger.map(\.state) == [.verified])
        #expect(board.current.paused == nil)
    }

    @Test func `a pass that waits for hot ends when it is cancelled`() async throws {
        let bench = try await Self.bench()
        let throttle = Throttle(Throttle.Limits(pauseAbove: .milliseconds(50)), clock: bench.clock)
        await bench.hot.setCommitLatency(.seconds(1))
        await withTaskGroup(of: StoreError?.self) { group in
            group.addTask {
                do { try await bench.pass(bench.tiers(), throttle: throttle) } catch { return error as? StoreError }
                return nil
            }
            await bench.clock.waitForSleepers(1)
            group.cancelAll()
            #expect(await group.next()??.disposition == .retry)
        }
        #expect(await bench.cold.ledger.isEmpty)
    }
}

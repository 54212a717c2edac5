import Platform
import Records
import Simulation
import Testing
import TestSupport
import Tiering

@Suite(.timeLimit(.minutes(1))) struct ArchiveServiceTests {
    @Test func `a pass runs at the start, at every interval and at every ring`() async throws {
        let bench = try await Bench.filled()
        let (role, stop) = (ArchiveRole(bench), Latch())
        async let run: Void = role.service.run(until: stop)
        // The wait for the next pass, and the wait for the next renewal.
        await bench.clock.waitForSleepers(2)
        #expect(role.board.current.passes == 1)
        for _ in 0..<7 {
            bench.clock.advance(by: .seconds(10))
            await bench.clock.waitForSleepers(2)
        }
        try await poll("a pass after the interval") { role.board.current.passes == 2 }
        #expect(await bench.cold.ledger.map(\.state) == [.verified])
        role.bell.ring()
        try await poll("a pass after the ring") { role.board.current.passes == 3 }
        stop.open()
        try await run
        #expect(role.board.current.state == .stopped)
        #expect(role.board.current.token == nil)
    }

    @Test func `a lease that another holds is waited for, and free as soon as that one stops`() async throws {
        let bench = try await Bench.filled()
        let (first, firstStop) = (ArchiveRole(bench, holder: "first"), Latch())
        let (second, secondStop) = (ArchiveRole(bench, holder: "second"), Latch())
        async let holding: Void = first.service.run(until: firstStop)
        await bench.clock.waitForSleepers(2)
        async let waiting: Void = second.service.run(until: secondStop)
        await bench.clock.waitForSleepers(3)
        #expect(second.board.current.state == .waiting)
        #expect(second.board.current.trouble?.contains("first") == true)
        firstStop.open()
        try await holding
        try await poll("the second archives") {
            bench.clock.advance(by: .seconds(1))
            return second.board.current.state == .archiving && second.board.current.passes > 0
        }
        secondStop.open()
        try await waiting
    }

    @Test func `an archiver that lost its lease stops working and waits`() async throws {
        let bench = try await Bench.filled()
        let (role, stop) = (ArchiveRole(bench), Latch())
        async let run: Void = role.service.run(until: stop)
        await bench.clock.waitForSleepers(2)
        // It slept through its lease, and another took it.
        bench.clock.advance(by: .seconds(1))
        let thief = bench.tiers("thief")
        await bench.cold.expireLease()
        guard case .held(let token, true) = try await thief.acquireLease() else {
            Issue.record("the lease was not free")
            return
        }
        try await thief.takeOver(token)
        bench.clock.advance(by: .seconds(9))
        await bench.clock.waitForSleepers(1)
        try await poll("waiting") {
            bench.clock.advance(by: .milliseconds(100))
            return role.board.current.state == .waiting
        }
        #expect(role.board.current.token == nil)
        stop.open()
        try await run
    }

    @Test func `a tier that is away is tried again, and nothing else ends the service`() async throws {
        let bench = try await Bench.filled()
        let faults = Faults()
        faults.plan("acquire lease", .before)
        faults.plan("raise fence", .after)
        faults.plan("read ledger", .before)
        let (role, stop) = (ArchiveRole(bench, faults: faults), Latch())
        async let run: Void = role.service.run(until: stop)
        try await poll("a pass") {
            bench.clock.advance(by: .milliseconds(500))
            return role.board.current.passes > 0
        }
        stop.open()
        try await run
    }

    @Test func `a service that is cancelled ends, though nobody asked it to stop`() async throws {
        let bench = try await Bench.filled()
        let role = ArchiveRole(bench)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await role.service.run(until: Latch()) }
            await bench.clock.waitForSleepers(2)
            group.cancelAll()
        }
        #expect(role.board.current.state == .stopped)
        #expect(role.board.current.passes == 1)
    }

    @Test func `the service starts and stops at any moment`() async throws {
        let bench = try await Bench.filled()
        bench.clock.advance(by: .seconds(61))
        for round in 0..<100 {
            let (role, stop) = (ArchiveRole(bench, holder: "holder \(round)"), Latch())
            async let run: Void = role.service.run(until: stop)
            for _ in 0..<round { await Task.yield() }
            stop.open()
            try await run
            #expect(role.board.current.state == .stopped)
        }
        // After all of them it still does its work; the suite's time limit ends this wait.
        let (role, stop) = (ArchiveRole(bench, holder: "the last holder"), Latch())
        async let run: Void = role.service.run(until: stop)
        while await bench.cold.ledger.map(\.state) != [.verified] { await Task.yield() }
        stop.open()
        try await run
    }
}

@Suite(.timeLimit(.minutes(1))) struct BellTests {
    private let clock = ManualClock(start: Timestamp(micros: 0))

    private var never: ManualClock.Instant { clock.now.advanced(by: .seconds(1_000_000)) }

    @Test func `a ring that came before the wait counts, once`() async throws {
        let bell = Bell()
        bell.ring()
        bell.ring()
        #expect(try await bell.wait(until: never, clock: clock, orFor: Latch()))
        async let second = bell.wait(until: clock.now.advanced(by: .seconds(1)), clock: clock, orFor: Latch())
        await clock.waitForSleepers(1)
        clock.advance(by: .seconds(1))
        #expect(try await !second)
    }

    @Test func `a ring ends a wait`() async throws {
        let bell = Bell()
        async let wait = bell.wait(until: never, clock: clock, orFor: Latch())
        await clock.waitForSleepers(1)
        bell.ring()
        #expect(try await wait)
    }

    @Test func `the latch ends a wait`() async throws {
        let stop = Latch()
        async let wait = Bell().wait(until: never, clock: clock, orFor: stop)
        await clock.waitForSleepers(1)
        stop.open()
        #expect(try await !wait)
    }

    @Test func `a cancelled wait throws and takes no ring with it`() async throws {
        let bell = Bell()
        await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await bell.wait(until: never, clock: clock, orFor: Latch()) }
            await clock.waitForSleepers(1)
            group.cancelAll()
            await #expect(throws: CancellationError.self) { try await group.next() }
        }
        bell.ring()
        try await bell.wait(until: never, clock: clock, orFor: Latch())
    }
}

import Platform
import Records
import Simulation
import Testing
import TestSupport
import Tiering

@Suite(.timeLimit(.minutes(1))) struct LaneServiceTests {
    @Test(arguments: Catalog.underTest.types)
    func `a lane stores what is published and commits what it holds when asked to stop`(type: RecordType) async throws {
        let bench = Bench(type)
        await bench.server.createStream(type.name)
        await bench.publish(0..<25)
        let (stop, board) = (Latch(), LaneBoard())
        let service = LaneService(bench.lane(board: board), clock: bench.clock)
        async let run: Void = service.run(until: stop)
        try await poll("25 rows") { await bench.evidence().hot.count == 25 }
        await bench.publish(25..<30)
        try await poll("30 rows") { await bench.evidence().hot.count == 30 }
        stop.open()
        try await run
        let status = try #require(board.get(bench.source))
        #expect(status.state == .stopped)
        #expect(status.stored == 30)
        #expect(status.position == 30)
        #expect(status.batches[.rows] == 2)
    }

    @Test func `a lane that another instance holds is waited for, and taken when that one stops`() async throws {
        let bench = Bench(.testReading)
        await bench.server.createStream(bench.type.name)
        let (first, second) = (Latch(), Latch())
        let (firstBoard, secondBoard) = (LaneBoard(), LaneBoard())
        let holder = LaneService(bench.lane(board: firstBoard), clock: bench.clock)
        async let holding: Void = holder.run(until: first)
        try await poll("reading") { firstBoard.get(bench.source)?.state == .reading }
        let waiter = LaneService(bench.lane(board: secondBoard), clock: bench.clock)
        async let waiting: Void = waiter.run(until: second)
        try await poll("waiting") { secondBoard.get(bench.source)?.state == .waiting }
        #expect(secondBoard.get(bench.source)?.trouble?.contains("held by owner-") == true)
        first.open()
        try await holding
        await bench.publish(0..<3)
        // The first one's reading moved the clock; now the waiter sleeps, and somebody has to.
        try await poll("3 rows") {
            bench.clock.advance(by: .seconds(1))
            return await bench.evidence().hot.count == 3
        }
        second.open()
        try await waiting
    }

    @Test func `a stream that is away is waited for`() async throws {
        let bench = Bench(.testReading)
        let (stop, board) = (Latch(), LaneBoard())
        let service = LaneService(bench.lane(board: board), clock: bench.clock)
        async let run: Void = service.run(until: stop)
        await bench.clock.waitForSleepers(1)
        #expect(board.get(bench.source)?.state == .degraded)
        await bench.server.createStream(bench.type.name)
        await bench.publish(0..<3)
        bench.clock.advance(by: .seconds(5))
        try await poll("3 rows") { await bench.evidence().hot.count == 3 }
        stop.open()
        try await run
    }

    @Test func `a lane that is cancelled ends, though nobody asked it to stop`() async throws {
        let bench = Bench(.testReading)
        let service = LaneService(bench.lane(), clock: bench.clock)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await service.run(until: Latch()) }
            await bench.clock.waitForSleepers(1)
            group.cancelAll()
        }
    }

    @Test func `a lane starts and stops at any moment and leaves one consumer behind`() async throws {
        let bench = Bench(.testReading)
        await bench.server.createStream(bench.type.name)
        await bench.publish(0..<200)
        for round in 0..<100 {
            let stop = Latch()
            let service = LaneService(bench.lane(), clock: bench.clock)
            async let run: Void = service.run(until: stop)
            for _ in 0..<round { await Task.yield() }
            stop.open()
            try await run
        }
        #expect(await bench.server.consumers(of: bench.type.name) <= 1)
        let position = await bench.hot.position(of: bench.source)?.sequence ?? 0
        #expect(await bench.evidence().hot.count == Int(position))
    }

    @Test func `a new epoch leaves no consumer but its own`() async throws {
        let bench = Bench(.testReading)
        await bench.server.createStream(bench.type.name)
        await bench.publish(0..<3)
        let runner = bench.lane()
        let open = try await runner.open()
        #expect(open?.cursor.epoch == 1)
        #expect(await bench.server.consumers(of: bench.type.name) == 1)
    }
}

import Platform
import Records
import Simulation
import Testing
import TestSupport
import Tiering

@Suite(.timeLimit(.minutes(1))) struct MemoryBudgetTests {
    private static let mebibyte = 1 << 20

    @Test func `a lane comes to hold as much as stays free, and one that begins finds some`() {
        let budget = MemoryBudget(64 * Self.mebibyte)
        var held = 0
        for _ in 0..<100 { held += budget.take(Self.mebibyte, holding: held) }
        #expect(held > 31 * Self.mebibyte && held <= 32 * Self.mebibyte)
        #expect(budget.take(Self.mebibyte, holding: 0) == Self.mebibyte)
        #expect(budget.used == held + Self.mebibyte)
    }

    @Test(arguments: [2, 5, 14]) func `busy lanes come to equal parts, however they take turns`(lanes: Int) {
        let budget = MemoryBudget(64 * Self.mebibyte)
        var generator = SeededGenerator(seed: 7)
        var held = [Int](repeating: 0, count: lanes)
        var sums = held
        for _ in 0..<50_000 {
            let lane = Int.random(in: 0..<lanes, using: &generator)
            let taken = budget.take(512 << 10, holding: held[lane])
            held[lane] += taken
            sums[lane] += taken
            if taken == 0 {
                budget.give(held[lane])
                held[lane] = 0
            }
            #expect(budget.used == held.reduce(0, +) && budget.used <= budget.total)
        }
        let (least, most) = (sums.min() ?? 0, sums.max() ?? 0)
        #expect(least > 0 && Double(most) / Double(least) < 1.25, "\(sums)")
    }

    @Test func `those that wait are served in the order they came, with what is given back`() async {
        let budget = MemoryBudget(4 * Self.mebibyte)
        budget.charge(4 * Self.mebibyte)
        await withTaskGroup(of: (Int, Int).self) { group in
            for lane in 0..<3 {
                group.addTask { (lane, await budget.wait(for: 256 << 10)) }
                await spin { budget.waiting == lane + 1 }
            }
            #expect(budget.take(Self.mebibyte, holding: 0) == 0, "what is free belongs to those in line")
            for expected in 0..<3 {
                // Enough for one, who gets half of what is free.
                budget.give(128 << 10)
                let (lane, taken) = await group.next() ?? (-1, 0)
                #expect(lane == expected && taken == 64 << 10)
                budget.charge(64 << 10)
            }
        }
        #expect(budget.used == 4 * Self.mebibyte)
    }

    @Test func `a lane that is cancelled while it waits leaves the line`() async {
        let budget = MemoryBudget(Self.mebibyte)
        budget.charge(Self.mebibyte)
        await withTaskGroup(of: Int.self) { group in
            group.addTask { await budget.wait(for: 256 << 10) }
            await spin { budget.waiting == 1 }
            group.cancelAll()
            #expect(await group.next() == 0)
        }
        budget.give(Self.mebibyte)
        #expect(budget.used == 0 && budget.take(256 << 10, holding: 0) == 256 << 10)
    }

    @Test func `a lane that has little to read gives back what it took to read much`() {
        let budget = MemoryBudget(64 * Self.mebibyte)
        let share = MemoryShare(of: budget, largest: 4 * Self.mebibyte)
        let first = share.credit()
        for _ in 0..<10 { share.fetched(share.credit(), outstanding: share.credit(), grown: 0) }
        let most = share.credit()
        #expect(most == 4 * Self.mebibyte && budget.used > 3 * most)
        // Nothing comes any more; what was asked for runs out.
        share.fetched(0, outstanding: most, grown: 0)
        #expect(share.credit() == first && budget.used > 3 * most, "it may still come")
        share.fetched(0, outstanding: 0, grown: 0)
        #expect(share.credit() == first && budget.used < most)
        share.releaseAll()
        #expect(budget.used == 0)
    }

    @Test func `lanes that idle after a burst leave a busy one a credit at once, and most of the memory`() {
        let budget = MemoryBudget(16 * Self.mebibyte)
        func lane() -> MemoryShare { MemoryShare(of: budget, largest: 2 * Self.mebibyte) }
        let idle = (0..<40).map { _ in lane() }
        for lane in idle {
            for _ in 0..<6 { lane.fetched(lane.credit(), outstanding: lane.credit(), grown: 0) }
            // Two messages in an array as large as the one before; then only what is asked for is held.
            lane.learn(bytes: 600, memory: 100 << 10)
            for _ in 0..<3 { lane.fetched(0, outstanding: lane.credit(), grown: 0) }
        }
        for lane in idle { lane.fetched(0, outstanding: lane.credit(), grown: 0) }
        #expect(idle.allSatisfy { $0.credit() > 4 << 10 })
        #expect(budget.used <= budget.total / 4, "\(budget.used)")

        let busy = lane()
        #expect(busy.credit() > 4 << 10)
        for _ in 0..<20 { busy.fetched(busy.credit() / 2, outstanding: busy.credit(), grown: 0) }
        #expect(busy.held >= budget.total / 4, "\(busy.held)")
        #expect(budget.used <= budget.total)
        for lane in idle { lane.fetched(0, outstanding: 0, grown: 0) }
        #expect(idle.allSatisfy { $0.credit() > 4 << 10 }, "who begins again finds some")
        for lane in idle + [busy] { lane.releaseAll() }
        #expect(budget.used == 0)
    }

    @Test(arguments: [1, 40, 300]) func `all lanes that idle hold a quarter of the budget at most`(lanes: Int) {
        let budget = MemoryBudget(16 * Self.mebibyte)
        var shares = (0..<lanes).map { _ in MemoryShare(of: budget, largest: 2 * Self.mebibyte) }
        #expect(shares.allSatisfy { $0.credit() > 0 })
        #expect(budget.used <= budget.total / 4, "\(budget.used)")
        for share in shares { share.releaseAll() }
        shares.removeLast(lanes - 1)
        #expect(shares[0].credit() == 128 << 10, "lanes that are gone leave their part")
    }

    @Test func `a lane to which little comes, and never nothing, gives back what it took to read much`() {
        let budget = MemoryBudget(64 * Self.mebibyte)
        let share = MemoryShare(of: budget, largest: 2 * Self.mebibyte)
        let first = share.credit()
        for _ in 0..<10 { share.fetched(share.credit(), outstanding: share.credit(), grown: 0) }
        // The rest of a batch is small too: more is there.
        share.fetched(600, outstanding: share.credit(), pending: 1_000, grown: 0)
        #expect(share.credit() == 2 * Self.mebibyte)
        for _ in 0..<10 { share.fetched(600, outstanding: share.credit(), grown: 0) }
        #expect(share.credit() == first && budget.used <= 4 * first)
    }

    @Test func `what a byte comes to is learned from large batches, and within reason`() {
        let budget = MemoryBudget(64 * Self.mebibyte)
        let share = MemoryShare(of: budget, largest: 2 * Self.mebibyte)
        let first = share.credit()
        let used = budget.used
        share.learn(bytes: 600, memory: 100 << 10)
        #expect(share.credit() == first && budget.used == used)
        share.learn(bytes: 64 << 10, memory: 10 * (64 << 10))
        #expect(share.credit() == first && budget.used == 10 * first)
        share.learn(bytes: 64 << 10, memory: 100 * (64 << 10))
        #expect(share.credit() == first && budget.used == 16 * first)
    }

    @Test func `a lane short of memory closes its batch instead of waiting, and gives all back when it is stored`()
        async throws
    {
        let bench = Bench(.testReading)
        await bench.server.createStream(bench.type.name)
        await bench.publish(0..<400)
        let (budget, board) = (MemoryBudget(Self.mebibyte), LaneBoard())
        // All but enough for a few messages is somebody else's.
        budget.charge(Self.mebibyte - (192 << 10))
        let runner = bench.lane(rows: 100_000, board: board, memory: budget)
        var open = try #require(try await runner.open())
        var batches: [LaneBatch] = []
        while true {
            let batch = try await runner.gather(&open, committing: nil)
            if batch.isEmpty { break }
            #expect(budget.used <= Self.mebibyte)
            try await runner.settle(batch, in: open.session, consumer: open.consumer, flight: Flight())
            batches.append(batch)
        }
        #expect(batches.map(\.received).reduce(0, +) == 400)
        #expect(board.get(bench.source)?.batches[.memory] ?? 0 > 0)
        await runner.close(open)
        #expect(budget.used == Self.mebibyte - (192 << 10))
        #expect(await bench.evidence().hot.count == 400)
    }

    @Test func `a lane that holds nothing waits for memory, and reads when another gives some back`() async throws {
        let bench = Bench(.testReading)
        await bench.server.createStream(bench.type.name)
        await bench.publish(0..<10)
        let budget = MemoryBudget(Self.mebibyte)
        budget.charge(Self.mebibyte)
        let stop = Latch()
        let service = LaneService(bench.lane(memory: budget), clock: bench.clock)
        async let run: Void = service.run(until: stop)
        try await poll("it waits in line") { budget.waiting == 1 }
        #expect(await bench.evidence().hot.count == 0)
        budget.give(Self.mebibyte)
        try await poll("10 rows") { await bench.evidence().hot.count == 10 }
        stop.open()
        try await run
        #expect(budget.used == 0)
    }

    /// Lets the others run until it is so.
    private func spin(until isSo: () -> Bool) async { while !isSo() { await Task.yield() } }
}

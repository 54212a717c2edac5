import Platform
import Records
import Simulation
import TestSupport
import Testing
import Tiering

/// Partitions that leave hot whole, on tiers in memory.
@Suite struct PartitionTests {
    /// Two ranges of one partition, verified and past retention by both clocks.
    private static func bench(undo: Duration = .seconds(60)) async throws -> Bench {
        var bench = Bench(.testReading)
        bench.policy.partitionMicros = [bench.type.name: Bench.partitionMicros]
        bench.policy.undo = undo
        await bench.server.createStream(bench.type.name)
        try await bench.store(0..<5)
        try await bench.store(60_000..<60_005)
        // The newest event is what a third range holds, an hour later: eleven rows in all.
        bench.clock.advance(by: .seconds(3_700))
        try await bench.store(3_600_000..<3_600_001)
        try await verify(bench)
        return bench
    }

    /// A pass that proves what it finds; what was proved before it leaves.
    private static func verify(_ bench: Bench) async throws { try await bench.pass(bench.tiers()) }

    /// How the two ranges of the partition are.
    private static func states(_ bench: Bench) async -> [Transfer.State] {
        await Array(bench.cold.ledger.sorted { $0.range.start < $1.range.start }.map(\.state).prefix(2))
    }

    @Test func `a partition that is proved whole leaves hot, rests, and is dropped after its time`() async throws {
        let bench = try await Self.bench()
        #expect(await Self.states(bench) == [.verified, .verified])
        #expect(await bench.evidence().hot.count == 11)
        try await bench.pass(bench.tiers())
        #expect(await Self.states(bench) == [.pruned, .pruned])
        #expect(await bench.evidence().hot.count == 1)
        #expect(await bench.evidence().prunes.count == 2)
        #expect(await bench.hot.resting.map(\.resting.rows) == [10])
        bench.clock.advance(by: .seconds(59))
        try await bench.pass(bench.tiers("two", faults: Faults()))
        #expect(await bench.hot.resting.count == 1)
        bench.clock.advance(by: .seconds(1))
        try await bench.pass(bench.tiers("two", faults: Faults()))
        #expect(await bench.hot.resting.isEmpty)
        #expect(await bench.evidence().cold.count == 11)
    }

    @Test func `with an undo of 0 it is dropped in the pass that took it out`() async throws {
        let bench = try await Self.bench(undo: .zero)
        try await bench.pass(bench.tiers())
        #expect(await Self.states(bench) == [.pruned, .pruned])
        #expect(await bench.hot.resting.isEmpty)
    }

    @Test func `a late row after the proof keeps the whole partition until it is proved too`() async throws {
        let bench = try await Self.bench()
        try await bench.store(5..<6)
        try await bench.pass(bench.tiers())
        #expect(await bench.hot.resting.isEmpty)
        #expect(await bench.evidence().hot.count == 12)
        try await bench.pass(bench.tiers())
        #expect(await Self.states(bench) == [.pruned, .pruned])
        #expect(await bench.evidence().cold.count == 12)
    }

    @Test func `a late row that comes while the partition leaves keeps it`() async throws {
        let bench = try await Self.bench()
        let faults = Faults()
        let once = Locked(false)
        faults.interrupt { operation in
            let isFirst = once.withLock { wasDone in
                defer { wasDone = wasDone || operation == "rest" }
                return !wasDone
            }
            guard operation == "rest", isFirst else { return }
            do { try await bench.store(5..<6) } catch { Issue.record(error) }
        }
        try await bench.pass(bench.tiers(faults: faults))
        #expect(await bench.hot.resting.isEmpty)
        #expect(await Self.states(bench) == [.verified, .verified])
        #expect(await bench.evidence().hot.count == 12)
    }

    @Test func `a late row after the partition left makes it again, and it is emptied again`() async throws {
        let bench = try await Self.bench()
        try await bench.pass(bench.tiers())
        try await bench.store(5..<7)
        for _ in 0..<3 { try await bench.pass(bench.tiers()) }
        #expect(await bench.evidence().hot.count == 1, "what came while it rests leaves by DELETE")
        #expect(await bench.evidence().cold.count == 13)
        #expect(await bench.hot.resting.count == 1)
        bench.clock.advance(by: .seconds(60))
        for _ in 0..<2 { try await bench.pass(bench.tiers("two")) }
        bench.clock.advance(by: .seconds(60))
        for _ in 0..<2 { try await bench.pass(bench.tiers("three")) }
        #expect(await bench.hot.resting.isEmpty)
        #expect(await bench.hot.partitionCount == 1)
    }

    @Test(arguments: [Faults.Moment.before, .after])
    func `a rest or a drop whose answer is lost is found to have happened, or done`(moment: Faults.Moment) async throws
    {
        let bench = try await Self.bench(undo: .zero)
        for operation in ["rest", "drop"] {
            let faults = Faults()
            faults.plan(operation, moment)
            try await bench.pass(bench.tiers(faults: faults))
        }
        for _ in 0..<2 { try await bench.pass(bench.tiers()) }
        #expect(await Self.states(bench) == [.pruned, .pruned])
        #expect(await bench.evidence().prunes.count == 2)
        #expect(await bench.hot.resting.isEmpty)
    }

    @Test func `what is pinned neither leaves nor is dropped until the pin expires`() async throws {
        let bench = try await Self.bench(undo: .zero)
        let board = ArchiveBoard()
        let pin = Pin(
            id: "1",
            type: bench.type.name,
            range: bench.range,
            reason: "an incident",
            expiresAt: bench.clock.timestamp.advanced(byMicros: 10_000_000)
        )
        await bench.hot.pin(pin)
        await bench.cold.request("asked", type: bench.type.name, range: bench.range, prunes: true)
        try await bench.pass(bench.tiers(), board: board)
        #expect(await Self.states(bench) == [.verified, .verified])
        #expect(board.current.types[bench.type.name]?.declined == 2, "the range by itself, and its partition")
        #expect(await bench.cold.ledger.contains { $0.error == pin.refusal })
        bench.clock.advance(by: .seconds(11))
        try await bench.pass(bench.tiers())
        #expect(await Self.states(bench) == [.pruned, .pruned])
    }

    @Test func `a cold row lost while the partition rests brings its rows back and halts the type`() async throws {
        let bench = try await Self.bench()
        try await bench.pass(bench.tiers())
        await bench.cold.loseRow(of: bench.type.name, in: bench.range)
        bench.clock.advance(by: .seconds(60))
        try await bench.pass(bench.tiers("two"))
        #expect(await Self.states(bench) == [.mismatched, .pruned])
        #expect(await bench.cold.ledger.contains { $0.error?.contains("its rows are in hot again") == true })
        #expect(await bench.evidence().hot.count == 11)
        #expect(await bench.hot.resting.isEmpty)
    }

    @Test func `resting rows that are not those that were verified are not dropped`() async throws {
        let bench = try await Self.bench()
        try await bench.pass(bench.tiers())
        await bench.hot.loseRestingRow()
        bench.clock.advance(by: .seconds(60))
        try await bench.pass(bench.tiers("two"))
        #expect(await Self.states(bench) == [.mismatched, .pruned])
        #expect(await bench.evidence().hot.count == 10)
    }

    @Test func `a cold row lost between proof and DELETE is found before rows go`() async throws {
        let bench = Bench(.testReading)
        await bench.server.createStream(bench.type.name)
        try await bench.store(0..<5)
        bench.clock.advance(by: .seconds(61))
        try await bench.pass(bench.tiers())
        await bench.cold.loseRow(of: bench.type.name, in: bench.range)
        await bench.cold.request("asked", type: bench.type.name, range: bench.range, prunes: true)
        try await bench.pass(bench.tiers())
        #expect(await Self.states(bench) == [.mismatched])
        #expect(await bench.evidence().hot.count == 5)
    }

    @Test func `a row that comes between the proof of a merged range and its DELETE is no mismatch`() async throws {
        let bench = Bench(.testReading)
        await bench.server.createStream(bench.type.name)
        try await bench.store(0..<5)
        bench.clock.advance(by: .seconds(61))
        try await bench.pass(bench.tiers())
        await bench.cold.request("asked", type: bench.type.name, range: bench.range, prunes: true)
        try await bench.pass(bench.tiers())
        // Merged: cold holds more of the range than hot.
        try await bench.store(5..<7)
        bench.clock.advance(by: .seconds(31))
        let runner = try await bench.runner()
        var again = try #require(await bench.cold.ledger.first)
        again.plan()
        let copied = try await runner.copy(again, type: bench.type)
        let verified = try await runner.verify(copied, type: bench.type)
        try await bench.store(7..<9)
        #expect(try await runner.prune(verified, type: bench.type).state == .verified)
        #expect(await bench.evidence().hot.count == 4)
    }
}

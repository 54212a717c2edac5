import Platform
import Records
import Simulation
import Synchronization
import Testing
import TestSupport
import Tiering

@Suite struct ArchiverTests {
    @Test(arguments: Catalog.underTest.types)
    func `a closed range is copied, proved and, past retention by both clocks, pruned`(type: RecordType) async throws {
        let bench = Bench(type)
        await bench.server.createStream(type.name)
        try await bench.store(0..<25)
        bench.clock.advance(by: .seconds(61))
        try await bench.pass(bench.tiers())
        var evidence = await bench.evidence()
        #expect(evidence.cold == evidence.hot)
        #expect(evidence.cold.count == 25)
        bench.clock.advance(by: .seconds(3_600))
        try await bench.pass(bench.tiers())
        #expect(await bench.evidence().hot.count == 25, "no newer event was committed: the data's clock stands")
        let later = (type.eventTimeKeys + ["ts_ms"]).map { ($0, "1795003661000") }
        try await bench.store(25..<26, values: Dictionary(later) { $1 })
        try await bench.pass(bench.tiers())
        evidence = await bench.evidence()
        #expect(evidence.hot.count == 1)
        #expect(evidence.cold.count == 25)
        #expect(evidence.prunes.count == 1)
        #expect(await bench.cold.ledger.map(\.state) == [.pruned])
    }

    @Test func `cold that lost a row between copy and proof halts the type until the range is asked for again`()
        async throws
    {
        let bench = Bench(.testReading)
        await bench.server.createStream(bench.type.name)
        try await bench.store(0..<5)
        bench.clock.advance(by: .seconds(61))
        let runner = try await bench.runner()
        let copied = try await runner.copy(bench.planned, type: bench.type)
        await bench.cold.loseRow(of: bench.type.name, in: bench.range)
        let verified = try await runner.verify(copied, type: bench.type)
        #expect(verified.state == .mismatched)
        #expect(verified.error?.contains("cold holds 4 rows") == true)
        #expect(verified.error?.contains(": only in hot: ts=2026-11-18T") == true, "\(verified.error ?? "")")
        #expect(verified.error?.contains("with POST /transfers") == true)
        bench.clock.advance(by: .seconds(31))
        try await bench.pass(bench.tiers())
        #expect(await bench.cold.ledger.map(\.state) == [.mismatched])
        await bench.cold.request("too early", type: bench.type.name, range: bench.range, prunes: true)
        try await bench.pass(bench.tiers())
        #expect(await bench.cold.ledger.map(\.state) == [.mismatched])
        await bench.cold.mend()
        await bench.cold.request("asked", type: bench.type.name, range: bench.range, prunes: true)
        try await bench.pass(bench.tiers())
        #expect(await bench.cold.ledger.map(\.state) == [.pruned])
        let evidence = await bench.evidence()
        #expect(evidence.cold.count == 5)
        #expect(evidence.hot.count == 0)
    }

    @Test func `a snapshot that lacks rows which activity counts is not copied`() async throws {
        let bench = Bench(.testReading)
        await bench.server.createStream(bench.type.name)
        try await bench.store(0..<5)
        await bench.hot.loseRow(of: bench.type.name, in: bench.range)
        bench.clock.advance(by: .seconds(61))
        try await bench.pass(bench.tiers())
        #expect(await bench.cold.ledger.map(\.state) == [.unaccounted])
        #expect(await bench.evidence().cold.count == 0)
    }

    @Test func `hot that lost a verified row is not pruned`() async throws {
        let bench = Bench(.testReading)
        await bench.server.createStream(bench.type.name)
        try await bench.store(0..<5)
        bench.clock.advance(by: .seconds(61))
        try await bench.pass(bench.tiers())
        await bench.hot.loseRow(of: bench.type.name, in: bench.range)
        await bench.cold.request("asked", type: bench.type.name, range: bench.range, prunes: true)
        try await bench.pass(bench.tiers())
        #expect(await bench.cold.ledger.map(\.state) == [.mismatched])
        #expect(await bench.evidence().hot.count == 4)
    }

    @Test func `a prune whose answer was lost is found in hot's log and not done twice`() async throws {
        let bench = Bench(.testReading)
        await bench.server.createStream(bench.type.name)
        try await bench.store(0..<5)
        bench.clock.advance(by: .seconds(61))
        let faults = Faults()
        faults.plan("prune", .after)
        await bench.cold.request("asked", type: bench.type.name, range: bench.range, prunes: true)
        try await bench.pass(bench.tiers(faults: faults))
        #expect(await bench.cold.ledger.map(\.state) == [.verified])
        #expect(await bench.evidence().hot.count == 0)
        try await bench.pass(bench.tiers(faults: faults))
        let row = try #require(await bench.cold.ledger.first)
        #expect(row.state == .pruned)
        #expect(row.rowsPruned == 5)
        #expect(await bench.evidence().prunes.count == 1)
    }

    @Test func `a late row after the prune is merged and pruned too, and cold keeps what it had`() async throws {
        let bench = Bench(.testReading)
        await bench.server.createStream(bench.type.name)
        try await bench.store(0..<5)
        bench.clock.advance(by: .seconds(61))
        await bench.cold.request("asked", type: bench.type.name, range: bench.range, prunes: true)
        try await bench.pass(bench.tiers())
        try await bench.store(5..<7)
        try await bench.pass(bench.tiers())
        let evidence = await bench.evidence()
        #expect(evidence.cold.count == 7)
        #expect(evidence.hot.count == 0)
        #expect(evidence.prunes.count == 2)
    }

    @Test func `cold from an older backup than hot's prunes moves nothing`() async throws {
        let bench = Bench(.testReading)
        await bench.server.createStream(bench.type.name)
        try await bench.store(0..<5)
        bench.clock.advance(by: .seconds(61))
        await bench.cold.request("asked", type: bench.type.name, range: bench.range, prunes: true)
        try await bench.pass(bench.tiers())
        let older = ColdDatabase(catalog: .underTest, clock: bench.clock, bucketMicros: 20_000_000)
        let lost = Locked(0)
        let tiers = bench.tiers(cold: older)
        // Its lease counts anew; hot remembers a higher token, so the restored one has to catch up first.
        await #expect {
            try await bench.pass(tiers) { if case .archiveLost = $0 { lost.withLock { $0 += 1 } } }
        } throws: { error in
            (error as? StoreError)?.code == .corrupt
        }
        #expect(lost.withLock { $0 } == 1)
        #expect(await older.ledger.isEmpty)
    }

    @Test func `an archiver whose token is past changes nothing in either tier`() async throws {
        let bench = Bench(.testReading)
        await bench.server.createStream(bench.type.name)
        try await bench.store(0..<5)
        bench.clock.advance(by: .seconds(61))
        let stale = try await bench.runner()
        let planned = bench.planned
        let copied = try await stale.copy(planned, type: bench.type)
        await bench.hot.setEndsSessions(false)
        await bench.cold.setEndsSessions(false)
        bench.clock.advance(by: .seconds(31))
        try await bench.pass(bench.tiers("another"))
        for step in ["verify", "copy"] {
            await #expect {
                _ =
                    try await step == "verify"
                    ? stale.verify(copied, type: bench.type) : stale.copy(planned, type: bench.type)
            } throws: { error in
                (error as? StoreError)?.code == .fenced
            }
        }
        #expect(await bench.cold.ledger.map(\.state) == [.verified])
    }
}

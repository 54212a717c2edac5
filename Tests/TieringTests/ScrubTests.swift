import Platform
import Records
import Simulation
import TestSupport
import Testing
import Tiering

/// The background scrub finds what changed in cold behind our back, and nothing else.
@Suite struct ScrubTests {
    private final class Scrub: Sendable {
        let bench: Bench
        let tiers: MemoryTiers
        let board = ArchiveBoard()
        let token: Int64
        private let reported = Locked<[Transfer]>([])
        var found: [Transfer] { reported.withLock { $0 } }

        /// Rows in both tiers, proved by an archiver that holds the lease.
        init(_ type: RecordType = .testReading) async throws {
            bench = Bench(type)
            await bench.server.createStream(type.name)
            try await bench.store(0..<50)
            bench.clock.advance(by: .seconds(61))
            tiers = bench.tiers()
            try await bench.pass(tiers)
            guard case .held(let token, _) = try await tiers.acquireLease() else { preconditionFailure("no lease") }
            self.token = token
            board.update { $0.token = token }
        }

        func service(rate: Int = 1 << 30, every: Duration = .seconds(1)) -> ScrubService<MemoryTiers, ManualClock> {
            let clock = bench.clock
            return ScrubService(
                tiers: tiers,
                types: Catalog.underTest.types,
                settings: ScrubSettings(bytesPerSecond: rate, every: every, namedRows: 10),
                clock: clock,
                now: { clock.timestamp },
                board: board,
                report: { event in
                    if case .moved(let transfer, _) = event { self.reported.withLock { $0.append(transfer) } }
                }
            )
        }

        func run() async throws {
            bench.clock.advance(by: .seconds(2))
            _ = try await service().scrub(token, until: Latch())
        }

        var state: Transfer? { get async { await bench.cold.ledger.first } }
    }

    enum Damage: CaseIterable { case altered, removed }

    @Test func `what is as it was proved is noted, and not read again before it is due`() async throws {
        let scrub = try await Scrub()
        try await scrub.run()
        let row = try #require(await scrub.state)
        #expect(row.state == .verified && row.scrubbedAt == scrub.bench.clock.timestamp)
        let counted = try #require(scrub.board.current.types[row.type]?.scrubbed)
        #expect(counted.ranges == 1 && counted.rows == 50 && counted.bytes > 50)
        _ = try await scrub.service().scrub(scrub.token, until: Latch())
        #expect(scrub.board.current.types[row.type]?.scrubbed == counted)
        #expect(scrub.found.isEmpty)
    }

    @Test(arguments: Damage.allCases)
    func `a row changed behind our back halts its type, is named, and is proved again once mended`(
        damage: Damage
    ) async throws {
        let scrub = try await Scrub()
        let (bench, name) = (scrub.bench, scrub.bench.type.name)
        switch damage {
        case .altered: await bench.cold.flipBit(of: name, in: bench.range)
        case .removed: await bench.cold.loseRow(of: name, in: bench.range)
        }
        try await scrub.run()
        let row = try #require(await scrub.state)
        #expect(row.state == .mismatched)
        let error = row.error ?? ""
        #expect(error.hasPrefix("scrub: cold holds") && error.contains("by manifest 1"), "\(error)")
        #expect(error.contains(damage == .altered ? " / cold " : "only in hot: ts="), "\(error)")
        #expect(error.contains("POST /transfers"))
        #expect(scrub.found.map(\.error) == [row.error])
        #expect(scrub.board.current.types[name]?.halted?.contains(error) == true)
        try await bench.pass(scrub.tiers)
        #expect(await scrub.state?.state == .mismatched)
        await bench.cold.mend()
        await bench.cold.request("asked", type: name, range: bench.range, prunes: true)
        try await bench.pass(scrub.tiers)
        #expect(await scrub.state?.state == .pruned)
        #expect(await bench.evidence().hot.count == 0)
    }

    @Test func `a pruned range is proved again as pruned, and says that hot cannot tell the rows`() async throws {
        let scrub = try await Scrub()
        let (bench, name) = (scrub.bench, scrub.bench.type.name)
        await bench.cold.request("asked", type: name, range: bench.range, prunes: true)
        try await bench.pass(scrub.tiers)
        await bench.cold.flipBit(of: name, in: bench.range)
        try await scrub.run()
        #expect(await scrub.state?.error?.contains("only a backup of cold can tell which") == true)
        await bench.cold.mend()
        await bench.cold.request("again", type: name, range: bench.range, prunes: false)
        try await bench.pass(scrub.tiers)
        #expect(await scrub.state?.state == .pruned)
        #expect(await bench.evidence().prunes.count == 1)
    }

    @Test func `a range that is copied while it is read is no alarm`() async throws {
        let scrub = try await Scrub()
        let bench = scrub.bench
        let target = try await scrub.tiers.openTarget(scrub.token)
        let before = try #require(await target.oldestProved(of: [bench.type]))
        let read = try await target.reprove(before, type: bench.type) { _ throws(StoreError) in }
        var stale = try #require(read).transfer
        try await bench.store(50..<60)
        try await bench.pass(scrub.tiers)
        #expect(await scrub.state?.manifest == 2)
        stale.mismatched("compared with what was there before the copy")
        #expect(try await !target.recordScrubbed(stale))
        #expect(await scrub.state?.state == .verified)
        // Copied and not proved yet: there is nothing to compare with.
        try await bench.store(60..<61)
        let runner = TransferRunner(
            source: try await scrub.tiers.openSource(scrub.token),
            target: target,
            planner: Planner(policy: Bench.policy),
            now: { bench.clock.timestamp }
        )
        var again = try #require(await scrub.state)
        again.plan()
        let copied = try await runner.copy(again, type: bench.type)
        #expect(try await target.reprove(copied, type: bench.type) { _ throws(StoreError) in } == nil)
        #expect(try await target.oldestProved(of: [bench.type]) == nil)
    }

    @Test func `a prune that ends after the scrub found a mismatch does not cover it`() async throws {
        let scrub = try await Scrub()
        let bench = scrub.bench
        var verified = try #require(await scrub.state)
        await bench.cold.flipBit(of: bench.type.name, in: bench.range)
        try await scrub.run()
        let target = try await scrub.tiers.openTarget(scrub.token)
        verified.pruned(rows: 50, at: bench.clock.timestamp)
        try await target.record(verified)
        let row = try #require(await scrub.state)
        #expect(row.state == .mismatched && row.rowsPruned == 50 && row.error?.hasPrefix("scrub: ") == true)
    }

    @Test func `reading keeps to the rate, and stops when told in the middle of a range`() async throws {
        let scrub = try await Scrub()
        scrub.bench.clock.advance(by: .seconds(2))
        let (service, stop) = (scrub.service(rate: 1), Latch())
        async let run: Void = service.run(until: stop)
        await scrub.bench.clock.waitForSleepers(1)
        // A byte a second, and the first chunk has some hundred.
        scrub.bench.clock.advance(by: .seconds(60))
        await scrub.bench.clock.waitForSleepers(1)
        stop.open()
        try await run
        #expect(scrub.board.current.types[scrub.bench.type.name]?.scrubbed.ranges == nil)
        #expect(await scrub.state?.scrubbedAt == nil)
    }
}

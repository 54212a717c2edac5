import Adapters
import Platform
import Postgres
import PrivateServers
import Records
import TestSupport
import Testing
import Tiering

@Suite(.privatePostgres, .bothFormats, .timeLimit(.minutes(5))) struct PostgresArchiveTests {
    static let types = Catalog.underTest.types
    static let trade = Catalog.standard.types[1]
    static let now = Timestamp(milliseconds: 1_795_100_000_000)
    static let planner = Planner(
        policy: ArchivePolicy(rangeMicros: Tiers.bucket, safetyLagMicros: 0, retentionMicros: 0, prunes: false)
    )

    /// An archiver's sessions under a fresh lease.
    struct Archive {
        let tiers: PostgresTiers
        let token: Int64
        let source: PostgresSource
        let target: PostgresTarget

        init(_ databases: Tiers) async throws {
            tiers = PostgresTiers(settings: databases.archive, catalog: databases.catalog)
            guard case .held(let token, _) = try await tiers.acquireLease() else { throw Tiers.NotClaimed() }
            self.token = token
            try await tiers.takeOver(token)
            source = try await tiers.openSource(token)
            target = try await tiers.openTarget(token)
        }

        /// Plans and runs everything that is due for a type; the transfers as they rest.
        func run(_ type: RecordType, prunes: Bool = true) async throws -> [Transfer] {
            let clock = PruneClock(wall: PostgresArchiveTests.now, newestEvent: PostgresArchiveTests.now)
            let planner = PostgresArchiveTests.planner
            let due = planner.plan(
                activity: try await source.activity(of: [type], rangeMicros: Tiers.bucket),
                ledger: try await target.ledger().filter { $0.type == type.name },
                clock: clock,
                newID: { RandomID.uuid() }
            )
            let runner = TransferRunner(source: source, target: target, planner: planner) { PostgresArchiveTests.now }
            var rested: [Transfer] = []
            for var transfer in due {
                transfer.prunes = prunes
                rested.append(try await runner.run(transfer, type: type, newestEvent: clock.newestEvent) { _ in })
            }
            return rested
        }

        func close() async {
            await source.close()
            await target.close()
        }
    }

    func fill(_ tiers: Tiers, _ type: RecordType, _ numbers: Range<Int>, from: UInt64 = 0) async throws {
        let lane = try await tiers.claim(type)
        _ = try await lane.commit(try tiers.batch(type, numbers, from: from))
        await lane.close()
    }

    func count(_ tiers: Tiers, _ conninfo: String, _ type: RecordType) async throws -> String? {
        try await tiers.ask(conninfo, "SELECT count(*) FROM thermocline.\(type.name)")
    }

    @Test(arguments: types) func `a range is copied, verified and pruned`(type: RecordType) async throws {
        let tiers = try await Tiers()
        try await fill(tiers, type, 0..<40)
        let archive = try await Archive(tiers)
        let moved = try await archive.run(type)
        #expect(moved.map(\.state) == [.pruned])
        #expect(try await count(tiers, tiers.hot, type) == "0")
        #expect(try await count(tiers, tiers.cold, type) == "40")
        #expect(try await archive.run(type).isEmpty)
        let left = "SELECT coalesce(sum(rows), 0) FROM thermocline_store.range_activity"
        #expect(try await tiers.ask(tiers.hot, left) == "0")
        await archive.close()
    }

    @Test(arguments: types) func `late rows join the archive, which never shrinks`(type: RecordType) async throws {
        let tiers = try await Tiers()
        try await fill(tiers, type, 0..<20)
        let archive = try await Archive(tiers)
        _ = try await archive.run(type)
        try await fill(tiers, type, 10..<30, from: 20)
        #expect(try await archive.run(type).map(\.state) == [.pruned])
        #expect(try await count(tiers, tiers.hot, type) == "0")
        #expect(try await count(tiers, tiers.cold, type) == "30")
        let staging = "SELECT count(*) FROM pg_class WHERE relname LIKE 'staging%'"
        #expect(try await tiers.ask(tiers.cold, staging) == "0")
        await archive.close()
    }

    @Test func `a late row with other content is kept beside the first`() async throws {
        let tiers = try await Tiers()
        try await fill(tiers, Self.trade, 0..<5)
        let archive = try await Archive(tiers)
        _ = try await archive.run(Self.trade)
        try await fill(tiers, Self.trade, 0..<5, from: 5)
        try await tiers.tell(
            tiers.hot,
            "UPDATE thermocline_store.trade SET price = price + 1 WHERE trade_id = 'trade_id-3'"
        )
        #expect(try await archive.run(Self.trade).map(\.state) == [.pruned])
        #expect(try await count(tiers, tiers.cold, Self.trade) == "5")
        let kept = "SELECT string_agg(trade_id, ',') FROM thermocline_store.conflict_trade"
        #expect(try await tiers.ask(tiers.cold, kept) == "trade_id-3")
        #expect(try await count(tiers, tiers.hot, Self.trade) == "0")
        await archive.close()
    }

    @Test(arguments: [
        "UPDATE thermocline_store.trade SET price = price + 1 WHERE trade_id = 'trade_id-3'",
        "DELETE FROM thermocline_store.trade WHERE trade_id = 'trade_id-3'",
        """
        INSERT INTO thermocline_store.trade SELECT ts, exchange, market_type, symbol, 'forged', price, quantity, side,
        is_maker, extra, published_at, stream_seq, ingested_at FROM thermocline_store.trade LIMIT 1
        """,
    ])
    func `a cold row changed behind our back is found and nothing is pruned`(damage: String) async throws {
        let tiers = try await Tiers()
        try await fill(tiers, Self.trade, 0..<10)
        let archive = try await Archive(tiers)
        var transfer = Transfer(
            id: RandomID.uuid(),
            type: "trade",
            range: TimeRange(containing: Timestamp(milliseconds: 1_795_000_000_000), width: Tiers.bucket)
        )
        transfer.prunes = true
        let runner = TransferRunner(source: archive.source, target: archive.target, planner: Self.planner) { Self.now }
        transfer = try await runner.copy(transfer, type: Self.trade)
        try await tiers.tell(tiers.cold, damage)
        transfer = try await runner.verify(transfer, type: Self.trade)
        #expect(transfer.state == .mismatched)
        #expect(try await archive.run(Self.trade).isEmpty, "the type halts")
        #expect(try await count(tiers, tiers.hot, Self.trade) == "10")
        await archive.close()
    }

    @Test func `a hot row changed after the proof is not pruned`() async throws {
        let tiers = try await Tiers()
        try await fill(tiers, Self.trade, 0..<10)
        let archive = try await Archive(tiers)
        #expect(try await archive.run(Self.trade, prunes: false).map(\.state) == [.verified])
        try await tiers.tell(
            tiers.hot,
            "UPDATE thermocline_store.trade SET price = price + 1 WHERE trade_id = 'trade_id-3'"
        )
        var verified = try #require(try await archive.target.ledger().first)
        verified.prunes = true
        let runner = TransferRunner(source: archive.source, target: archive.target, planner: Self.planner) { Self.now }
        #expect(try await runner.prune(verified, type: Self.trade).state == .mismatched)
        #expect(try await count(tiers, tiers.hot, Self.trade) == "10")
        await archive.close()
    }

    @Test func `rows that left hot without us are never called verified`() async throws {
        let tiers = try await Tiers()
        try await fill(tiers, Self.trade, 0..<10)
        try await tiers.tell(tiers.hot, "DELETE FROM thermocline_store.trade WHERE trade_id = 'trade_id-3'")
        let archive = try await Archive(tiers)
        #expect(try await archive.run(Self.trade).map(\.state) == [.unaccounted])
        #expect(try await count(tiers, tiers.cold, Self.trade) == "0")
        await archive.close()
    }

    @Test func `a prune whose answer was lost is found to have happened`() async throws {
        let tiers = try await Tiers()
        try await fill(tiers, Self.trade, 0..<10)
        let archive = try await Archive(tiers)
        _ = try await archive.run(Self.trade)
        try await tiers.tell(tiers.cold, "UPDATE thermocline_store.transfer SET state = 'verified', prunes = true")
        #expect(try await archive.run(Self.trade).map(\.rowsPruned) == [10])
        await archive.close()
    }

    @Test func `a second archiver waits, and after a take-over the first can do nothing`() async throws {
        let tiers = try await Tiers()
        try await fill(tiers, Self.trade, 0..<10)
        let first = try await Archive(tiers)
        await #expect(throws: Tiers.NotClaimed.self) { try await Archive(tiers) }
        try await tiers.tell(
            tiers.cold,
            "UPDATE thermocline_store.archive_lease SET expires_at = now() - interval '1 s'"
        )
        let second = try await Archive(tiers)
        await #expect(throws: StoreError.self) { try await first.run(Self.trade) }
        #expect(try await second.run(Self.trade).map(\.state) == [.pruned])
        await second.close()
    }

    @Test(arguments: Tier.allCases)
    func `the fence stops a session that nobody terminated`(_ tier: Tier) async throws {
        let tiers = try await Tiers()
        let archive = try await Archive(tiers)
        let conninfo = tier == .hot ? tiers.hot : tiers.cold
        try await tiers.tell(conninfo, "UPDATE thermocline_store.archive_fence SET token = token + 1")
        let error = await #expect(throws: StoreError.self) {
            switch tier {
            case .hot: _ = try await archive.source.newestEvent()
            case .cold: _ = try await archive.target.ledger()
            }
        }
        #expect(error?.code == .fenced)
        await archive.close()
    }

    @Test func `a fence that is ahead of the lease is overtaken, so that what is wrong can be said`() async throws {
        let tiers = try await Tiers()
        try await tiers.tell(tiers.hot, "UPDATE thermocline_store.archive_fence SET token = 5")
        let error = await #expect(throws: StoreError.self) { try await Archive(tiers) }
        #expect(error?.disposition == .retry)
        try await tiers.tell(tiers.cold, "UPDATE thermocline_store.archive_lease SET expires_at = '-infinity'")
        let archive = try await Archive(tiers)
        #expect(try await tiers.ask(tiers.hot, "SELECT token > 5 FROM thermocline_store.archive_fence") == "t")
        #expect(try await archive.source.newestEvent() == nil)
        await archive.close()
    }

    @Test func `manifests are chained`() async throws {
        let tiers = try await Tiers()
        for type in Self.types { try await fill(tiers, type, 0..<3) }
        let archive = try await Archive(tiers)
        for type in Self.types { _ = try await archive.run(type) }
        #expect(try await tiers.ask(tiers.cold, Self.broken) == "0")
        #expect(
            try await tiers.ask(tiers.cold, "SELECT count(*) FROM thermocline_store.manifest") == "\(Self.types.count)"
        )
        await archive.close()
    }

    @Test func `transfers at the same time append to one chain`() async throws {
        let tiers = try await Tiers()
        for type in Self.types { try await fill(tiers, type, 0..<30) }
        let archive = try await Archive(tiers)
        let failed = Locked<[String]>([])
        let archiver = Archiver(
            tiers: archive.tiers,
            types: Self.types,
            policy: Self.planner.policy,
            concurrency: Self.types.count,
            now: { Self.now },
            newID: { RandomID.uuid() },
            board: ArchiveBoard(),
            report: { if case .transferFailed(_, let detail, _) = $0 { failed.withLock { $0.append(detail) } } }
        )
        try await archiver.pass(token: archive.token) { false }
        #expect(failed.withLock { $0 } == [])
        #expect(try await archive.target.ledger().map(\.state) == Self.types.map { _ in .verified })
        #expect(try await tiers.ask(tiers.cold, Self.broken) == "0")
        let numbers = "SELECT min(number) || ' ' || max(number) FROM thermocline_store.manifest"
        #expect(try await tiers.ask(tiers.cold, numbers) == "1 \(Self.types.count)")
        await archive.close()
    }

    private static let broken = """
        SELECT count(*) FROM (SELECT previous, lag(sha256) OVER (ORDER BY number) AS before
        FROM thermocline_store.manifest) m WHERE before IS NOT NULL AND previous <> before
        """
}

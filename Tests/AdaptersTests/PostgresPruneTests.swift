import Adapters
import Platform
import Postgres
import PrivateServers
import Records
import TestSupport
import Testing
import Tiering

/// Whole partitions leave hot, rest there and are dropped, on real databases.
@Suite(.privatePostgres, .bothFormats, .timeLimit(.minutes(5))) struct PostgresPruneTests {
    static let trade = Catalog.standard.types[1]
    static let daily = Catalog.underTest.types.filter { $0.partition == .day }

    /// How partitions came to rest.
    final class Rests: Sendable {
        private let seen = Locked<[(rows: Int, locked: Duration)]>([])

        var all: [(rows: Int, locked: Duration)] { seen.withLock { $0 } }
        func add(_ rows: Int, _ locked: Duration) { seen.withLock { $0.append((rows, locked)) } }
    }

    /// Two databases, an archiver, and its passes.
    struct Site {
        let tiers: Tiers
        let archive: PostgresTiers
        let token: Int64
        let board = ArchiveBoard()
        let rests = Rests()
        var policy = ArchivePolicy(
            rangeMicros: Tiers.bucket,
            safetyLagMicros: 0,
            retentionMicros: 0,
            partitionMicros: Dictionary(PostgresPruneTests.daily.map { ($0.name, 86_400_000_000) }) { $1 }
        )

        init(dedupe: Deduplication = .key, lockTimeout: Duration = .milliseconds(300)) async throws {
            tiers = try await Tiers(dedupe: dedupe)
            archive = PostgresTiers(
                settings: ArchiveSettings(
                    hotConninfo: tiers.hot,
                    coldConninfo: tiers.cold,
                    bucketMicros: Tiers.bucket,
                    lockTimeout: lockTimeout,
                    format: tiers.format
                ),
                catalog: tiers.catalog
            )
            guard case .held(let token, _) = try await archive.acquireLease() else { throw Tiers.NotClaimed() }
            try await archive.takeOver(token)
            self.token = token
        }

        /// Stores messages, and says that events of a week later were stored.
        func fill(_ type: RecordType, _ numbers: Range<Int>, from: UInt64 = 0, lane: PostgresLane? = nil) async throws {
            let own = lane == nil ? try await tiers.claim(type) : nil
            guard let open = lane ?? own else { return }
            _ = try await open.commit(try tiers.batch(type, numbers, from: from))
            await own?.close()
            try await tiers.tell(
                tiers.hot,
                "UPDATE thermocline_store.ingest_position SET newest_event = '2026-11-25T00:00:00Z'"
            )
        }

        func pass(_ count: Int = 1) async throws {
            for _ in 0..<count {
                let archiver = Archiver(
                    tiers: archive,
                    types: tiers.catalog.types,
                    policy: policy,
                    now: { PostgresPruneTests.now },
                    newID: { RandomID.uuid() },
                    board: board,
                    report: { event in
                        if case .rests(_, let rows, let locked) = event { rests.add(rows, locked) }
                    }
                )
                try await archiver.pass(token: token) { false }
            }
        }

        func count(_ conninfo: String, _ table: String) async throws -> Int? {
            try await tiers.ask(conninfo, "SELECT count(*) FROM \(table)").flatMap(Int.init)
        }

        func held(_ type: RecordType) async throws -> [Int?] {
            [try await count(tiers.hot, TierName.of(type)), try await count(tiers.cold, TierName.of(type))]
        }

        func states() async throws -> String? {
            let sql = "SELECT string_agg(state, ' ' ORDER BY range_start) FROM thermocline_store.transfer"
            return try await tiers.ask(tiers.cold, sql)
        }

        func resting() async throws -> String? {
            let sql = """
                SELECT string_agg(relname, ' ') FROM pg_class
                WHERE relnamespace = 'thermocline_pruned'::regnamespace AND relkind = 'r'
                """
            return try await tiers.ask(tiers.hot, sql)
        }

        func errors() async throws -> String {
            try await tiers.ask(tiers.cold, "SELECT string_agg(error, ' ') FROM thermocline_store.transfer") ?? ""
        }
    }

    enum TierName { static func of(_ type: RecordType) -> String { "thermocline.\(type.name)" } }

    static let now = Timestamp(milliseconds: 1_795_700_000_000)
    /// Milliseconds: rows of the next hour.
    static let hour = 3_600_000

    @Test(arguments: daily, Deduplication.allCases)
    func `a proved day leaves hot whole, rests, and is dropped after its time`(
        type: RecordType,
        dedupe: Deduplication
    ) async throws {
        var site = try await Site(dedupe: dedupe)
        site.policy.undo = .seconds(3_600)
        let type = try #require(site.tiers.catalog.type(named: type.name))
        try await site.fill(type, 0..<40)
        try await site.fill(type, Self.hour..<Self.hour + 20, from: 40)
        try await site.pass()
        #expect(try await site.states() == "verified verified")
        try await site.pass()
        #expect(try await site.states() == "pruned pruned")
        #expect(try await site.held(type) == [0, 60])
        #expect(try await site.resting() == "\(type.name)_p20261118")
        #expect(site.rests.all.map(\.rows) == [60])
        let left = "SELECT coalesce(sum(rows), 0) FROM thermocline_store.range_activity"
        #expect(try await site.tiers.ask(site.tiers.hot, left) == "0")
        try await site.pass()
        #expect(try await site.count(site.tiers.hot, "thermocline_store.prune_log") == 2)
        #expect(try await site.resting() != nil)
        try await site.tiers.tell(
            site.tiers.hot,
            """
            UPDATE thermocline_store.resting SET at = at - interval '1 hour';
            UPDATE thermocline_store.prune_log SET at = at - interval '1 hour'
            """
        )
        try await site.pass()
        #expect(try await site.resting() == nil)
        #expect(try await site.count(site.tiers.hot, "thermocline_store.resting") == 0)
        #expect(try await site.held(type) == [0, 60])
    }

    @Test(arguments: ["trade", "trade_p20261118"])
    func `a lock that is not to be had in time is declined, counted, and tried again`(table: String) async throws {
        let site = try await Site()
        try await site.fill(Self.trade, 0..<10)
        try await site.pass()
        let reader = try await PostgresConnection(site.tiers.hot, applicationName: "reader")
        try await reader.begin()
        _ = try await reader.execute("SELECT count(*) FROM thermocline_store.\(table)")
        try await site.pass()
        #expect(try await site.held(Self.trade) == [10, 10])
        #expect(try await site.errors().contains("a lock was not to be had within 300 ms"))
        #expect(site.board.current.types["trade"]?.declined == 1)
        await reader.close()
        try await site.pass()
        #expect(try await site.states() == "pruned")
        #expect(try await site.held(Self.trade) == [0, 10])
    }

    @Test func `a row that is committed while the prune waits for its lock keeps the day`() async throws {
        let site = try await Site(lockTimeout: .seconds(30))
        try await site.fill(Self.trade, 0..<10)
        try await site.pass()
        let writer = try await PostgresConnection(site.tiers.hot, applicationName: "writer")
        try await writer.begin()
        _ = try await writer.execute(
            """
            INSERT INTO thermocline_store.trade SELECT ts, exchange, market_type, symbol, 'late', price, quantity, side,
                is_maker, extra, published_at, stream_seq, ingested_at FROM thermocline_store.trade LIMIT 1
            """
        )
        _ = try await writer.execute(
            "UPDATE thermocline_store.range_activity SET rows = rows + 1, stamp = gen_random_uuid()"
        )
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
        async let passing: Void = site.pass()
        try await poll("a prune that waits", within: .seconds(20)) {
            try await site.tiers.ask(site.tiers.hot, waiting) == "1"
        }
        try await writer.commit()
        await writer.close()
        try await passing
        #expect(try await site.held(Self.trade) == [11, 10])
        #expect(try await site.states() == "verified")
        try await site.pass(2)
        #expect(try await site.held(Self.trade) == [0, 11])
    }

    @Test(arguments: ["stamp = gen_random_uuid()", "rows = rows - 1"])
    func `a day whose activity is not what was verified does not rest`(change: String) async throws {
        let site = try await Site()
        try await site.fill(Self.trade, 0..<10)
        try await site.pass()
        let (source, target) = (
            try await site.archive.openSource(site.token), try await site.archive.openTarget(site.token)
        )
        let verified = try await target.ledger()
        let manifests = try await target.manifests(verified.compactMap(\.manifest))
        let day = try #require(try await source.partitions(of: [Self.trade]).first)
        // Between the plan and the lock: whichever of the two changed, the other says nothing of it.
        try await site.tiers.tell(site.tiers.hot, "UPDATE thermocline_store.range_activity SET \(change)")
        let due = DuePartition(partition: day, transfers: verified)
        let outcome = try await source.prune(due, type: Self.trade, sha256: manifests)
        await source.close()
        await target.close()
        switch outcome {
        case .late: #expect(change.hasPrefix("stamp"))
        case .declined(let reason): #expect(reason.contains("counts 9 rows") && change.hasPrefix("rows"))
        default: Issue.record("\(outcome)")
        }
        #expect(try await site.held(Self.trade) == [10, 10])
        #expect(try await site.resting() == nil)
    }

    @Test func `a lane makes a day that left again for its late rows, and they leave too`() async throws {
        var site = try await Site()
        site.policy.undo = .seconds(3_600)
        let lane = try await site.tiers.claim(Self.trade)
        try await site.fill(Self.trade, 0..<10, lane: lane)
        try await site.pass(2)
        #expect(try await site.held(Self.trade) == [0, 10])
        // One it knows, one with other content, two new: the lane's memory says that the partition is there.
        var batch = try site.tiers.batch(Self.trade, 9..<12, from: 10)
        try site.tiers.add(SampleMessage(Self.trade, number: 5, values: ["price": "77"]), to: &batch, Self.trade)
        batch.repeated += batch.rows.deduplicateAndSort(as: Self.trade)
        await #expect(throws: StoreError.self) { _ = try await lane.commit(batch) }
        _ = try await lane.commit(batch)
        await lane.close()
        #expect(try await site.held(Self.trade) == [4, 10])
        try await site.pass(2)
        #expect(try await site.held(Self.trade) == [0, 12])
        #expect(try await site.count(site.tiers.cold, "thermocline_store.conflict_trade") == 1)
        #expect(try await site.states() == "pruned")
        site.policy.undo = .zero
        try await site.pass(2)
        #expect(try await site.resting() == nil)
        let partitions = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'thermocline_store.trade'::regclass"
        #expect(try await site.tiers.ask(site.tiers.hot, partitions) == "0")
        #expect(site.board.current.types["trade"]?.halted == nil)
    }

    @Test func `a month is emptied range by range, and leaves when it is empty and past`() async throws {
        let site = try await Site()
        let type = try #require(Catalog.standard.type(named: "funding_rate"))
        // A month earlier.
        let times = Dictionary((type.eventTimeKeys + ["ts_ms"]).map { ($0, "1792400000000") }) { $1 }
        var batch = LaneBatch(epoch: 1, from: 0)
        try site.tiers.add(SampleMessage(type, values: times), to: &batch, type)
        let lane = try await site.tiers.claim(type)
        _ = try await lane.commit(batch)
        await lane.close()
        try await site.tiers.tell(
            site.tiers.hot,
            "UPDATE thermocline_store.ingest_position SET newest_event = '2026-11-25T00:00:00Z'"
        )
        try await site.pass()
        #expect(try await site.held(type) == [0, 1])
        #expect(try await site.states() == "pruned")
        try await site.pass()
        let partitions = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'thermocline_store.funding_rate'::regclass"
        #expect(try await site.tiers.ask(site.tiers.hot, partitions) == "0")
        #expect(try await site.resting() == nil)
    }

    @Test func `a pin keeps rows from DELETE, from resting and from the drop, until it expires`() async throws {
        let site = try await Site()
        try await site.fill(Self.trade, 0..<10)
        try await site.pass()
        try await site.tiers.tell(
            site.tiers.hot,
            """
            INSERT INTO thermocline_store.pin (type, range_start, range_end, reason, expires_at)
            VALUES ('trade', '2026-11-18T11:30:00Z', '2026-11-18T12:00:00Z', 'an incident', now() + interval '1 hour')
            """
        )
        try await site.pass()
        #expect(try await site.errors().contains("pinned until"))
        try await site.tiers.tell(site.tiers.cold, "UPDATE thermocline_store.transfer SET prunes = true")
        try await site.pass()
        #expect(try await site.held(Self.trade) == [10, 10])
        try await site.tiers.tell(
            site.tiers.hot,
            "UPDATE thermocline_store.pin SET expires_at = now() - interval '1 hour'"
        )
        try await site.pass()
        #expect(try await site.held(Self.trade) == [0, 10])
    }

    @Test func `a rest whose answer was lost is found in hot's log`() async throws {
        let site = try await Site()
        try await site.fill(Self.trade, 0..<10)
        try await site.pass(2)
        try await site.tiers.tell(site.tiers.cold, "UPDATE thermocline_store.transfer SET state = 'verified'")
        try await site.pass()
        #expect(try await site.states() == "pruned")
        #expect(try await site.count(site.tiers.hot, "thermocline_store.prune_log") == 1)
    }

    @Test(.slow) func `a day of 300,000 rows locks its table for less than 100 ms`() async throws {
        var site = try await Site()
        site.policy.undo = .seconds(3_600)
        try await site.fill(Self.trade, 0..<1)
        try await site.tiers.tell(
            site.tiers.hot,
            """
            INSERT INTO thermocline_store.trade
            SELECT ts + n * interval '1 millisecond', exchange, market_type, symbol, 'n' || n, price, quantity, side,
                is_maker, extra, published_at, stream_seq, ingested_at
            FROM thermocline_store.trade, generate_series(1, 299999) n;
            UPDATE thermocline_store.range_activity SET rows = 300000, stamp = gen_random_uuid()
            """
        )
        try await site.pass(2)
        #expect(try await site.states() == "pruned")
        let rested = try #require(site.rests.all.first)
        #expect(rested.rows == 300_000)
        #expect(rested.locked < .milliseconds(100))
        print("prune: \(rested.rows) rows, table locked for \(rested.locked)")
    }
}

import Adapters
import Platform
import Postgres
import Records
import TestSupport
import Testing
import Tiering

/// What a pass costs rests on what is to be done, not on what was done over the years.
@Suite(.slow, .privatePostgres, .bothFormats, .timeLimit(.minutes(2))) struct PassCostTests {
    private static let trade = Catalog.standard.types[1]
    private static let settled = 20_000
    /// A range of every hour up to the present of the test, pruned long ago: what hot counts of it, and its stamp.
    private static let hours = """
        SELECT i, date_trunc('hour', timestamptz '\(PostgresArchiveTests.now)', 'UTC') - interval '1 hour' * (i + 72)
            AS start, md5('settled ' || i)::uuid AS stamp
        FROM generate_series(1, \(settled)) AS i
        """
    private static let rangeStamp = "md5(start::text || ' lane ' || stamp::text)"

    private func fill(_ tiers: Tiers) async throws {
        try await tiers.tell(
            tiers.hot,
            """
            INSERT INTO thermocline_store.range_activity (type, bucket, writer, rows, stamp)
            SELECT 'trade', start, 'lane', 7, stamp FROM (\(Self.hours)) AS h
            UNION ALL SELECT 'trade', start, 'prune', -7, NULL FROM (\(Self.hours)) AS h;
            INSERT INTO thermocline_store.prune_log (type, range_start, range_end, manifest, sha256, rows, digest)
            SELECT 'trade', start, start + interval '1 hour', i, md5(i::text), 7, '' FROM (\(Self.hours)) AS h;
            """
        )
        try await tiers.tell(
            tiers.cold,
            """
            INSERT INTO thermocline_store.manifest
            SELECT i, 'trade', start, start + interval '1 hour', '', 7, '', 7, '', '', '', md5(i::text), start
            FROM (\(Self.hours)) AS h;
            INSERT INTO thermocline_store.transfer (id, type, range_start, range_end, state, stamp, hot_rows,
                cold_rows, hot_digest, cold_digest, manifest, verified_at, pruned_at)
            SELECT gen_random_uuid(), 'trade', start, start + interval '1 hour', 'pruned', \(Self.rangeStamp), 7, 7,
                repeat('0', 32), repeat('0', 32), i, start, start FROM (\(Self.hours)) AS h;
            """
        )
    }

    /// How many rows of a database's tables statements have read so far.
    private func rowsRead(_ tiers: Tiers, _ conninfo: String) async throws -> Int {
        // A session has counted all it read once it is gone.
        try await poll("no other session") {
            let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            return try await tiers.ask(conninfo, others) == "1"
        }
        let sql = "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) FROM pg_stat_user_tables"
        return try #require(Int(try await tiers.ask(conninfo, sql) ?? ""))
    }

    @Test func `a pass over years of settled ranges reads a few rows`() async throws {
        let tiers = try await Tiers()
        try await fill(tiers)
        let lane = try await tiers.claim(Self.trade)
        _ = try await lane.commit(try tiers.batch(Self.trade, 0..<10))
        await lane.close()
        let archive = try await PostgresArchiveTests.Archive(tiers)
        await archive.close()
        let board = ArchiveBoard()
        let archiver = Archiver(
            tiers: archive.tiers,
            types: [Self.trade],
            policy: PostgresArchiveTests.planner.policy,
            now: { PostgresArchiveTests.now },
            newID: { RandomID.uuid() },
            board: board,
            report: { _ in }
        )
        // One copies what is new, and the first ones forget what hot counted.
        for _ in 0...Self.settled / 5_000 { try await archiver.pass(token: archive.token) { false } }
        #expect(try await tiers.ask(tiers.hot, "SELECT count(*) FROM thermocline_store.range_activity") == "1")
        let sums = try #require(board.current.types["trade"]?.sums)
        #expect(sums.ranges == [.pruned: Self.settled, .verified: 1] && sums.rowsInCold == 7 * Self.settled + 10)

        for conninfo in [tiers.hot, tiers.cold] { try await tiers.tell(conninfo, "ANALYZE") }
        let before = try await rowsRead(tiers, tiers.hot) + rowsRead(tiers, tiers.cold)
        for _ in 0..<10 { try await archiver.pass(token: archive.token) { false } }
        let after = try await rowsRead(tiers, tiers.hot) + rowsRead(tiers, tiers.cold)
        #expect(after - before < Self.settled / 10, "ten passes read \(after - before) rows")
    }

    @Test func `a pass over years of packed partitions looks at none of them`() async throws {
        var tiers = try await Tiers(format: .segments)
        for format in [ColdFormat.segments, .rows] {
            tiers.format = format
            try await tiers.tell(tiers.cold, "UPDATE thermocline_store.archive_lease SET expires_at = '-infinity'")
            let archive = try await PostgresArchiveTests.Archive(tiers)
            if format == .segments {
                try await fill(tiers)
                let lane = try await tiers.claim(Self.trade)
                _ = try await lane.commit(try tiers.batch(Self.trade, 0..<10))
                await lane.close()
            }
            await archive.close()
            let archiver = Archiver(
                tiers: archive.tiers,
                types: [Self.trade],
                policy: PostgresArchiveTests.planner.policy,
                packedRows: 1_000_000,
                now: { PostgresArchiveTests.now },
                newID: { RandomID.uuid() },
                board: ArchiveBoard(),
                report: { _ in }
            )
            for _ in 0...Self.settled / 5_000 { try await archiver.pass(token: archive.token) { false } }
            for conninfo in [tiers.hot, tiers.cold] { try await tiers.tell(conninfo, "ANALYZE") }
            let before = try await rowsRead(tiers, tiers.cold)
            for _ in 0..<10 { try await archiver.pass(token: archive.token) { false } }
            let after = try await rowsRead(tiers, tiers.cold)
            #expect(after - before < Self.settled / 10, "ten passes read \(after - before) rows")
        }
    }

    @Test func `a late row into a range whose activity is forgotten is archived`() async throws {
        let tiers = try await Tiers()
        let lane = try await tiers.claim(Self.trade)
        _ = try await lane.commit(try tiers.batch(Self.trade, 0..<10))
        let archive = try await PostgresArchiveTests.Archive(tiers)
        #expect(try await archive.run(Self.trade).map(\.state) == [.pruned])
        let activity = try await archive.source.activity(of: [Self.trade], rangeMicros: Tiers.bucket)
        let emptied = PostgresArchiveTests.planner.emptied(activity, try await archive.target.ledger())
        #expect(emptied == activity && activity.map(\.rows) == [0])
        let count = "SELECT count(*) FROM thermocline_store.range_activity"

        // What a lane has in hand stays.
        let holder = try await PostgresConnection(tiers.hot, applicationName: "test")
        try await holder.begin()
        _ = try await holder.execute("UPDATE thermocline_store.range_activity SET rows = rows WHERE writer <> 'prune'")
        try await archive.source.forget(emptied)
        #expect(try await tiers.ask(tiers.hot, count) == "2")
        await holder.close()
        // So does what changed since.
        var other = emptied
        other[0].stamp = "other"
        try await archive.source.forget(other)
        #expect(try await tiers.ask(tiers.hot, count) == "2")
        try await archive.source.forget(emptied)
        #expect(try await tiers.ask(tiers.hot, count) == "0")
        #expect(try await archive.run(Self.trade).isEmpty)

        _ = try await lane.commit(try tiers.batch(Self.trade, 10..<12, from: 10))
        await lane.close()
        #expect(try await archive.run(Self.trade).map(\.state) == [.pruned])
        #expect(try await tiers.ask(tiers.cold, "SELECT count(*) FROM thermocline.trade") == "12")
        await archive.close()
    }
}

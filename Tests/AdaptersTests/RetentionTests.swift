import Adapters
import Digest
import Platform
import Postgres
import Records
import TestSupport
import Testing
import Tiering

/// Cold's own retention: what both tiers are done with leaves cold, its proof stays.
@Suite(.privatePostgres, .bothFormats, .timeLimit(.minutes(5))) struct RetentionTests {
    static let trade = Catalog.standard.types[1]
    static let rate = Catalog.standard.types[2]
    static let day = TimeRange(
        containing: Timestamp(milliseconds: 1_795_000_000_000),
        width: 86_400_000_000
    )
    static let retaining = ArchivePolicy(
        rangeMicros: Tiers.bucket,
        safetyLagMicros: 0,
        retentionMicros: 0,
        coldRetentionMicros: 0
    )

    /// Stores ten rows in each of the given hours of the day.
    func fill(_ tiers: Tiers, _ type: RecordType, hours: Range<Int64>) async throws {
        let lane = try await tiers.claim(type)
        let last = try await tiers.ask(
            tiers.hot,
            "SELECT max(last_seq) FROM thermocline_store.ingest_position WHERE stream = '\(tiers.source(type).stream)'"
        )
        var batch = LaneBatch(epoch: 1, from: last.flatMap(UInt64.init) ?? 0)
        for hour in hours {
            for number in 0..<10 {
                let ts = Self.day.start.micros / 1_000 + hour * 3_600_000 + Int64(number)
                let values = (type.eventTimeKeys + ["ts_ms"]).map { ($0, "\(ts)") }
                let sample = SampleMessage(type, number: number, values: Dictionary(values) { $1 })
                try tiers.add(sample, to: &batch, type)
            }
        }
        batch.repeated = batch.rows.deduplicateAndSort(as: type)
        guard case .committed = try await lane.commit(batch) else { throw Tiers.NotClaimed() }
        await lane.close()
    }

    func archiver(_ archive: PostgresArchiveTests.Archive, _ board: ArchiveBoard) -> Archiver<PostgresTiers> {
        Archiver(
            tiers: archive.tiers,
            types: [Self.trade, Self.rate],
            policy: Self.retaining,
            now: { PostgresArchiveTests.now },
            newID: { RandomID.uuid() },
            board: board,
            report: { _ in }
        )
    }

    private func view(_ table: String) -> String {
        Catalog.underTest.type(named: table) == nil ? "thermocline_store.\(table)" : "thermocline.\(table)"
    }

    func rows(_ tiers: Tiers, _ conninfo: String, _ table: String) async throws -> String? {
        try await tiers.ask(conninfo, "SELECT count(*) FROM \(view(table))")
    }

    @Test(arguments: Catalog.underTest.types)
    func `a partition whose ranges are all due is dropped whole, and its proofs stay`(type: RecordType) async throws {
        let tiers = try await Tiers()
        try await fill(tiers, type, hours: 1..<3)
        let archive = try await PostgresArchiveTests.Archive(tiers)
        let pruned = try await archive.run(type)
        #expect(pruned.map(\.state) == [.pruned, .pruned])
        let expired = try await archive.target.expire(pruned, type: type)
        #expect(expired.map(\.state) == [.expired, .expired])
        let partitions = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'thermocline_store.\(type.name)'::regclass"
        #expect(try await tiers.ask(tiers.cold, partitions) == "0")
        #expect(try await rows(tiers, tiers.cold, "manifest") == "2")
        let ledger = try await archive.target.ledger()
        #expect(ledger.allSatisfy { $0.state == .expired && $0.cold?.rows == 10 && $0.manifest != nil })
        await archive.close()
    }

    @Test func `a range of a partition that holds more is deleted, its conflicts with it`() async throws {
        let tiers = try await Tiers()
        try await fill(tiers, Self.rate, hours: 1..<3)
        let archive = try await PostgresArchiveTests.Archive(tiers)
        let pruned = try await archive.run(Self.rate).sorted { $0.range.start < $1.range.start }
        try await tiers.tell(
            tiers.cold,
            "INSERT INTO thermocline_store.conflict_funding_rate SELECT * FROM thermocline_store.funding_rate"
        )
        #expect(try await archive.target.expire([pruned[0]], type: Self.rate).map(\.state) == [.expired])
        for table in ["funding_rate", "conflict_funding_rate"] {
            #expect(try await rows(tiers, tiers.cold, table) == "10")
            let left = "SELECT min(ts) >= '\(pruned[1].range.start)' FROM \(view(table))"
            #expect(try await tiers.ask(tiers.cold, left) == "t")
        }
        await archive.close()
    }

    @Test func `a range that is not what was proved is mismatched instead, and a table in use is left alone`()
        async throws
    {
        let tiers = try await Tiers()
        try await fill(tiers, Self.trade, hours: 1..<2)
        let archive = try await PostgresArchiveTests.Archive(tiers)
        let pruned = try await archive.run(Self.trade)
        let reader = try await PostgresConnection(tiers.cold, applicationName: "test")
        try await reader.begin()
        _ = try await reader.execute("SELECT FROM thermocline_store.trade")
        #expect(try await archive.target.expire(pruned, type: Self.trade).isEmpty)
        await reader.close()
        #expect(try await archive.target.ledger().map(\.state) == [.pruned])
        try await tiers.tell(tiers.cold, "DELETE FROM thermocline_store.trade WHERE trade_id = 'trade_id-3'")
        let altered = try await archive.target.expire(pruned, type: Self.trade)
        #expect(altered.map(\.state) == [.mismatched])
        #expect(altered.first?.error?.contains("cold holds 9 rows, must be 10") == true)
        #expect(try await rows(tiers, tiers.cold, "trade") == "9")
        await archive.close()
    }

    @Test func `a pass lets go what hot no longer holds, and nothing that is pinned or rests there`() async throws {
        let tiers = try await Tiers()
        for type in [Self.trade, Self.rate] { try await fill(tiers, type, hours: 1..<2) }
        let archive = try await PostgresArchiveTests.Archive(tiers)
        for type in [Self.trade, Self.rate] { #expect(try await archive.run(type).map(\.state) == [.pruned]) }
        let (start, end) = (Self.day.start, Self.day.end)
        // Both clocks: without a newer event nothing is old.
        let later = "UPDATE thermocline_store.ingest_position SET newest_event = '\(PostgresArchiveTests.now)'"
        try await tiers.tell(tiers.hot, later)
        try await tiers.tell(
            tiers.hot,
            """
            INSERT INTO thermocline_store.pin (type, range_start, range_end, reason, expires_at)
            VALUES ('trade', '\(start)', '\(end)', 'test', now() + interval '1 day');
            INSERT INTO thermocline_store.resting (partition, type, range_start, range_end, rows)
            VALUES ('funding_rate_p202611', 'funding_rate', '\(start)', '\(end)', 10)
            """
        )
        let archiver = archiver(archive, ArchiveBoard())
        try await archiver.pass(token: archive.token) { false }
        #expect(try await archive.target.ledger().map(\.state) == [.pruned, .pruned])
        try await tiers.tell(tiers.hot, "UPDATE thermocline_store.pin SET expires_at = now()")
        try await archiver.pass(token: archive.token) { false }
        #expect(try await archive.target.ledger().filter { $0.state == .expired }.map(\.type) == ["trade"])
        try await tiers.tell(tiers.hot, "DELETE FROM thermocline_store.resting")
        try await archiver.pass(token: archive.token) { false }
        #expect(try await archive.target.ledger().map(\.state) == [.expired, .expired])
        await archive.close()
    }

    @Test func `a late row into an expired range stays in hot, is told of, and is archived anew when asked for`()
        async throws
    {
        let tiers = try await Tiers()
        try await fill(tiers, Self.trade, hours: 1..<2)
        let archive = try await PostgresArchiveTests.Archive(tiers)
        let pruned = try await archive.run(Self.trade)
        _ = try await archive.target.expire(pruned, type: Self.trade)
        try await fill(tiers, Self.trade, hours: 1..<2)
        let board = ArchiveBoard()
        let archiver = archiver(archive, board)
        for _ in 0..<2 { try await archiver.pass(token: archive.token) { false } }
        #expect(board.current.types["trade"]?.rowsLate == 10)
        let ledger = try await archive.target.ledger()
        #expect(ledger.map(\.state) == [.expired])
        #expect(ledger.first?.attempt == 1, "told once")
        #expect(ledger.first?.error?.contains("10 rows came after") == true)
        #expect(try await rows(tiers, tiers.hot, "trade") == "10")
        #expect(try await rows(tiers, tiers.cold, "trade") == "0")
        board.update { $0.token = archive.token }
        let asked = try await ask(TransferRequest(type: "trade", range: pruned[0].range, prunes: true), archive, board)
        #expect(asked.map(\.state) == [.planned])
        try await archiver.pass(token: archive.token) { false }
        let again = try #require(try await archive.target.ledger().first)
        #expect(again.cold?.rows == 10)
        #expect(try await rows(tiers, tiers.hot, "trade") == "0")
        #expect(try await rows(tiers, tiers.cold, "manifest") == "2")
        await archive.close()
    }

    func ask(
        _ request: TransferRequest,
        _ archive: PostgresArchiveTests.Archive,
        _ board: ArchiveBoard
    ) async throws -> [Transfer] {
        let (inbox, stop) = (Inbox<ArchiveCommand>(limit: 1), Latch())
        let desk = RequestDesk(
            tiers: archive.tiers,
            types: [Self.trade, Self.rate],
            policy: Self.retaining,
            inbox: inbox,
            board: board,
            bell: Bell()
        )
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await desk.run(until: stop) }
            let answer = await withCheckedContinuation { continuation in
                _ = inbox.offer(ArchiveCommand(.create(request)) { continuation.resume(returning: $0) })
            }
            stop.open()
            try await group.waitForAll()
            guard case .created(_, let transfers) = answer else {
                Issue.record("\(answer)")
                return []
            }
            return transfers
        }
    }
}

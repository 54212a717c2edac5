import Adapters
import Digest
import Platform
import PrivateServers
import Records
import TestSupport
import Testing
import Tiering

/// Parts of a range, by name or by time, copied and verified before and after the whole of it.
@Suite(.privatePostgres, .bothFormats, .timeLimit(.minutes(5))) struct PartialTransferTests {
    typealias Archive = PostgresArchiveTests.Archive
    static let trade = PostgresArchiveTests.trade
    static let first = Timestamp(milliseconds: 1_795_000_000_000)
    static let range = TimeRange(containing: first, width: Tiers.bucket)
    static let half = TransferFilter(
        time: TimeRange(start: range.start, end: first.advanced(byMicros: 20_000))
    )
    static let okx = TransferFilter(exchange: "okx")

    /// 40 trades a millisecond apart: each second one on OKX, of four two spot, the first ten of ETH.
    static func filled() async throws -> (Tiers, Archive) {
        let tiers = try await Tiers()
        try await fill(tiers, 0..<40)
        return (tiers, try await Archive(tiers))
    }

    static func fill(_ tiers: Tiers, _ numbers: Range<Int>, from: UInt64 = 0) async throws {
        try await PostgresArchiveTests().fill(tiers, trade, numbers, from: from)
        try await tiers.tell(
            tiers.hot,
            """
            UPDATE thermocline_store.trade SET
                exchange = CASE WHEN substr(trade_id, 10)::int % 2 = 0 THEN 'binance' ELSE 'okx' END,
                market_type = CASE WHEN substr(trade_id, 10)::int % 4 < 2 THEN 'spot' ELSE 'perpetual' END,
                symbol = CASE WHEN substr(trade_id, 10)::int < 10 THEN 'ETH-USDT' ELSE 'BTC-USDT' END
            """
        )
    }

    static func policy(isClosed: Bool = true) -> ArchivePolicy {
        ArchivePolicy(
            rangeMicros: Tiers.bucket,
            safetyLagMicros: isClosed ? 0 : 1_000 * Tiers.bucket,
            retentionMicros: 0,
            prunes: false
        )
    }

    /// What the desk makes of a request.
    static func ask(
        _ archive: Archive,
        _ filter: TransferFilter,
        prunes: Bool = false,
        in range: TimeRange = range
    ) async throws -> ArchiveAnswer {
        let (inbox, stop, board) = (Inbox<ArchiveCommand>(limit: 1), Latch(), ArchiveBoard())
        board.update { $0.token = archive.token }
        let desk = RequestDesk(
            tiers: archive.tiers,
            types: [trade],
            policy: policy(),
            inbox: inbox,
            board: board,
            bell: Bell()
        )
        var names = filter
        names.time = nil
        let request = TransferRequest(type: "trade", range: filter.time ?? range, filter: names, prunes: prunes)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await desk.run(until: stop) }
            let answer = await withCheckedContinuation { continuation in
                _ = inbox.offer(ArchiveCommand(.create(request)) { continuation.resume(returning: $0) })
            }
            stop.open()
            try await group.waitForAll()
            return answer
        }
    }

    /// Asks for a part, and carries it alone if the range is still open.
    @discardableResult static func part(
        _ archive: Archive,
        _ filter: TransferFilter,
        isClosed: Bool = false
    ) async throws -> Transfer {
        guard case .created(_, let asked) = try await ask(archive, filter) else { throw Tiers.NotClaimed() }
        #expect(asked.map(\.filter) == [filter])
        try await pass(archive, isClosed: isClosed)
        return try #require(try await transfers(archive).first { $0.id == asked[0].id })
    }

    static func pass(_ archive: Archive, isClosed: Bool = true, prunes: Bool = false) async throws {
        if prunes { _ = try await ask(archive, TransferFilter(), prunes: true) }
        let archiver = Archiver(
            tiers: archive.tiers,
            types: [trade],
            policy: policy(isClosed: isClosed),
            now: { PostgresArchiveTests.now },
            newID: { RandomID.uuid() },
            board: ArchiveBoard(),
            report: { _ in }
        )
        try await archiver.pass(token: archive.token) { false }
    }

    /// Everything in the ledger, as the control plane lists it.
    static func transfers(_ archive: Archive) async throws -> [Transfer] {
        let (inbox, stop) = (Inbox<ArchiveCommand>(limit: 1), Latch())
        let desk = RequestDesk(
            tiers: archive.tiers,
            types: [trade],
            policy: policy(),
            inbox: inbox,
            board: ArchiveBoard(),
            bell: Bell()
        )
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await desk.run(until: stop) }
            let answer = await withCheckedContinuation { continuation in
                _ = inbox.offer(ArchiveCommand(.list) { continuation.resume(returning: $0) })
            }
            stop.open()
            try await group.waitForAll()
            guard case .transfers(let found) = answer else { return [] }
            return found
        }
    }

    static func whole(_ archive: Archive) async throws -> Transfer? { try await archive.target.ledger().first }

    static func count(_ tiers: Tiers, _ conninfo: String, _ table: String = "thermocline.trade") async throws
        -> Int?
    {
        try await tiers.ask(conninfo, "SELECT count(*) FROM \(table)").flatMap(Int.init)
    }

    /// Chain, ledger, hot's log and every proved row fit together, as segments where those are under test; no staging.
    static func expectSound(_ tiers: Tiers, manifests: Int, sourceLocation: SourceLocation = #_sourceLocation)
        async throws
    {
        var selection = VerifySelection()
        selection.isDeep = true
        let desk = VerifyDesk(
            tiers: PostgresTiers(settings: tiers.archive, catalog: tiers.catalog),
            types: tiers.catalog.types,
            namedRows: 10
        )
        let report = try await desk.run(selection)
        #expect(report.findings.isEmpty, "\(report.findings)", sourceLocation: sourceLocation)
        #expect(report.manifests == manifests && report.moving == 0, "\(report)", sourceLocation: sourceLocation)
        if tiers.format == .segments {
            let packed = try await tiers.ask(tiers.cold, "SELECT sum(rows) FROM thermocline_store.segment_trade")
            let all = try await count(tiers, tiers.cold)
            #expect(packed.flatMap(Int.init) == all, sourceLocation: sourceLocation)
        }
        let staging = "SELECT count(*) FROM pg_class WHERE relname LIKE 'staging%'"
        #expect(try await tiers.ask(tiers.cold, staging) == "0", sourceLocation: sourceLocation)
    }

    // MARK: Before and after the whole

    static let filters: [(filter: TransferFilter, rows: Int)] = [
        (okx, 20), (TransferFilter(marketType: "spot"), 20), (TransferFilter(symbol: "ETH-USDT"), 10), (half, 20),
        (TransferFilter(exchange: "okx", marketType: "spot", symbol: "ETH-USDT", time: half.time), 3),
    ]

    @Test(arguments: filters.indices)
    func `a part is copied and verified, and the whole of its range after it`(index: Int) async throws {
        let (filter, rows) = Self.filters[index]
        let (tiers, archive) = try await Self.filled()
        let part = try await Self.part(archive, filter)
        #expect(part.state == .verified && part.hot?.rows == rows && part.cold == part.hot && part.manifest == 1)
        #expect(try await Self.count(tiers, tiers.cold) == rows)
        let planned = try #require(try await Self.whole(archive))
        #expect(planned.state == .planned && planned.cold == part.cold && planned.isProved && planned.hot == nil)
        try await Self.expectSound(tiers, manifests: 1)

        try await Self.pass(archive)
        let whole = try #require(try await Self.whole(archive))
        #expect(whole.state == .verified && whole.hot?.rows == 40 && whole.cold == whole.hot)
        #expect(try await Self.count(tiers, tiers.cold) == 40)
        try await Self.expectSound(tiers, manifests: 2)

        let again = try await Self.part(archive, filter)
        #expect(again.state == .verified && again.manifest == 1 && again.updatedAt != part.updatedAt)
        #expect(try await Self.whole(archive) == whole)
        try await Self.expectSound(tiers, manifests: 2)
        await archive.close()
    }

    @Test func `parts of one range follow each other, and a part after the whole finds nothing new`() async throws {
        let (tiers, archive) = try await Self.filled()
        for filter in [Self.okx, Self.half] { _ = try await Self.ask(archive, filter) }
        try await Self.pass(archive, isClosed: false)
        let parts = try await Self.transfers(archive).filter { $0.filter != nil }
        #expect(Set(parts.map(\.state)) == [.verified])
        // Of the first 20 milliseconds half were there.
        #expect(Set(parts.map { $0.cold?.rows }) == [20, 30])
        try await Self.pass(archive)
        let late = try await Self.part(archive, TransferFilter(symbol: "ETH-USDT"), isClosed: true)
        #expect(late.state == .verified && late.hot?.rows == 10 && late.cold?.rows == 40 && late.manifest == nil)
        #expect(try await Self.count(tiers, tiers.cold) == 40)
        try await Self.expectSound(tiers, manifests: 3)
        await archive.close()
    }

    @Test func `a part that was asked for with its range still open is carried with the whole once that is due`()
        async throws
    {
        let (tiers, archive) = try await Self.filled()
        let part = try await Self.part(archive, Self.okx, isClosed: true)
        #expect(part.state == .verified && part.hot?.rows == 20 && part.manifest == nil, "the whole went first")
        #expect(try await Self.whole(archive)?.staging == nil)
        try await Self.expectSound(tiers, manifests: 1)
        await archive.close()
    }

    @Test func `of late rows a part brings its own, also after the prune, and the whole brings the rest`() async throws
    {
        let (tiers, archive) = try await Self.filled()
        for (round, prunes) in [false, true, true].enumerated() {
            try await Self.pass(archive, prunes: prunes)
            let before = try #require(try await Self.whole(archive))
            #expect(before.state == (prunes ? .pruned : .verified))
            let held = 40 + round * 10
            try await Self.fill(tiers, held..<held + 10, from: UInt64(held))
            let part = try await Self.part(archive, Self.okx)
            #expect(part.state == .verified && part.cold?.rows == held + 5 && part.manifest != nil)
            let after = try #require(try await Self.whole(archive))
            #expect(after.state == before.state && after.stamp == before.stamp && after.hot == before.hot)
            #expect(after.cold == part.cold && after.manifest == part.manifest && after.isProved)
            try await Self.expectSound(tiers, manifests: (round + 1) * 2)
        }
        try await Self.pass(archive, prunes: true)
        #expect(try await Self.whole(archive)?.state == .pruned)
        #expect(try await Self.count(tiers, tiers.hot) == 0)
        #expect(try await Self.count(tiers, tiers.cold) == 70)
        try await Self.expectSound(tiers, manifests: 7)
        let empty = try await Self.part(archive, TransferFilter(symbol: "ETH-USDT"))
        #expect(empty.state == .verified && empty.hot?.rows == 0 && empty.cold?.rows == 70)
        #expect(try await Self.whole(archive)?.state == .pruned)
        await archive.close()
    }

    @Test func `a key that cold holds with other content is kept beside it, as in a whole copy`() async throws {
        let (tiers, archive) = try await Self.filled()
        try await Self.pass(archive, prunes: true)
        try await Self.fill(tiers, 0..<40, from: 40)
        let change =
            "UPDATE thermocline_store.trade SET price = price + 1 WHERE trade_id IN ('trade_id-2', 'trade_id-3')"
        try await tiers.tell(tiers.hot, change)
        let part = try await Self.part(archive, Self.okx)
        #expect(part.state == .verified && part.hot?.rows == 20 && part.cold?.rows == 40 && part.manifest == nil)
        let kept = "SELECT string_agg(trade_id, ',') FROM thermocline_store.conflict_trade"
        #expect(try await tiers.ask(tiers.cold, kept) == "trade_id-3")
        try await Self.pass(archive, prunes: true)
        #expect(try await Self.count(tiers, tiers.cold, "thermocline_store.conflict_trade") == 2)
        #expect(try await Self.count(tiers, tiers.hot) == 0)
        try await Self.expectSound(tiers, manifests: 2)
        await archive.close()
    }

    @Test func `a filter that meets no row copies none, and a time without ranges makes no transfer`() async throws {
        let (tiers, archive) = try await Self.filled()
        let part = try await Self.part(archive, TransferFilter(symbol: "NONE"))
        #expect(part.state == .verified && part.hot?.rows == 0 && part.manifest == nil)
        #expect(try await archive.target.ledger().isEmpty)
        #expect(try await Self.count(tiers, tiers.cold) == 0)
        let early = TimeRange(start: Timestamp(micros: 0), end: Timestamp(micros: Tiers.bucket))
        guard case .created(_, let none) = try await Self.ask(archive, Self.okx, in: early) else {
            throw Tiers.NotClaimed()
        }
        #expect(none.isEmpty)
        await archive.close()
    }

    // MARK: What is refused

    @Test func `pruning a part is refused, and so is a part of what cold let go`() async throws {
        let (tiers, archive) = try await Self.filled()
        func code(_ filter: TransferFilter, prunes: Bool) async throws -> String? {
            guard case .refused(let refusal) = try await Self.ask(archive, filter, prunes: prunes) else { return nil }
            #expect(!refusal.remedy.isEmpty)
            return refusal.code
        }
        #expect(try await code(Self.okx, prunes: true) == "partial_prune")
        #expect(try await code(Self.half, prunes: true) == "partial_range")
        #expect(try await Self.transfers(archive).isEmpty)
        try await Self.pass(archive, prunes: true)
        try await tiers.tell(tiers.cold, "UPDATE thermocline_store.transfer SET state = 'expired'")
        #expect(try await code(Self.okx, prunes: false) == "range_expired")
        #expect(try await code(Self.half, prunes: false) == "range_expired")
        #expect(try await code(TransferFilter(), prunes: false) == nil)
        await archive.close()
    }

    @Test func `where rows left hot without us, also outside of the part, nothing is copied`() async throws {
        let (tiers, archive) = try await Self.filled()
        try await tiers.tell(tiers.hot, "DELETE FROM thermocline_store.trade WHERE trade_id = 'trade_id-2'")
        #expect(try await Self.part(archive, Self.okx).state == .unaccounted)
        #expect(try await Self.count(tiers, tiers.cold) == 0)
        await archive.close()
    }

    private static func runner(_ archive: Archive) -> TransferRunner<PostgresSource, PostgresTarget> {
        TransferRunner(source: archive.source, target: archive.target, planner: Planner(policy: policy())) {
            PostgresArchiveTests.now
        }
    }

    @Test func `nothing is added to a range of which something is copied and not proved`() async throws {
        let (tiers, archive) = try await Self.filled()
        guard case .created(_, let asked) = try await Self.ask(archive, Self.okx) else { throw Tiers.NotClaimed() }
        let runner = Self.runner(archive)
        let whole = Transfer(id: RandomID.uuid(), type: "trade", range: Self.range)
        _ = try await runner.copy(whole, type: Self.trade)
        let error = await #expect(throws: StoreError.self) { try await runner.copy(asked[0], type: Self.trade) }
        #expect(error?.detail.contains("the range is copied") == true && error?.disposition == .retry)
        #expect(try await Self.count(tiers, tiers.cold) == 40)
        try await Self.pass(archive)
        try await Self.pass(archive)
        #expect(try await Self.transfers(archive).map(\.state) == [.verified, .verified])
        try await Self.expectSound(tiers, manifests: 1)
        await archive.close()
    }

    // MARK: Mismatch

    static let damages = zip(
        VerifyDeskTests.changes.map(\.sql),
        ["trade_id=trade_id-3: hot", "only in hot: ", "only in cold: "]
    ).map { (sql: $0, row: $1) }

    @Test(arguments: damages.indices)
    func `a part that cold does not hold as it was copied halts its type, names the rows, and is proved once mended`(
        index: Int
    ) async throws {
        let (sql, row) = Self.damages[index]
        let (tiers, archive) = try await Self.filled()
        guard case .created(_, let asked) = try await Self.ask(archive, Self.okx) else { throw Tiers.NotClaimed() }
        let runner = Self.runner(archive)
        let copied = try await runner.copy(asked[0], type: Self.trade)
        #expect(try await Self.whole(archive)?.isProved == false, "not before the part is")
        let table = "CREATE TABLE backup AS SELECT * FROM thermocline_store.trade"
        try await tiers.tell(tiers.cold, table)
        try await tiers.tell(tiers.cold, sql)
        let mismatched = try await runner.verify(copied, type: Self.trade)
        #expect(mismatched.state == .mismatched)
        let error = try #require(mismatched.error)
        #expect(error.contains(row) && error.contains("this part (exchange=okx)"), "\(error)")
        #expect(!error.contains("trade_id-2"), "what is not of the part is no difference: \(error)")
        try await Self.pass(archive)
        #expect(try await Self.whole(archive)?.state == .planned, "the type halts")

        let mend = "DELETE FROM thermocline_store.trade; INSERT INTO thermocline_store.trade SELECT * FROM backup"
        try await tiers.tell(tiers.cold, mend)
        #expect(try await Self.part(archive, Self.okx).state == .verified)
        try await Self.pass(archive)
        #expect(try await Self.whole(archive)?.cold?.rows == 40)
        try await Self.expectSound(tiers, manifests: 2)
        await archive.close()
    }

    @Test func `what was copied only in part and changes later is found, and proved again once mended`() async throws {
        let (tiers, archive) = try await Self.filled()
        try await Self.part(archive, Self.okx)
        try await tiers.tell(
            tiers.cold,
            "UPDATE thermocline_store.trade SET price = price + 1 WHERE trade_id = 'trade_id-3'"
        )
        var whole = try #require(try await Self.whole(archive))
        let found = try #require(try await archive.target.reprove(whole, type: Self.trade) { _ in })
        #expect(found.finding != nil)
        whole.mismatched("scrub")
        #expect(try await archive.target.recordScrubbed(whole))
        try await tiers.tell(
            tiers.cold,
            "UPDATE thermocline_store.trade SET price = price - 1 WHERE trade_id = 'trade_id-3'"
        )
        _ = try await Self.ask(archive, TransferFilter())
        try await Self.pass(archive)
        #expect(try await Self.whole(archive)?.state == .verified)
        #expect(try await Self.count(tiers, tiers.cold) == 40)
        try await Self.expectSound(tiers, manifests: 2)
        await archive.close()
    }
}

import Adapters
import Digest
import Platform
import Postgres
import PrivateServers
import Records
import Simulation
import TestSupport
import Testing
import Tiering

/// What only segments can do wrong, or have done to them.
@Suite(.privatePostgres, .timeLimit(.minutes(5))) struct SegmentArchiveTests {
    static let trade = Catalog.standard.types[1]
    static let range = TimeRange(containing: Timestamp(milliseconds: 1_795_000_000_000), width: Tiers.bucket)

    private func fill(_ tiers: Tiers, _ numbers: Range<Int>, from: UInt64 = 0) async throws {
        let lane = try await tiers.claim(Self.trade)
        _ = try await lane.commit(try tiers.batch(Self.trade, numbers, from: from))
        await lane.close()
    }

    private func held(_ tiers: Tiers) async throws -> [String?] {
        let tables = ["thermocline_store.segment_trade", "thermocline_store.trade", "thermocline.trade"]
        var counts: [String?] = []
        for table in tables { counts.append(try await tiers.ask(tiers.cold, "SELECT count(*) FROM \(table)")) }
        return counts
    }

    @Test func `late rows rewrite the segment that they fall into, and nothing stays plain`() async throws {
        let tiers = try await Tiers(format: .segments)
        let archive = try await PostgresArchiveTests.Archive(tiers)
        try await fill(tiers, 0..<20)
        _ = try await archive.run(Self.trade)
        #expect(try await held(tiers) == ["1", "0", "20"])
        try await fill(tiers, 10..<30, from: 20)
        #expect(try await archive.run(Self.trade).map(\.state) == [.pruned])
        #expect(try await held(tiers) == ["1", "0", "30"])
        let same =
            "SELECT s.digest = t.cold_digest FROM thermocline_store.segment_trade s, thermocline_store.transfer t"
        #expect(try await tiers.ask(tiers.cold, same) == "t")
        await archive.close()
    }

    @Test(arguments: [
        "UPDATE thermocline_store.segment_trade SET price_base = price_base + 1",
        "UPDATE thermocline_store.segment_trade SET ts = set_byte(ts, 0, get_byte(ts, 0) # 1)",
        "UPDATE thermocline_store.segment_trade SET rows = rows - 1",
        "DELETE FROM thermocline_store.segment_trade",
        "UPDATE thermocline_store.segment_trade SET ts_min = '2026-11-18 23:59Z', ts_max = '2026-11-18 23:59Z'",
    ])
    func `a segment that somebody changed is found before hot lets go`(damage: String) async throws {
        let tiers = try await Tiers(format: .segments)
        let archive = try await PostgresArchiveTests.Archive(tiers)
        try await fill(tiers, 0..<20)
        #expect(try await archive.run(Self.trade, prunes: false).map(\.state) == [.verified])
        try await tiers.tell(tiers.cold, damage)
        let runner = TransferRunner(
            source: archive.source,
            target: archive.target,
            planner: PostgresArchiveTests.planner
        ) { PostgresArchiveTests.now }
        var transfer = try #require(try await archive.target.ledger().first)
        transfer.prunes = true
        let moved = try await runner.run(transfer, type: Self.trade, newestEvent: PostgresArchiveTests.now) { _ in }
        #expect(moved.state == .mismatched)
        #expect(try await tiers.ask(tiers.hot, "SELECT count(*) FROM thermocline.trade") == "20")
        await archive.close()
    }

    /// Rows of the range, oldest first.
    private func rows(_ count: Int, at time: Timestamp = Self.range.start) -> [UInt8] {
        var random = RandomRows(Self.trade, seed: 7)
        random.ts = time.micros
        return random.rows(count)
    }

    private func copy(
        _ rows: [UInt8],
        _ target: PostgresTarget,
        range: TimeRange = Self.range,
        merges: Bool = false
    ) async throws -> PostgresCopy {
        let transfer = Transfer(id: RandomID.uuid(), type: "trade", range: range)
        let copy = try await target.beginCopy(transfer, type: Self.trade, merges: merges)
        do {
            try await copy.write(rows)
        } catch {
            await copy.abandon()
            throw error
        }
        return copy
    }

    private func commit(_ copy: PostgresCopy, _ rows: [UInt8]) async throws -> Transfer {
        let summary = try ContentDigester(type: Self.trade).summarize(rows.span)
        do {
            return try await copy.commit(hot: summary, stamp: "1")
        } catch {
            await copy.abandon()
            throw error
        }
    }

    @Test func `of two copies of one range the slower starts over`() async throws {
        let tiers = try await Tiers(format: .segments)
        let archive = try await PostgresArchiveTests.Archive(tiers)
        let other = try await archive.tiers.openTarget(archive.token)
        let rows = rows(30)
        let (first, second) = (try await copy(rows, archive.target), try await copy(rows, other))
        _ = try await commit(first, rows)
        let error = await #expect(throws: StoreError.self) { try await commit(second, rows) }
        #expect(error?.sqlState == "23505")
        let merged = try await commit(try await copy(rows, other, merges: true), rows)
        #expect(merged.cold?.rows == 30)
        #expect(try await tiers.ask(tiers.cold, "SELECT count(*) FROM thermocline.trade") == "30")
        await other.close()
        await archive.close()
    }

    @Test func `a key that comes twice, or a row out of order, is merged`() async throws {
        let tiers = try await Tiers(format: .segments)
        let archive = try await PostgresArchiveTests.Archive(tiers)
        for rows in [rows(1) + rows(1), rows(1, at: Self.range.start.advanced(byMicros: 60_000_000)) + rows(1)] {
            let error = await #expect(throws: StoreError.self) { try await copy(rows, archive.target) }
            #expect(error?.sqlState == "23505")
        }
        #expect(try await held(tiers) == ["0", "0", "0"])
        await archive.close()
    }

    @Test func `rows that no segment can say stay plain`() async throws {
        let tiers = try await Tiers(format: .segments)
        let archive = try await PostgresArchiveTests.Archive(tiers)
        let far = Timestamp(micros: 10_000_000_000_000_000)
        let range = TimeRange(containing: far, width: Tiers.bucket)
        let rows = rows(10, at: far)
        let copy = try await copy(rows, archive.target, range: range)
        let error = await #expect(throws: StoreError.self) { try await commit(copy, rows) }
        #expect(error?.sqlState == "23505")
        let merging = try await self.copy(rows, archive.target, range: range, merges: true)
        #expect(try await commit(merging, rows).cold?.rows == 10)
        #expect(try await held(tiers) == ["0", "10", "10"])
        await archive.close()
    }

    @Test func `segments and plain rows stand side by side, whichever format is written`() async throws {
        var tiers = try await Tiers(format: .segments)
        var archive = try await PostgresArchiveTests.Archive(tiers)
        try await fill(tiers, 0..<20)
        _ = try await archive.run(Self.trade)
        await archive.close()
        tiers.format = .rows
        try await tiers.tell(tiers.cold, "UPDATE thermocline_store.archive_lease SET expires_at = '-infinity'")
        archive = try await PostgresArchiveTests.Archive(tiers)
        try await fill(tiers, 10..<30, from: 20)
        #expect(try await archive.run(Self.trade).map(\.state) == [.pruned])
        #expect(try await held(tiers) == ["1", "10", "30"])
        await archive.close()
        tiers.format = .segments
        try await tiers.tell(tiers.cold, "UPDATE thermocline_store.archive_lease SET expires_at = '-infinity'")
        archive = try await PostgresArchiveTests.Archive(tiers)
        try await fill(tiers, 25..<35, from: 40)
        #expect(try await archive.run(Self.trade).map(\.state) == [.pruned])
        #expect(try await held(tiers) == ["1", "0", "35"])
        #expect(try await archive.target.drift(of: tiers.catalog.types).isEmpty)
        await archive.close()
    }

    @Test(arguments: [
        "ALTER TABLE thermocline_store.segment_trade ADD COLUMN note text",
        "CREATE OR REPLACE VIEW thermocline.trade AS SELECT * FROM thermocline.trade('2026-01-01', '2026-02-01')",
        "DROP VIEW thermocline.trade",
    ])
    func `a view over segments that somebody changed is drift`(change: String) async throws {
        let tiers = try await Tiers(format: .segments)
        let archive = try await PostgresArchiveTests.Archive(tiers)
        #expect(try await archive.target.drift(of: tiers.catalog.types).isEmpty)
        try await tiers.tell(tiers.cold, change)
        #expect(try await archive.target.drift(of: tiers.catalog.types).map(\.type) == ["trade"])
        await archive.close()
    }

    @Test func `segments are not written where cold has no tables for them`() async throws {
        var tiers = try await Tiers(format: .rows)
        tiers.format = .segments
        let error = await #expect(throws: StoreError.self) { try await PostgresArchiveTests.Archive(tiers) }
        #expect(error?.detail.contains("schema apply cold") == true)
    }
}

import Adapters
import Digest
import Platform
import Postgres
import PrivateServers
import Records
import TestSupport
import Testing
import Tiering

/// What left hot comes back, proved, and stays while it is pinned, on real databases.
@Suite(.privatePostgres, .bothFormats, .timeLimit(.minutes(5))) struct RestoreTests {
    typealias Site = PostgresPruneTests.Site
    static let types = Catalog.underTest.types
    /// Whatever the test stores lies in it.
    static let all = TimeRange(start: Timestamp(micros: 0), end: PostgresPruneTests.now)

    private func desk(_ site: Site) -> RestoreDesk {
        RestoreDesk(tiers: site.archive, bucketMicros: Tiers.bucket, concurrency: 2)
    }

    private func restore(_ site: Site, _ type: RecordType) async throws -> [Restored] {
        let restored = Locked<[Restored]>([])
        try await desk(site).restore(type, Self.all, keeping: .seconds(600)) { one in
            restored.withLock { $0.append(one) }
        }
        return restored.withLock { $0 }
    }

    private func content(_ site: Site, _ conninfo: String, _ type: RecordType) async throws -> String? {
        let columns = type.contentColumns.map(\.name).joined(separator: ", ")
        let rows = "(SELECT \(columns) FROM thermocline.\(type.name)) t"
        return try await site.tiers.ask(
            conninfo,
            "SELECT md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM \(rows)"
        )
    }

    @Test(arguments: types)
    func `a pruned range comes back as it was, is proved, and stays while it is pinned`(_ type: RecordType) async throws
    {
        var site = try await Site()
        site.policy.undo = .zero
        try await site.fill(type, 0..<40)
        // Two ranges, which come back at the same time.
        try await site.fill(type, PostgresPruneTests.hour..<PostgresPruneTests.hour + 20, from: 40)
        let before = try await content(site, site.tiers.hot, type)
        try await site.pass(3)
        #expect(try await site.held(type) == [0, 60])
        let restored = try await restore(site, type)
        #expect(
            restored.map(\.rows).reduce(0, +) == 60 && restored.count == 2 && restored.allSatisfy { $0.differing == 0 }
        )
        #expect(try await content(site, site.tiers.hot, type) == before)
        let activity = "SELECT sum(rows) FROM thermocline_store.range_activity WHERE type = '\(type.name)'"
        #expect(try await site.tiers.ask(site.tiers.hot, activity) == "60")
        try await site.pass(3)
        #expect(try await site.held(type) == [60, 60], "pinned")
        for pin in try await desk(site).pins() { #expect(try await desk(site).unpin(pin.id)) }
        try await site.pass(3)
        #expect(try await site.held(type) == [0, 60], "no pin, no rows: each is proved still")
    }

    @Test func `a range that hot holds in part is completed by key, and hot keeps what differs`() async throws {
        let type = PostgresPruneTests.trade
        var site = try await Site()
        site.policy.undo = .zero
        try await site.fill(type, 0..<20)
        try await site.pass(3)
        let lane = try await site.tiers.claim(type)
        var batch = try site.tiers.batch(type, 0..<2, from: 20)
        try site.tiers.add(SampleMessage(type, number: 2, values: ["price": "77"]), to: &batch, type)
        batch.repeated += batch.rows.deduplicateAndSort(as: type)
        _ = try await lane.commit(batch)
        await lane.close()
        let restored = try await restore(site, type)
        #expect(restored.map(\.rows) == [20] && restored.map(\.differing) == [1])
        #expect(try await site.held(type).first == 20)
        #expect(
            try await site.tiers.ask(site.tiers.hot, "SELECT count(*) FROM thermocline.trade WHERE price = 77") == "1"
        )
        #expect(
            try await site.tiers.ask(site.tiers.hot, "SELECT sum(rows) FROM thermocline_store.range_activity") == "20"
        )
    }

    @Test func `a range that cold does not hold as it was proved is not restored`() async throws {
        let type = PostgresPruneTests.trade
        var site = try await Site()
        site.policy.undo = .zero
        try await site.fill(type, 0..<20)
        try await site.pass(3)
        try await site.tiers.tell(
            site.tiers.cold,
            "UPDATE thermocline_store.trade SET price = 1 WHERE trade_id = 'trade_id-3'"
        )
        await #expect {
            _ = try await restore(site, type)
        } throws: { error in
            (error as? StoreError)?.code == .corrupt
        }
        #expect(try await site.held(type).first == 0)
    }

    @Test func `what rests is given back whole and pinned`() async throws {
        let type = PostgresPruneTests.trade
        var site = try await Site()
        site.policy.undo = .seconds(3_600)
        try await site.fill(type, 0..<20)
        let before = try await content(site, site.tiers.hot, type)
        try await site.pass(2)
        #expect(try await site.held(type) == [0, 20])
        let undone = try await desk(site).undo(type, Self.all, keeping: .seconds(600))
        #expect(undone.map(\.rows) == [20] && undone.allSatisfy(\.isBack))
        #expect(try await content(site, site.tiers.hot, type) == before)
        #expect(try await site.resting() == nil)
        try await site.pass(3)
        #expect(try await site.held(type) == [20, 20])
        #expect(try await desk(site).undo(type, Self.all, keeping: .seconds(600)).isEmpty)
    }

    @Test func `an archiver that takes over ends a restore, which then changes nothing`() async throws {
        let type = PostgresPruneTests.trade
        var site = try await Site()
        site.policy.undo = .zero
        try await site.fill(type, 0..<20)
        try await site.pass(3)
        let (source, target) = try await site.archive.openBeside()
        try await site.archive.takeOver(site.token + 1)
        await #expect(throws: StoreError.self) { _ = try await source.pins() }
        await source.close()
        await target.close()
        #expect(try await site.held(type) == [0, 20])
    }
}

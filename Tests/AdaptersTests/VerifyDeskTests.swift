import Adapters
import Platform
import PrivateServers
import Records
import TestSupport
import Testing
import Tiering

/// `thermocline verify` finds what somebody changed in cold, in the ledger or in the chain of proofs, and names it.
@Suite(.privatePostgres, .bothFormats, .timeLimit(.minutes(5))) struct VerifyDeskTests {
    private typealias Archive = PostgresArchiveTests.Archive
    private static let types = [Catalog.standard.types[1], Catalog.standard.types[2], Catalog.standard.types[5]]
    private static let trade = types[0]

    /// Three types in both tiers, each proved by a manifest; the first one pruned.
    private func proved() async throws -> Tiers {
        let tiers = try await Tiers()
        let archive = try await Archive(tiers)
        for (index, type) in Self.types.enumerated() {
            try await PostgresArchiveTests().fill(tiers, type, 0..<600)
            #expect(try await archive.run(type, prunes: index == 1).map(\.state) == [index == 1 ? .pruned : .verified])
        }
        await archive.close()
        return tiers
    }

    private func verify(_ tiers: Tiers, _ change: (inout VerifySelection) -> Void = { _ in }) async throws
        -> VerifyReport
    {
        var selection = VerifySelection()
        change(&selection)
        let desk = VerifyDesk(
            tiers: PostgresTiers(settings: tiers.archive, catalog: tiers.catalog),
            types: tiers.catalog.types,
            namedRows: 10
        )
        return try await desk.run(selection)
    }

    @Test func `an archive that nobody touched has no findings, and is left as it is`() async throws {
        let tiers = try await proved()
        let ledger = "SELECT md5(string_agg(t::text, '')) FROM thermocline_store.transfer t"
        let before = try await tiers.ask(tiers.cold, ledger)
        let report = try await verify(tiers) { $0.isDeep = true }
        #expect(report.findings.isEmpty, "\(report.findings)")
        #expect(report.manifests == 3 && report.ranges == 3 && report.rows == 1_800 && report.moving == 0)
        #expect(try await tiers.ask(tiers.cold, ledger) == before)
        let sessions = "SELECT count(*) FROM thermocline_store.archive_session s JOIN pg_stat_activity a USING (pid)"
        #expect(try await tiers.ask(tiers.cold, sessions) == "0")
    }

    /// What somebody does to the chain or the ledger, and what is found.
    static let forgeries: [(sql: String, finding: String)] = [
        ("UPDATE thermocline_store.manifest SET cold_rows = cold_rows - 1 WHERE number = 2", "manifest 2 was altered"),
        ("UPDATE thermocline_store.manifest SET sha256 = md5('') WHERE number = 2", "manifest 3 does not follow"),
        ("DELETE FROM thermocline_store.manifest WHERE number = 1", "manifest 1 is missing"),
        ("DELETE FROM thermocline_store.manifest WHERE number = 2", "manifest 2 is missing"),
        ("DELETE FROM thermocline_store.manifest WHERE number = 3", "names manifest 3; the chain has none for it"),
        (
            """
            UPDATE thermocline_store.manifest SET number = 9 WHERE number = 1;
            UPDATE thermocline_store.manifest SET number = 1 WHERE number = 2;
            UPDATE thermocline_store.manifest SET number = 2 WHERE number = 9
            """, "manifest 1 does not follow the beginning"
        ),
        ("DELETE FROM thermocline_store.transfer WHERE type = 'trade'", "the ledger does not know it"),
        (
            "UPDATE thermocline_store.transfer SET cold_rows = cold_rows - 1 WHERE type = 'trade'",
            "the ledger says 599 rows"
        ),
        ("UPDATE thermocline_store.transfer SET manifest = NULL WHERE type = 'trade'", "verified without a manifest"),
    ]

    @Test(arguments: forgeries.indices) func `a forged chain or ledger is found and named`(index: Int) async throws {
        let (sql, finding) = Self.forgeries[index]
        let tiers = try await proved()
        try await tiers.tell(tiers.cold, sql)
        let report = try await verify(tiers)
        #expect(report.findings.contains { $0.detail.contains(finding) }, "\(sql): \(report.findings)")
    }

    @Test func `a prune whose manifest cold lacks or has otherwise is found`() async throws {
        let tiers = try await proved()
        try await tiers.tell(tiers.hot, "UPDATE thermocline_store.prune_log SET sha256 = md5('')")
        #expect(try await verify(tiers).findings.map(\.kind) == [.pruneLog])
        #expect(try await verify(tiers) { $0.type = "trade" }.findings.isEmpty)
    }

    static let changes: [(sql: String, row: String)] = [
        (
            "UPDATE thermocline_store.trade SET price = price + 1 WHERE trade_id = 'trade_id-3'",
            "trade_id=trade_id-3: hot price=4.5 / cold price=5.5"
        ),
        ("DELETE FROM thermocline_store.trade WHERE trade_id = 'trade_id-3'", "only in hot: "),
        (
            """
            INSERT INTO thermocline_store.trade SELECT (t).* FROM (
                SELECT jsonb_populate_record(t, '{"trade_id": "forged"}') AS t FROM thermocline_store.trade t
                WHERE trade_id = 'trade_id-3') AS forged
            """, "only in cold: "
        ),
    ]

    @Test(arguments: changes.indices) func `a cold row that somebody changed is found and named`(
        index: Int
    ) async throws {
        let (sql, row) = Self.changes[index]
        let tiers = try await proved()
        try await tiers.tell(tiers.cold, sql)
        #expect(try await verify(tiers).findings.isEmpty)
        let report = try await verify(tiers) { $0.isDeep = true }
        #expect(report.findings.map(\.kind) == [.content])
        #expect(report.findings.first?.detail.contains(row) == true, "\(report.findings)")
        #expect(report.ranges == 3)
        let others = try await verify(tiers) {
            $0.isDeep = true
            $0.type = Self.types[2].name
        }
        #expect(others.findings.isEmpty && others.ranges == 1)
        let later = try await verify(tiers) {
            $0.isDeep = true
            $0.from = PostgresArchiveTests.now
        }
        #expect(later.findings.isEmpty && later.ranges == 0)
    }

    @Test func `a pruned range whose rows somebody changed is found by its sums`() async throws {
        let tiers = try await proved()
        let table = "thermocline_store.\(Self.types[1].name)"
        try await tiers.tell(tiers.cold, "DELETE FROM \(table) WHERE ts = (SELECT min(ts) FROM \(table))")
        let finding = try #require(try await verify(tiers) { $0.isDeep = true }.findings.first)
        #expect(finding.detail.contains("cold holds 599 rows") && finding.detail.contains("must be 600 rows"))
        #expect(finding.detail.contains("by manifest 2: hot holds no rows"), "\(finding.detail)")
    }
}

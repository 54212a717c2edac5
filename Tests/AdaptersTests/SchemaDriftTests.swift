import Adapters
import Platform
import Postgres
import Records
import TestSupport
import Testing
import Tiering

/// A tier that is not as the catalogue says: refused before data is touched, said exactly, and mended by what is said.
@Suite(.privatePostgres, .timeLimit(.minutes(5))) struct SchemaDriftTests {
    static let trade = Catalog.standard.types[1]
    static let rate = Catalog.standard.types[2]
    static let table = "ALTER TABLE thermocline_store.trade"
    static let columns = trade.allColumns.map(\.name).joined(separator: ", ")

    /// One change behind our back, and what is said of it.
    struct Change: Sendable, CustomTestStringConvertible {
        let tier: Tier
        let sql: String
        let difference: String
        var testDescription: String { "\(tier): \(difference)" }

        init(_ tier: Tier, _ sql: String, _ difference: String) {
            (self.tier, self.sql, self.difference) = (tier, sql, difference)
        }

        /// A column's type, which the view does not let go.
        static func narrowed(_ tier: Tier, _ column: String, _ type: String, _ difference: String) -> Change {
            let view = "CREATE VIEW thermocline.trade AS SELECT \(columns) FROM thermocline_store.trade"
            let change = "\(table) ALTER COLUMN \(column) TYPE \(type)"
            return Change(tier, "DROP VIEW thermocline.trade; \(change); \(view)", difference)
        }
    }

    static let changes = [
        Change(.hot, "\(table) ADD COLUMN note text", "thermocline_store.trade has a column note text that is none"),
        Change(.cold, "\(table) ADD COLUMN \"Desk no\" text", "thermocline_store.trade has a column Desk no text"),
        Change(.hot, "\(table) RENAME COLUMN price TO px", "thermocline_store.trade calls the column price px"),
        Change(.cold, "\(table) RENAME COLUMN price TO px", "thermocline_store.trade calls the column price px"),
        .narrowed(.hot, "price", "numeric(30,9)", "has price as numeric(30,9), must be numeric"),
        .narrowed(.cold, "price", "numeric(10,2)", "has price as numeric(10,2), must be numeric"),
        .narrowed(.cold, "stream_seq", "integer", "has stream_seq as integer, must be bigint"),
        .narrowed(.cold, "side", "varchar(5)", "has side as character varying(5), must be text"),
        Change(.cold, "\(table) DROP COLUMN is_maker CASCADE", "lacks the column is_maker boolean"),
        Change(.cold, "\(table) ALTER COLUMN is_maker SET NOT NULL", "refuses null in is_maker"),
        Change(.hot, "\(table) ALTER COLUMN price DROP NOT NULL", "takes null in price"),
        Change(.cold, "DROP VIEW thermocline.trade", "the view thermocline.trade does not exist"),
        Change(
            .cold,
            "CREATE OR REPLACE VIEW thermocline.trade AS SELECT \(columns) FROM thermocline_store.trade LIMIT 9",
            "the view thermocline.trade was replaced"
        ),
        Change(
            .hot,
            "CREATE OR REPLACE VIEW thermocline.trade AS SELECT \(columns), 1 AS one FROM thermocline_store.trade",
            "the view thermocline.trade has a column one integer that is none of ours"
        ),
        Change(
            .cold,
            "DROP VIEW thermocline.trade; CREATE VIEW thermocline.trade AS SELECT symbol FROM thermocline_store.trade",
            "has symbol text COLLATE \"C\" as column 1, must be ts timestamptz"
        ),
        Change(
            .cold,
            "ALTER TABLE thermocline_store.conflict_trade ADD COLUMN note text",
            "thermocline_store.conflict_trade has a column note"
        ),
    ]

    func fill(_ tiers: Tiers, _ type: RecordType) async throws {
        let lane = try await tiers.claim(type)
        _ = try await lane.commit(try tiers.batch(type, 0..<10))
        await lane.close()
    }

    func count(_ tiers: Tiers, _ conninfo: String, _ type: RecordType) async throws -> String? {
        try await tiers.ask(conninfo, "SELECT count(*) FROM thermocline_store.\(type.name)")
    }

    /// Does what a remedy says.
    func mend(_ remedy: String, _ tiers: Tiers, _ tier: Tier) async throws {
        let conninfo = tier == .hot ? tiers.hot : tiers.cold
        let parts = remedy.split(separator: "then run: ", omittingEmptySubsequences: false)
        if !parts[0].isEmpty { try await tiers.tell(conninfo, String(parts[0])) }
        guard parts.count == 2 else { return }
        #expect(parts[1] == "thermocline schema apply \(tier.rawValue)")
        let connection = try await PostgresConnection(conninfo, applicationName: "test")
        try await SchemaKeeper(tier: tier, catalog: tiers.catalog).apply(on: connection, bucketMicros: Tiers.bucket)
        await connection.close()
    }

    @Test func `a schema that was just applied has no drift`() async throws {
        let tiers = try await Tiers()
        let archive = try await PostgresArchiveTests.Archive(tiers)
        #expect(try await archive.source.drift(of: tiers.catalog.types).isEmpty)
        #expect(try await archive.target.drift(of: tiers.catalog.types).isEmpty)
        await archive.close()
    }

    @Test(arguments: changes)
    func `drift is refused before data is touched, and what is said mends it`(change: Change) async throws {
        let tiers = try await Tiers()
        for type in [Self.trade, Self.rate] { try await fill(tiers, type) }
        try await tiers.tell(change.tier == .hot ? tiers.hot : tiers.cold, change.sql)
        let archive = try await PostgresArchiveTests.Archive(tiers)
        let error = await #expect(throws: StoreError.self) { try await archive.run(Self.trade) }
        #expect(error?.code == .schema)
        #expect(error?.tier == change.tier.rawValue)
        #expect(error?.detail.contains(change.difference) == true, "\(error?.detail ?? "nothing")")
        #expect(try await count(tiers, tiers.hot, Self.trade) == "10")
        #expect(try await count(tiers, tiers.cold, Self.trade) == "0")
        #expect(try await archive.run(Self.rate).map(\.state) == [.pruned], "the others go on")
        let found = try await archive.source.drift(of: [Self.trade]) + archive.target.drift(of: [Self.trade])
        #expect(error?.detail.contains(found[0].remedy) == true)
        try await mend(found[0].remedy, tiers, change.tier)
        #expect(try await archive.run(Self.trade).map(\.state) == [.pruned])
        #expect(try await count(tiers, tiers.cold, Self.trade) == "10")
        await archive.close()
    }

    @Test func `a column that came after the proof is not destroyed by the prune`() async throws {
        let tiers = try await Tiers()
        try await fill(tiers, Self.trade)
        let archive = try await PostgresArchiveTests.Archive(tiers)
        #expect(try await archive.run(Self.trade, prunes: false).map(\.state) == [.verified])
        try await tiers.tell(tiers.hot, "\(Self.table) ADD COLUMN note text DEFAULT 'ours'")
        try await tiers.tell(tiers.cold, "UPDATE thermocline_store.transfer SET prunes = true")
        let error = await #expect(throws: StoreError.self) { try await archive.run(Self.trade) }
        #expect(error?.code == .schema)
        #expect(try await count(tiers, tiers.hot, Self.trade) == "10")
        await archive.close()
    }

    @Test func `a column that is computed from others is no drift`() async throws {
        let tiers = try await Tiers()
        try await fill(tiers, Self.trade)
        try await tiers.tell(
            tiers.hot,
            "\(Self.table) ADD COLUMN value numeric GENERATED ALWAYS AS (price * quantity) STORED"
        )
        let archive = try await PostgresArchiveTests.Archive(tiers)
        #expect(try await archive.run(Self.trade).map(\.state) == [.pruned])
        await archive.close()
    }

    @Test func `a drifted type is in trouble, alone, and goes on by itself once it is mended`() async throws {
        let tiers = try await Tiers()
        for type in [Self.trade, Self.rate] { try await fill(tiers, type) }
        try await tiers.tell(tiers.cold, "\(Self.table) ADD COLUMN note text")
        let archive = try await PostgresArchiveTests.Archive(tiers)
        let board = ArchiveBoard()
        let archiver = Archiver(
            tiers: archive.tiers,
            types: [Self.trade, Self.rate],
            policy: PostgresArchiveTests.planner.policy,
            now: { PostgresArchiveTests.now },
            newID: { RandomID.uuid() },
            board: board,
            report: { _ in }
        )
        let token = archive.token
        try await archiver.pass(token: token) { false }
        let drift = try #require(board.current.types["trade"]?.drift)
        #expect(drift.contains("has a column note text"))
        #expect(drift.contains("ALTER TABLE thermocline_store.trade DROP COLUMN \"note\";"))
        let ledger = try await archive.target.ledger()
        #expect(ledger.first { $0.type == "trade" }?.error?.contains("has a column note text") == true)
        #expect(ledger.first { $0.type == "funding_rate" }?.state == .verified)
        try await tiers.tell(tiers.cold, "\(Self.table) DROP COLUMN note")
        try await archiver.pass(token: token) { false }
        #expect(board.current.types["trade"]?.drift == nil)
        #expect(try await archive.target.ledger().allSatisfy { $0.state == .verified && $0.error == nil })
        await archive.close()
    }
}

import Adapters
import Platform
import Postgres
import PrivateServers
import Records
import TestSupport
import Testing
import Tiering

/// What the messages of one batch may ask of the database together, on a server with a small table of locks.
@Suite(
    .privatePostgres(.init(parameters: ["max_locks_per_transaction": "10", "max_connections": "20"])),
    .serialized,
    .slow,
    .timeLimit(.minutes(5))
) struct LargeBatchTests {
    private static let trade = Catalog.standard.types[1]

    /// Adds a trade that happened so many days before the stream's present.
    private func add(_ number: Int, daysAgo: Int, to batch: inout LaneBatch, _ tiers: Tiers) throws {
        let time = "\(1_795_000_000_000 - 86_400_000 * daysAgo)"
        let message = SampleMessage(Self.trade, number: number, values: ["trade_ts_ms": time])
        try tiers.add(message, to: &batch, Self.trade)
    }

    @Test func `a batch of more days than the server has locks is stored`() async throws {
        let tiers = try await Tiers()
        let lane = try await tiers.claim(Self.trade)
        var batch = LaneBatch(epoch: 1, from: 0)
        for number in 0..<450 { try add(number, daysAgo: number * 7 % 450, to: &batch, tiers) }
        // A repeat, and a second content of a key, far behind their first.
        try add(0, daysAgo: 0, to: &batch, tiers)
        let time = ["trade_ts_ms": "1795000000000", "price": "9"]
        try tiers.add(SampleMessage(Self.trade, number: 0, values: time), to: &batch, Self.trade)
        batch.repeated = batch.rows.deduplicateAndSort(as: Self.trade)
        #expect(
            try await lane.commit(batch) == .committed(stored: 450, repeated: 1, quarantined: 1, conflicts: 1)
        )
        #expect(try await tiers.ask(tiers.hot, "SELECT last_seq FROM thermocline_store.ingest_position") == "452")
        let rows = "SELECT sum(rows) FROM thermocline_store.range_activity"
        #expect(try await tiers.ask(tiers.hot, rows) == "450")
        await lane.close()
    }

    @Test func `a batch with more bad rows than the server has locks is sifted`() async throws {
        let tiers = try await Tiers()
        try await tiers.tell(tiers.hot, "ALTER TABLE thermocline_store.trade ADD CHECK (price <> 5000)")
        let lane = try await tiers.claim(Self.trade)
        var batch = LaneBatch(epoch: 1, from: 0)
        for number in 0..<3_000 {
            let values = ["price": number % 6 == 0 ? "5000" : "1"]
            try tiers.add(SampleMessage(Self.trade, number: number, values: values), to: &batch, Self.trade)
        }
        #expect(try await lane.commit(batch) == .committed(stored: 2_500, repeated: 0, quarantined: 500))
        await lane.close()
    }

    @Test func `a partition is made while another one is vacuumed`() async throws {
        let tiers = try await Tiers()
        let lane = try await tiers.claim(Self.trade)
        var batch = LaneBatch(epoch: 1, from: 0)
        try add(0, daysAgo: 1, to: &batch, tiers)
        _ = try await lane.commit(batch)
        let find = "SELECT relname FROM pg_class WHERE relname ~ '^trade_p[0-9]+$'"
        let partition = try #require(try await tiers.ask(tiers.hot, find))
        let vacuum = try await PostgresConnection(tiers.hot, applicationName: "test")
        try await vacuum.begin()
        // The lock that VACUUM takes, which it holds as long as it needs.
        _ = try await vacuum.execute("LOCK TABLE thermocline_store.\(partition) IN SHARE UPDATE EXCLUSIVE MODE")
        var next = LaneBatch(epoch: 1, from: 1)
        try add(1, daysAgo: 0, to: &next, tiers)
        #expect(try await lane.commit(next) == .committed(stored: 1, repeated: 0, quarantined: 0))
        await vacuum.close()
        await lane.close()
    }

    @Test func `messages of the past leave the present its partition`() async throws {
        let tiers = try await Tiers { $0.maxPartitions = 3 }
        let lane = try await tiers.claim(Self.trade)
        var batch = LaneBatch(epoch: 1, from: 0)
        for days in [2, 6, 3, 5, 4] { try add(days, daysAgo: days, to: &batch, tiers) }
        #expect(try await lane.commit(batch) == .committed(stored: 3, repeated: 0, quarantined: 2))
        var next = LaneBatch(epoch: 1, from: 5)
        for days in [7, 0] { try add(days, daysAgo: days, to: &next, tiers) }
        #expect(try await lane.commit(next) == .committed(stored: 1, repeated: 0, quarantined: 1))
        await lane.close()
    }
}

import Adapters
import Digest
import Foundation
import Postgres
import PrivateServers
import Records
import Segments
import Simulation
import TestSupport
import Testing

/// Whatever rows become segments, what users read of them is the same rows.
@Suite(.slow, .privatePostgres, .timeLimit(.minutes(5))) struct SegmentTests {
    static let types = Catalog.underTest.types
    /// `SEED=7` repeats a run.
    private static let seed =
        ProcessInfo.processInfo.environment["SEED"].flatMap(UInt64.init) ?? .random(in: 1...1_000_000)

    /// Chunks of rows → segments in cold, and as they are in `public.plain`.
    private func store(
        _ chunks: [[UInt8]],
        _ type: RecordType,
        on connection: PostgresConnection,
        _ limits: SegmentEncoder.Limits
    ) async throws -> Summary {
        var encoder = SegmentEncoder(type: type, limits: limits)
        let columns = type.allColumns.map(\.name).joined(separator: ", ")
        let parts = SegmentShape.parts(type).map(\.name).joined(separator: ", ")
        for chunk in chunks {
            try encoder.add(chunk.span)
            _ = try await connection.copyIn(
                "COPY public.plain (\(columns)) FROM STDIN (FORMAT binary)",
                rows: chunk
            )
        }
        try encoder.finish()
        let stored = try await connection.copyIn(
            "COPY thermocline_store.segment_\(type.name) (\(parts)) FROM STDIN (FORMAT binary)",
            rows: encoder.take()
        )
        #expect(stored == encoder.segments)
        return encoder.summary
    }

    private func summary(
        _ source: String,
        _ type: RecordType,
        on connection: PostgresConnection
    ) async throws -> Summary {
        let columns = type.contentColumns.map(\.name).joined(separator: ", ")
        try await connection.beginCopyOut("COPY (SELECT \(columns) FROM \(source)) TO STDOUT (FORMAT binary)")
        let digester = ContentDigester(type: type)
        var summary = Summary.zero
        while let chunk = try await connection.nextCopyChunk(atMost: 1 << 20) {
            summary += try digester.summarize(chunk.span)
        }
        return summary
    }

    /// The stored rows as readers would see them, provenance included.
    private func readable(_ type: RecordType) -> String {
        type.allColumns.map { $0.kind == .decimals ? "thermocline_store.decimals(\($0.name)) AS \($0.name)" : $0.name }
            .joined(separator: ", ")
    }

    /// Makes a partition, so that the view lists its month and no other.
    private func list(november type: RecordType, _ tiers: Tiers, _ connection: PostgresConnection) async throws {
        let name = "\(type.name)_p202611" + (type.partition == .day ? "30" : "")
        _ = try await connection.executeScript(
            """
            CREATE TABLE thermocline_store.\(name) PARTITION OF thermocline_store.\(type.name)
            FOR VALUES FROM ('2026-11-\(type.partition == .day ? "30" : "01")Z') TO ('2026-12-01Z')
            """
        )
        try await SchemaKeeper(tier: .cold, catalog: tiers.catalog).apply(on: connection, bucketMicros: Tiers.bucket)
        let definition = try await connection.execute("SELECT pg_get_viewdef('thermocline.\(type.name)'::regclass)")
        #expect(definition.scalar?.contains("2026-12-01") == true)
    }

    @Test(arguments: types)
    func `random rows read as they were, through the view and the function`(_ type: RecordType) async throws {
        let tiers = try await Tiers(format: .segments)
        let connection = try await PostgresConnection(tiers.cold, applicationName: "test")
        try await list(november: type, tiers, connection)
        let seed = Self.seed
        var random = RandomRows(type, seed: seed)
        for run in 0..<5 {
            _ = try await connection.executeScript(
                """
                TRUNCATE thermocline_store.segment_\(type.name); DROP TABLE IF EXISTS public.plain;
                CREATE TABLE public.plain (LIKE thermocline_store.\(type.name))
                """
            )
            random.turn()
            let chunks = (0..<3).map { _ in random.rows(run == 4 ? 3 : 40, levels: run == 4 ? 10_000 : 12) }
            let limits = SegmentEncoder.Limits(rows: [1, 7, 100][run % 3], bytes: run % 4 == 3 ? 4_000 : 1 << 24)
            let expected = try await store(chunks, type, on: connection, limits)
            let view = "thermocline.\(type.name)"
            let lines = "SEED=\(seed), run \(run)"
            #expect(try await summary(view, type, on: connection) == expected, "\(lines)")
            let function = "\(view)('2020-01-01', '2100-01-01')"
            #expect(try await summary(function, type, on: connection) == expected, "\(lines)")
            let columns = type.allColumns.map(\.name).joined(separator: ", ")
            let (a, b) = ("SELECT \(columns) FROM \(function)", "SELECT \(readable(type)) FROM public.plain")
            let differing = try await connection.execute(
                "SELECT count(*) FROM ((\(a) EXCEPT ALL \(b)) UNION ALL (\(b) EXCEPT ALL \(a))) d"
            )
            #expect(differing.scalar == "0", "\(lines)")
            let header = try await connection.execute("SELECT sum(rows) FROM \(view)_segments")
            #expect(header.scalar == "\(expected.rows)", "\(lines)")
        }
        await connection.close()
    }

    /// Order books of the feed as rows of hot.
    private func books(_ count: Int) throws -> (type: RecordType, rows: [UInt8]) {
        let type = try #require(Catalog.standard.type(named: "orderbook"))
        var options = Feed.Options()
        (options.poisonShare, options.duplicateShare, options.lateShare) = (0, 0, 0)
        options.depth = 100...100
        // It begins a minute before the end of November 2026.
        var feed = Feed(seed: 6, start: Timestamp(micros: 1_796_083_140_000_000), options: options)
        let decoder = RecordDecoder(type: type, catalog: .standard)
        var batch = RowBatch()
        while batch.count < count {
            let message = feed.next()
            guard message.type == type.name else { continue }
            let origin = MessageOrigin(sequence: UInt64(batch.count), time: message.at, receivedAt: message.at)
            let subject = Array(message.subject.utf8)
            try decoder.decode(message.payload.span, subject: subject.span, origin: origin, into: &batch)
        }
        _ = batch.deduplicateAndSort(as: type)
        return (type, batch.copyBytes())
    }

    @Test func `books read as they were, and take a quarter of what they take in hot`() async throws {
        let tiers = try await Tiers(format: .segments)
        let connection = try await PostgresConnection(tiers.cold, applicationName: "test")
        let (type, rows) = try books(3_000)
        _ = try await connection.executeScript(
            """
            CREATE TABLE public.plain (LIKE thermocline_store.orderbook INCLUDING COMPRESSION);
            CREATE UNIQUE INDEX ON public.plain (ts, exchange, market_type, symbol, last_update_id)
            """
        )
        let expected = try await store([rows], type, on: connection, .init())
        let function = "thermocline.orderbook('2026-11-01', '2026-12-02')"
        #expect(try await summary(function, type, on: connection) == expected)
        // Every way to write a list is among them.
        let segments = "thermocline_store.segment_orderbook"
        let forms = try await connection.execute(
            """
            SELECT bool_and(bid_price_sign = -1 AND ask_price_sign = 1 AND bid_quantity_sign IS NULL)
                AND bool_or(bid_ask_quantity_paired) AND bool_or(NOT bid_ask_price_paired) FROM \(segments)
            """
        )
        #expect(forms.scalar == "t")
        let share = try await connection.execute(
            """
            SELECT pg_total_relation_size('\(segments)')::float8 / pg_total_relation_size('public.plain'),
                pg_total_relation_size('public.plain') / (SELECT count(*) FROM public.plain)
            """
        )
        #expect(Double(share.scalar ?? "") ?? 1 <= 0.25, "\(share.rows)")
        await connection.close()
    }

    @Test func `a query of an hour plans its day alone and finds its segments by series`() async throws {
        let (tiers, type) = (try await Tiers(format: .segments), Catalog.standard.types[1])
        let connection = try await PostgresConnection(tiers.cold, applicationName: "test")
        try await list(november: type, tiers, connection)
        _ = try await connection.execute("CREATE TABLE public.plain (LIKE thermocline_store.trade)")
        var random = RandomRows(type, seed: Self.seed)
        for day in 18...20 {
            random.ts = 1_794_960_000_000_000 + Int64(day - 18) * 86_400_000_000
            _ = try await store([random.rows(50)], type, on: connection, .init(rows: 10))
        }
        let hour = "ts >= '2026-11-18 00:00Z' AND ts < '2026-11-18 01:00Z'"
        let query = "SELECT count(price) FROM thermocline.trade WHERE \(hour) AND exchange = 'venue 0'"
        let all = try await connection.execute(
            "SELECT count(*) FROM public.plain WHERE \(hour) AND exchange = 'venue 0'"
        )
        #expect(try await connection.execute(query).scalar == all.scalar)
        _ = try await connection.execute("SET enable_seqscan = off")
        let plan = try await connection.execute("EXPLAIN \(query)").rows.compactMap { $0[0] }
        #expect(plan.filter { $0.contains(" on segment_trade") }.count == 1, "\(plan)")
        #expect(plan.contains { $0.contains("Index") && $0.contains("segment_trade_key") }, "\(plan)")
        await connection.close()
    }
}

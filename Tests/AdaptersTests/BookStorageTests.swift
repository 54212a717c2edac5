import Adapters
import Digest
import Postgres
import PrivateServers
import Records
import TestSupport
import Testing
import Tiering

/// Lists of decimals are stored packed and read as `numeric[]`, exactly.
@Suite(.privatePostgres, .timeLimit(.minutes(5))) struct BookStorageTests {
    private static let book = Catalog.standard.types[0]
    private static let long = "123456789012345678901234567890"
    /// A side as sent, and its prices and quantities as readers get them.
    private static let sides: [(sent: String, prices: String, quantities: String)] = [
        (#"[["1.50","2"],["1","0.0010"]]"#, "{1.5,1}", "{2,0.001}"),
        (
            #"[["\#(long).\#(long)","1E-8"],["1e30","0"]]"#, "{\(long).\(long.dropLast()),1\(zeros(30))}",
            "{0.00000001,0}"
        ),
        (#"[{"price":99999999999999999999,"quantity":"4.54E-7"}]"#, "{99999999999999999999}", "{0.000000454}"),
        (#"[["10000","100"],["20000","30"],["0.5","7"]]"#, "{10000,20000,0.5}", "{100,30,7}"),
    ]

    private static func zeros(_ count: Int) -> String { String(repeating: "0", count: count) }

    @Test func `a book reads as exact arrays of numbers`() async throws {
        let tiers = try await Tiers()
        let lane = try await tiers.claim(Self.book)
        var batch = LaneBatch(epoch: 1, from: 0)
        for (number, side) in Self.sides.enumerated() {
            let values = ["bids": side.sent, "asks": Self.sides[(number + 1) % Self.sides.count].sent]
            try tiers.add(SampleMessage(Self.book, number: number, values: values), to: &batch, Self.book)
        }
        _ = try await lane.commit(batch)
        await lane.close()
        for (number, side) in Self.sides.enumerated() {
            let asks = Self.sides[(number + 1) % Self.sides.count]
            let columns = [
                ("bid_price", side.prices), ("bid_quantity", side.quantities), ("ask_price", asks.prices),
                ("ask_quantity", asks.quantities),
            ]
            for (column, expected) in columns {
                let row = "FROM thermocline.orderbook WHERE last_update_id = \(number)"
                #expect(try await tiers.ask(tiers.hot, "SELECT \(column) \(row)") == expected)
                #expect(try await tiers.ask(tiers.hot, "SELECT pg_typeof(\(column)) \(row)") == "numeric[]")
            }
        }
        // Numbers to compute with, not text.
        let depth = "SELECT sum(q) FROM thermocline.orderbook, unnest(bid_quantity) AS q WHERE last_update_id = 3"
        #expect(try await tiers.ask(tiers.hot, depth) == "137")
    }

    @Test func `an empty list is empty and no list is null`() async throws {
        let type = RecordType.testReading
        let tiers = try await Tiers()
        let lane = try await tiers.claim(type)
        var batch = LaneBatch(epoch: 1, from: 0)
        for (number, list) in ["[]", "null", "[-1.50,0,-0.0]"].enumerated() {
            try tiers.add(SampleMessage(type, number: number, values: ["weights": list]), to: &batch, type)
        }
        _ = try await lane.commit(batch)
        await lane.close()
        let weights = """
            SELECT string_agg(coalesce(weights::text, 'null'), ' ' ORDER BY ts) FROM thermocline.test_reading
            """
        #expect(try await tiers.ask(tiers.hot, weights) == "{} null {-1.5,0,0}")
    }

    @Test func `the digest of what readers see is that of what was stored`() async throws {
        let tiers = try await Tiers()
        for type in [Self.book, .testReading] {
            let lane = try await tiers.claim(type)
            var batch = LaneBatch(epoch: 1, from: 0)
            for (number, side) in Self.sides.enumerated() {
                let values = ["bids": side.sent, "weights": number == 0 ? "[]" : "[1e\(number * 7),-0.50]"]
                let known = type == Self.book ? values.filter { $0.key == "bids" } : values.filter { $0.key != "bids" }
                try tiers.add(SampleMessage(type, number: number, values: known), to: &batch, type)
            }
            _ = try await lane.commit(batch)
            await lane.close()
            let columns = type.contentColumns.map(\.name).joined(separator: ", ")
            let digester = ContentDigester(type: type)
            let stored = try digester.summarize(batch.rows.bytes.span)
            let connection = try await PostgresConnection(tiers.hot, applicationName: "test")
            for schema in ["thermocline", "thermocline_store"] {
                var found = Summary.zero
                let copy = "COPY (SELECT \(columns) FROM \(schema).\(type.name)) TO STDOUT (FORMAT binary)"
                try await connection.beginCopyOut(copy)
                while let chunk = try await connection.nextCopyChunk(atMost: 1 << 16) {
                    found += try digester.summarize(chunk.span)
                }
                #expect(found == stored, "\(schema).\(type.name)")
            }
            await connection.close()
        }
    }

    @Test func `long lists are compressed with lz4 where the server knows it`() async throws {
        let tiers = try await Tiers()
        let lane = try await tiers.claim(Self.book)
        _ = try await lane.commit(try tiers.batch(Self.book, 0..<1))
        await lane.close()
        let knows = "SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"
        let used = """
            SELECT string_agg(DISTINCT attcompression::text, '') FROM pg_attribute
            WHERE attrelid IN (SELECT inhrelid FROM pg_inherits
                UNION SELECT 'thermocline_store.orderbook'::regclass) AND attname IN ('bid_price', 'extra')
            """
        let expected = try await tiers.ask(tiers.hot, knows) == "t" ? "l" : ""
        #expect(try await tiers.ask(tiers.hot, used) == expected)
    }
}

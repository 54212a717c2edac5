import Foundation
import Platform
import PrivateServers
import Records
import TestSupport
import Testing

/// What changes in cold long after its proof, by whatever means, is found by reading it again.
@Suite(.serialized, .privatePostgres, .privateNATS, .bothFormats, .timeLimit(.minutes(5))) struct ScrubTests {
    private static let settings = ["archive.scrub.every=200ms", "archive.scrub.rate=64MiB"]

    private func proved(_ stage: Stage) async throws -> (hot: Daemon, cold: Daemon) {
        let hot = try await stage.run(["hot"])
        try await stage.awaitStreams()
        let trade = try #require(Catalog.standard.type(named: "trade"))
        try await stage.publish((0..<20).map { SampleMessage(trade, number: $0) })
        try await stage.awaitStored()
        let cold = try await stage.run(["cold"])
        try await poll("trade scrubbed", within: .seconds(30)) {
            try await stage.scalar(stage.cold, "SELECT scrubbed_at IS NOT NULL FROM thermocline_store.transfer") == "t"
        }
        try await stage.expectFormat()
        return (hot, cold)
    }

    private func finding(_ stage: Stage) async throws -> String {
        try await poll("trade mismatched", within: .seconds(30)) {
            let sql = """
                SELECT error FROM thermocline_store.transfer
                WHERE type = 'trade' AND state = 'mismatched' AND error LIKE '%to go on%'
                """
            return try await stage.scalar(stage.cold, sql)
        }
    }

    @Test func `one bit flipped in a file of cold is found by the scrub and named`() async throws {
        let server = try await PrivatePostgres(.init(parameters: ["autovacuum": "off"]))
        let stage = try await Stage(Self.settings, coldOn: server)
        let (hot, cold) = try await proved(stage)
        #expect(await cold.stop() == .exited(0))

        let stored = try await Stored(stage)
        try await stage.script(stage.cold, "CHECKPOINT")
        await server.stop()
        try stored.flip()
        try await server.start()
        let price = "SELECT price FROM thermocline.trade WHERE trade_id = 'trade_id-13'"
        let flipped = try #require(try await stage.scalar(stage.cold, price))
        #expect(flipped != "14.5")

        let again = try await stage.run(["cold"])
        let error = try await finding(stage)
        #expect(error.contains("scrub: cold holds 20 rows") && error.contains("must be 20 rows"), "\(error)")
        let row = "trade_id=trade_id-13: hot price=14.5 / cold price=\(flipped)"
        #expect(error.contains(row), "\(error)")
        // The ledger has it a moment before the service says so.
        try await again.awaitTrouble([row], "cold")
        try await poll("the finding in the log") { again.output.contains(row) }
        let verify = try await stage.run(["verify", "--deep"])
        #expect(try await verify.status() == .exited(1))
        #expect(verify.output.contains(row), "\(verify.output)")
        #expect(await again.stop() == .exited(0))
        #expect(await hot.stop() == .exited(0))
        await server.remove()
    }

    enum Change: CaseIterable {
        case altered, removed, forged

        var sql: String {
            switch (self, ColdFormat.underTest) {
            case (.altered, .rows):
                "UPDATE thermocline_store.trade SET price = price + 1 WHERE trade_id = 'trade_id-3'"
            case (.altered, .segments):
                "UPDATE thermocline_store.segment_trade SET price = set_byte(price, 3, get_byte(price, 3) # 1)"
            case (.removed, .rows): "DELETE FROM thermocline_store.trade WHERE trade_id = 'trade_id-3'"
            case (.removed, .segments): "DELETE FROM thermocline_store.segment_trade"
            case (.forged, _):
                """
                INSERT INTO thermocline_store.trade SELECT (forged).* FROM (
                    SELECT jsonb_populate_record(NULL::thermocline_store.trade, to_jsonb(t) || '{"trade_id": "forged"}')
                    FROM thermocline.trade t WHERE trade_id = 'trade_id-3') AS t (forged)
                """
            }
        }
    }

    @Test(arguments: Change.allCases) func `a cold row changed behind our back is found by the scrub and named`(
        change: Change
    ) async throws {
        let stage = try await Stage(Self.settings)
        let (hot, cold) = try await proved(stage)
        let metrics = try await RawClient.request(try await cold.port("cold"), "GET", "/metrics").body
        #expect(metrics.contains(#"thermocline_archive_oldest_verification_timestamp_seconds{type="trade"} 1"#))
        #expect(metrics.contains(#"thermocline_scrub_ranges_total{type="trade"} "#))
        let clean = try await stage.run(["verify", "--deep", "--json", "--type", "trade"])
        #expect(try await clean.status() == .exited(0))
        #expect(clean.output.contains(#""rows": 20"#) && clean.output.contains(#""findings": []"#), "\(clean.output)")

        try await stage.script(stage.cold, change.sql)
        let error = try await finding(stage)
        #expect(error.contains(change == .forged ? "trade_id=forged" : "trade_id=trade_id-3"), "\(error)")
        try await cold.awaitTrouble([], "cold")
        #expect(await cold.stop() == .exited(0))
        #expect(await hot.stop() == .exited(0))
    }
}

/// Where cold keeps the price of trade 13 of 20.
private struct Stored {
    let path: String
    /// Bytes that stand before it, and its own, of which a bit of the one at `place` is of its last digits.
    let before: Data
    let price: Data
    let place: Int

    init(_ stage: Stage) async throws {
        let table = ColdFormat.underTest == .segments ? "segment_trade" : "trade"
        path = try #require(
            try await stage.scalar(
                stage.cold,
                """
                SELECT current_setting('data_directory') || '/' || pg_relation_filepath(tableoid)
                FROM thermocline_store.\(table) LIMIT 1
                """
            )
        )
        switch ColdFormat.underTest {
        case .rows:
            // A numeric is groups of four digits: 14 and 5000 are the 14.5 behind the trade's id.
            (before, price, place) = (Data("trade_id-13".utf8), Data([0x0E, 0, 0x88, 0x13]), 0)
        case .segments:
            // Prices stand behind the ids, byte 13 of their one plane is number 13.
            let plane = "SELECT encode(price, 'base64') FROM thermocline_store.segment_trade"
            let text = try #require(try await stage.scalar(stage.cold, plane))
            (before, price, place) = (Data("trade_id-19".utf8), try #require(Data(base64Encoded: text)), 13)
            try #require(price.count == 20)
        }
    }

    /// Flips one bit of it; no server runs.
    func flip() throws {
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        let bytes = try #require(try file.readToEnd())
        let behind = try #require(bytes.range(of: before)).upperBound
        let found = try #require(bytes.range(of: price, in: behind..<min(behind + 256, bytes.count)))
        let offset = found.lowerBound + place
        try file.seek(toOffset: UInt64(offset))
        try file.write(contentsOf: [bytes[offset] ^ 1])
        try file.close()
    }
}

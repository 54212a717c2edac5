import Foundation
import Platform
import PrivateServers
import Records
import TestSupport
import Testing

/// What changes in cold long after its proof, by whatever means, is found by reading it again.
@Suite(.serialized, .privatePostgres, .privateNATS, .timeLimit(.minutes(5))) struct ScrubTests {
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

        let path = try #require(
            try await stage.scalar(
                stage.cold,
                """
                SELECT current_setting('data_directory') || '/' || pg_relation_filepath(tableoid)
                FROM thermocline_store.trade WHERE trade_id = 'trade_id-13'
                """
            )
        )
        try await stage.script(stage.cold, "CHECKPOINT")
        await server.stop()
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        let bytes = try #require(try file.readToEnd())
        // A numeric is groups of four digits: 14 and 5000 are the 14.5 behind the trade's id.
        let id = try #require(bytes.range(of: Data("trade_id-13".utf8)))
        let price = try #require(bytes.range(of: Data([0x0E, 0, 0x88, 0x13]), in: id.upperBound..<id.upperBound + 16))
        try file.seek(toOffset: UInt64(price.lowerBound))
        try file.write(contentsOf: [bytes[price.lowerBound] ^ 1])
        try file.close()
        try await server.start()

        let again = try await stage.run(["cold"])
        let error = try await finding(stage)
        #expect(error.contains("scrub: cold holds 20 rows") && error.contains("must be 20 rows"), "\(error)")
        let row = "trade_id=trade_id-13: hot price=14.5 / cold price=15.5"
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

    static let changes = [
        "UPDATE thermocline_store.trade SET price = price + 1 WHERE trade_id = 'trade_id-3'",
        "DELETE FROM thermocline_store.trade WHERE trade_id = 'trade_id-3'",
        """
        INSERT INTO thermocline_store.trade SELECT (t).* FROM (
            SELECT jsonb_populate_record(t, '{"trade_id": "forged"}') AS t FROM thermocline_store.trade t
            WHERE trade_id = 'trade_id-3') AS forged
        """,
    ]

    @Test(arguments: changes) func `a cold row changed behind our back is found by the scrub and named`(
        change: String
    ) async throws {
        let stage = try await Stage(Self.settings)
        let (hot, cold) = try await proved(stage)
        let metrics = try await RawClient.request(try await cold.port("cold"), "GET", "/metrics").body
        #expect(metrics.contains(#"thermocline_archive_oldest_verification_timestamp_seconds{type="trade"} 1"#))
        #expect(metrics.contains(#"thermocline_scrub_ranges_total{type="trade"} "#))
        let clean = try await stage.run(["verify", "--deep", "--json", "--type", "trade"])
        #expect(try await clean.status() == .exited(0))
        #expect(clean.output.contains(#""rows": 20"#) && clean.output.contains(#""findings": []"#), "\(clean.output)")

        try await stage.script(stage.cold, change)
        let error = try await finding(stage)
        #expect(error.contains(change.contains("forged") ? "trade_id=forged" : "trade_id=trade_id-3"), "\(error)")
        try await cold.awaitTrouble([], "cold")
        #expect(await cold.stop() == .exited(0))
        #expect(await hot.stop() == .exited(0))
    }
}

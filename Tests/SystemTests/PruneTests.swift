import Platform
import PrivateServers
import Records
import TestSupport
import Testing

/// Only what is proved in cold leaves hot, and only when it is due.
@Suite(.serialized, .privatePostgres, .privateNATS, .timeLimit(.minutes(3))) struct PruneTests {
    private func trades(_ numbers: some Sequence<Int>) throws -> [SampleMessage] {
        let type = try #require(Catalog.standard.type(named: "trade"))
        return numbers.map { SampleMessage(type, number: $0) }
    }

    private func counts(_ stage: Stage) async throws -> [String?] {
        let count = "SELECT count(*) FROM thermocline.trade"
        return [try await stage.scalar(stage.hot, count), try await stage.scalar(stage.cold, count)]
    }

    private func states(_ stage: Stage) async throws -> [String?] {
        try await stage.rows(stage.cold, "SELECT state FROM thermocline_store.transfer ORDER BY range_start")
            .map { $0[0] }
    }

    @Test func `rows past retention leave hot by themselves, younger ones stay`() async throws {
        let stage = try await Stage(["hot.retention=1h"])
        let both = try await stage.run(["both"])
        try await stage.awaitReading(both)
        // Milliseconds: the second ten are of the next day, and so new that their own day is not past retention.
        try await stage.publish(try trades(0..<10) + trades(90_000_000..<90_000_010))
        try await poll("the first day pruned", within: .seconds(30)) {
            try await states(stage) == ["pruned", "verified"]
        }
        #expect(try await counts(stage) == ["10", "20"])
        #expect(await both.stop() == .exited(0))
    }

    @Test func `a hot row that changed since it was proved is not pruned, and halts its type`() async throws {
        let stage = try await Stage()
        let both = try await stage.run(["both"])
        try await stage.awaitReading(both)
        try await stage.publish(try trades(0..<10))
        try await poll("verified", within: .seconds(30)) { try await states(stage) == ["verified"] }
        try await stage.script(stage.hot, "UPDATE thermocline_store.trade SET price = 7 WHERE trade_id = 'trade_id-3'")
        _ = try await stage.request(both, "trade")
        try await poll("mismatched", within: .seconds(30)) { try await states(stage) == ["mismatched"] }
        #expect(try await counts(stage) == ["10", "10"])
        #expect(try await both.health("cold").trouble.contains("nothing was pruned"))
        #expect(await both.stop() == .exited(0))
    }

    @Test func `a hot row that was taken away before the copy leaves its range unaccounted for`() async throws {
        let stage = try await Stage()
        let hot = try await stage.run(["hot"])
        try await stage.awaitReading(hot)
        try await stage.publish(try trades(0..<10))
        try await stage.awaitStored()
        try await stage.script(stage.hot, "DELETE FROM thermocline_store.trade WHERE trade_id = 'trade_id-3'")
        let cold = try await stage.run(["cold"])
        try await poll("unaccounted", within: .seconds(30)) { try await states(stage) == ["unaccounted"] }
        #expect(try await counts(stage) == ["9", "0"])
        try await poll("health says so", within: .seconds(10)) {
            let health = try await cold.health("cold")
            return health.status == "degraded" && health.trouble.contains("trade: unaccounted ranges: 1")
        }
        #expect(await cold.stop() == .exited(0))
        #expect(await hot.stop() == .exited(0))
    }

    @Test func `a cold database that lacks a proof of what was pruned is refused`() async throws {
        let stage = try await Stage()
        let hot = try await stage.run(["hot"])
        try await stage.awaitReading(hot)
        try await stage.publish(try trades(0..<10))
        try await stage.awaitStored()
        let cold = try await stage.run(["cold"])
        try await stage.archiveEverything(cold)
        #expect(await cold.stop() == .exited(0))
        // As a backup from before the archive would have it.
        try await stage.script(
            stage.cold,
            "TRUNCATE thermocline_store.transfer, thermocline_store.manifest, thermocline_store.trade"
        )
        try await stage.publish(try trades(10..<20))
        try await stage.awaitStored()
        let restored = try await stage.run(["cold"])
        try await poll("unhealthy", within: .seconds(30)) {
            let health = try await restored.health("cold")
            return health.code == 503 && health.trouble.contains("older backup")
        }
        #expect(try await counts(stage) == ["10", "0"])
        #expect(restored.lines("archive lost").isEmpty == false)
        #expect(await restored.stop() == .exited(0))
        #expect(await hot.stop() == .exited(0))
    }
}

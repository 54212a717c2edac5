import Platform
import PrivateServers
import Records
import TestSupport
import Testing

/// Only what is proved in cold leaves hot, and only when it is due.
@Suite(.serialized, .privatePostgres, .privateNATS, .bothFormats, .timeLimit(.minutes(3))) struct PruneTests {
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
        try await stage.expectFormat()
        #expect(await both.stop() == .exited(0))
    }

    @Test func `what would leave hot is told with its SQL, and nothing is changed`() async throws {
        let stage = try await Stage(["hot.retention=1h", "archive.prune=false"])
        let both = try await stage.run(["both"])
        try await stage.awaitReading(both)
        try await stage.publish(try trades(0..<10) + trades(90_000_000..<90_000_010))
        try await poll("both days verified", within: .seconds(30)) {
            try await states(stage) == ["verified", "verified"]
        }
        let told = try await stage.run(["prune", "--dry-run", "--type", "trade"], ["archive.prune=true"])
        #expect(try await told.status() == .exited(0))
        #expect(told.output.contains("trade 2026-11-18T00:00:00Z..<2026-11-19T00:00:00Z: 1 ranges, 10 rows, "))
        #expect(told.output.contains("DETACH PARTITION thermocline_store.trade_p20261118"))
        #expect(told.output.contains("10 rows stay: not all of it is past retention by both clocks"))
        try await stage.script(
            stage.hot,
            "INSERT INTO thermocline_store.pin (type, range_start, range_end, reason, expires_at) "
                + "VALUES ('trade', '2026-11-18', '2026-11-19', 'an incident', now() + interval '1 hour')"
        )
        let pinned = try await stage.run(["prune", "--dry-run"], ["archive.prune=true"])
        #expect(try await pinned.status() == .exited(0))
        #expect(pinned.output.contains("10 rows stay: pinned until"))
        #expect(pinned.output.contains("0 rows, 0 bytes would leave hot now; nothing was changed"))
        #expect(try await counts(stage) == ["20", "20"])
        let refused = try await stage.run(["prune"])
        #expect(try await refused.status() == .exited(2))
        #expect(refused.output.contains("add --dry-run"))
        #expect(await both.stop() == .exited(0))
    }

    @Test func `a day that left hot rests there, and is dropped once cold was read again`() async throws {
        let stage = try await Stage(["hot.retention=1h", "archive.undo=1h"])
        let both = try await stage.run(["both"])
        try await stage.awaitReading(both)
        try await stage.publish(try trades(0..<10) + trades(90_000_000..<90_000_010))
        try await poll("the first day pruned", within: .seconds(30)) {
            try await states(stage) == ["pruned", "verified"]
        }
        let resting = "SELECT string_agg(partition, ' ') FROM thermocline_store.resting"
        #expect(try await stage.scalar(stage.hot, resting) == "trade_p20261118")
        #expect(both.lines("partition rests").count == 1)
        // Late rows make the day again, and leave by DELETE while it rests.
        try await stage.publish(try trades(10..<12))
        try await poll("the late rows archived and gone", within: .seconds(30)) {
            try await counts(stage) == ["10", "22"]
        }
        #expect(await both.stop() == .exited(0))
        let again = try await stage.run(["both"], ["archive.undo=0s"])
        try await poll("nothing rests", within: .seconds(30)) { try await stage.scalar(stage.hot, resting) == nil }
        #expect(try await counts(stage) == ["10", "22"])
        try await stage.expectFormat()
        #expect(again.lines("partition dropped").isEmpty == false)
        #expect(try await again.health("cold").status == "healthy")
        #expect(await again.stop() == .exited(0))
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
        try await stage.expectFormat()
        #expect(await cold.stop() == .exited(0))
        // As a backup from before the archive would have it.
        try await stage.script(
            stage.cold,
            "TRUNCATE thermocline_store.transfer, thermocline_store.manifest, thermocline_store.trade"
                + (ColdFormat.underTest == .segments ? ", thermocline_store.segment_trade" : "")
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

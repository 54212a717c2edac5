import PrivateServers
import TestSupport
import Testing

/// Hot goes back to what it was, as an older replica is that was promoted: what left it is there again, what came since
/// is not.
@Suite(.serialized, .slow, .filledHot, .timeLimit(.minutes(5)))
struct HotFailoverTests {
    @Test(.bothFormats, arguments: [false, true])
    func `rows that were pruned and are in hot again are proved and pruned again`(_ deletes: Bool) async throws {
        let run = try await FaultRun.archiving(deletes: deletes)
        let backup = try await run.backUp(run.stage.hot)
        let first = try await run.startCold()
        try await run.expectArchived()
        #expect(await first.stop() == .exited(0))
        try await run.restore(backup, to: run.stage.hot)
        #expect(try await run.rowCounts() == ["211", "211"])

        let second = try await run.startCold()
        try await poll("pruned again", within: .seconds(20)) { try await run.rowCounts() == ["10", "211"] }
        try await run.expectArchived()
        try await second.awaitHealthy("cold")
        #expect(await second.stop() == .exited(0))
        let manifests = "SELECT count(*) FROM thermocline_store.manifest"
        #expect(try await run.stage.scalar(run.stage.cold, manifests) == "3")
        #expect(try await run.stage.run(["verify", "--deep"]).status() == .exited(0))
        try await run.expectNothingToDo()
    }

    @Test(.bothFormats) func `what cold holds and hot lost stays, and comes to hot again from the stream`() async throws
    {
        let run = try await FaultRun.archiving(publishes: true)
        let backup = try await run.backUp(run.stage.hot)
        let hot = try await run.start()
        try await run.publish(20)
        try await run.publish(5, poison: 0, days: 4)
        try await run.settle()
        #expect(await hot.stop() == .exited(0))
        let first = try await run.startCold()
        try await poll("two days pruned", within: .seconds(20)) { try await run.rowCounts() == ["5", "236"] }
        #expect(await first.stop() == .exited(0))
        try await run.restore(backup, to: run.stage.hot)

        // The newest day is gone from hot, and of the oldest cold holds more; hot's clock is back, too.
        let second = try await run.startCold()
        try await poll("pruned again", within: .seconds(20)) {
            let sql = "SELECT string_agg(state || hot_rows, ' ' ORDER BY range_start) FROM thermocline_store.transfer"
            return try await run.stage.scalar(run.stage.cold, sql) == "pruned201 verified10 verified0"
        }
        #expect(try await run.rowCounts() == ["10", "236"])
        try await second.awaitHealthy("cold")
        let lane = try await run.start()
        try await poll("read again and pruned again", within: .seconds(30)) {
            try await run.rowCounts() == ["5", "236"]
        }
        try await run.expectExact()
        try await run.stage.expectFormat()
        try await second.awaitHealthy("cold")
        #expect(second.lines("transfer failed").isEmpty)
        #expect(await lane.stop() == .exited(0))
        #expect(await second.stop() == .exited(0))
        try await run.expectNothingToDo()
    }

    @Test func `a standby that lags is promoted under the archiver, which prunes again what came back`() async throws {
        let run = try await FaultRun.archiving()
        let standby = try await PrivatePostgres(.init(listensOnTCP: true), standbyOf: .current)
        let successor = standby.conninfo(try await run.stage.database(run.stage.hot))
        try await run.stopFollowing(successor)
        let archiver = try await run.startCold()
        try await run.expectArchived()

        run.postgres.redirect(to: standby.port)
        run.postgres.cut()
        try await archiver.awaitTrouble(["25006", "promote it", "nothing was pruned"], "cold")
        #expect(try await run.stage.scalar(successor, "SELECT pg_promote()") == "t")
        try await poll("pruned again", within: .seconds(30)) {
            try await run.stage.scalar(successor, "SELECT count(*) FROM thermocline.trade") == "10"
        }
        try await run.expectExact(in: successor)
        try await archiver.awaitHealthy("cold")
        #expect(await archiver.stop() == .exited(0))
        await standby.remove()
    }
}

import Foundation
import Postgres
import PrivateServers
import TestSupport
import Testing

/// Wall clocks that jump by a day: what is stored and who stores it depends on no clock.
@Suite(
    .serialized,
    .slow,
    .privatePostgres(.init(listensOnTCP: true, environment: FakeClock.ofServer)),
    .privateNATS,
    .timeLimit(.minutes(3)),
    .enabled(if: FakeClock.library != nil, "needs the Debian package libfaketime")
)
struct ClockFaultTests {
    static let jumps = ["+1d", "-1d"]

    /// Lets the clock of the server jump, and sees that it did.
    private func jump(_ offset: String) async throws {
        try FakeClock(of: .current).jump(offset)
        let session = try await PostgresConnection(PrivatePostgres.current.conninfo(), applicationName: "clock")
        let sql = "SELECT round((extract(epoch FROM clock_timestamp()) - $1) / 86400)"
        let days = try await session.execute(sql, ["\(Date.now.timeIntervalSince1970)"]).scalar
        await session.close()
        #expect(days == String(offset.filter { $0 == "-" || $0.isNumber }))
    }

    @Test(arguments: jumps) func `a lane does not notice that the database's clock jumps`(_ offset: String) async throws
    {
        try await jump("+0")
        let run = try await FaultRun()
        let hot = try await run.startReading(["ingest.takeover=1s"])
        try await jump(offset)
        try await run.publish(100)
        try await run.expectExact()
        try await run.expectHeartbeats()
        #expect(hot.lines("lane claimed").count == 1)
        try await hot.awaitHealthy()
    }

    @Test(arguments: jumps) func `an owner stopped before the clock jumps is waited for no longer than without`(
        _ offset: String
    ) async throws {
        try await jump("+0")
        let run = try await FaultRun()
        let first = try await run.startReading()
        run.hold(at: .copyHalfSent)
        try await run.publish(200)
        _ = try await run.takeOver(from: first) { try await jump(offset) }
    }

    @Test(arguments: jumps) func `two instances stay one owner and one that waits while the clock jumps`(
        _ offset: String
    ) async throws {
        try await jump("+0")
        let run = try await FaultRun()
        let daemons = [try await run.startReading(), try await run.start()]
        try await daemons[1].awaitTrouble(["held by"])
        try await jump(offset)
        try await run.publish(200)
        try await run.expectExact()
        try await run.expectOneOwner(of: daemons)
        try await jump("+0")
        try await run.publish(200)
        try await run.expectExact()
        try await run.expectOneOwner(of: daemons)
    }

    @Test(arguments: jumps) func `our own clock may jump: the lane goes on, and only ingested_at says so`(
        _ offset: String
    ) async throws {
        try await jump("+0")
        let clock = try FakeClock()
        let run = try await FaultRun()
        let hot = try await run.startReading(["ingest.takeover=1s"], on: clock)
        try clock.jump(offset)
        try await run.expectHeartbeats()
        try await run.publish(100)
        try await run.expectExact()
        try await run.expectHeartbeats()
        try await hot.awaitHealthy(within: .seconds(5))
        #expect(hot.lines("lane claimed").count == 1)
        let jumped = "SELECT count(*) FROM thermocline.trade WHERE abs(extract(epoch FROM ingested_at - now())) > 80000"
        #expect(try await run.stage.scalar(run.stage.hot, jumped) == "100")
    }
}

extension FaultRun {
    /// Waits until an idle lane has said a few times more that it lives.
    func expectHeartbeats() async throws {
        var seen: Set<String> = []
        try await poll("three heartbeats", within: .seconds(10)) {
            let sql = "SELECT seen_at FROM thermocline_store.ingest_position"
            if let at = try await stage.scalar(stage.hot, sql) { seen.insert(at) }
            return seen.count > 3
        }
    }

    /// Waits until one instance reads and the others wait for it.
    func expectOneOwner(of daemons: [Daemon]) async throws {
        try await poll("one that reads, the others waiting", within: .seconds(10)) {
            var states: [String?] = []
            for daemon in daemons { states.append(try await daemon.lane("state")) }
            return states.count { $0 == "reading" } == 1 && states.count { $0 == "waiting" } == daemons.count - 1
        }
    }
}

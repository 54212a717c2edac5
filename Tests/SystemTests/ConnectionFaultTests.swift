import Glibc
import PrivateServers
import TestSupport
import Testing

/// Connections that end at the worst moment: what is settled is asked of the database, not of the consumer.
@Suite(.serialized, .slow, .privatePostgres(.init(listensOnTCP: true)), .privateNATS, .timeLimit(.minutes(3)))
struct ConnectionFaultTests {
    /// Far less than ack_wait, 30 s: redelivery is not what saves us.
    private static let soon = Duration.seconds(10)

    @Test func `a connection cut with half a batch read costs seconds and no message`() async throws {
        let run = try await FaultRun()
        let hot = try await run.startReading()
        // Stopped, it can read nothing: the server delivers all, the proxy passes half of it on and cuts.
        hot.process.send(SIGSTOP)
        run.nats.cut(afterBytesToClients: 20_000)
        try await run.publish(200)
        hot.process.send(SIGCONT)
        try await run.expectExact(within: Self.soon)
        #expect(hot.lines("lane claimed").count > 1)
        try await hot.awaitHealthy()
    }

    @Test(arguments: [false, true])
    func `a COMMIT without an answer is asked for, whether it happened or not`(happened: Bool) async throws {
        let run = try await FaultRun()
        let hot = try await run.startReading()
        let known = try #require(await run.position())
        run.postgres.hold(happened ? .answer(to: LaneStep.commit) : .request(LaneStep.commit))
        try await run.publish(200)
        try await run.awaitHeld()
        // Nothing is acknowledged that is not known to be stored.
        #expect(try await run.acknowledged() ?? 0 <= known)
        run.postgres.cut()
        try await poll("the lane claimed again", within: Self.soon) { hot.lines("lane claimed").count == 2 }
        try await run.expectExact(within: Self.soon)
        #expect(hot.hasWaited(for: "unknownOutcome"))
        // A COMMIT that happened is not repeated: what it stored is not read again.
        #expect(try await hot.lane("repeated") == "0")
    }

    @Test func `sessions ended by an administrator again and again, idle or at work, cost no message`() async throws {
        let run = try await FaultRun()
        let hot = try await run.startReading()
        for round in 0..<20 {
            async let published: Void = run.publish(100)
            // Every other time after the load: the session is idle then, and its end is noticed by the next batch.
            if round.isMultiple(of: 2) { try await published }
            _ = try await run.stage.rows(run.stage.hot, Self.terminate)
            try await published
        }
        try await run.expectExact(within: Self.soon)
        #expect(hot.hasWaited(for: "57P01"))
        try await hot.awaitHealthy()
    }

    static let terminate =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'thermocline trade'"
}

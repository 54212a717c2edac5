import Glibc
import Platform
import PrivateServers
import TestSupport
import Testing

/// Two instances and one lane: one owns it, the other waits, and a stale owner can do no harm.
@Suite(.serialized, .slow, .privatePostgres(.init(listensOnTCP: true)), .privateNATS, .timeLimit(.minutes(3)))
struct TakeOverFaultTests {
    /// Short, as these tests wait for it to pass; the shortest is too short for an owner on a busy machine.
    private static let soon = ["ingest.takeover=2s"]

    @Test(arguments: [LaneStep.copyHalfSent, .activity])
    func `an owner stopped in its transaction does not commit once another one has the lane`(_ step: LaneStep)
        async throws
    {
        let run = try await FaultRun()
        let first = try await run.startReading(Self.soon)
        run.hold(at: step)
        try await run.publish(200)
        _ = try await run.takeOver(from: first, Self.soon)
    }

    @Test func `the late ack of a stale owner does not touch the new one's consumer`() async throws {
        let run = try await FaultRun()
        let first = try await run.startReading(Self.soon)
        run.hold(at: .commitAnswered)
        try await run.publish(200)
        _ = try await run.takeOver(from: first, Self.soon)
        // The new consumer is acknowledged up to the end; a late ack under its own name would have stopped that.
        let end = await run.position()
        try await poll("everything acknowledged") { try await run.acknowledged() == end }
    }

    @Test func `the late deletion of an old consumer by a stale owner does not touch the new one's`() async throws {
        let run = try await FaultRun()
        #expect(try await run.startReading(Self.soon).stop() == .exited(0))
        // It has the lane, and has read the name of the consumer before its own.
        run.nats.hold(.request("PUB $JS.API.CONSUMER.DELETE."))
        let first = try await run.start(Self.soon)
        try await run.publish(100)
        _ = try await run.takeOver(from: first, Self.soon)
    }

    @Test func `an owner whose session nobody can end is stopped by the fence`() async throws {
        let run = try await FaultRun()
        let first = try await run.startReading(Self.soon)
        run.postgres.hold(.request("BEGIN ISOLATION"))
        try await run.publish(200)
        try await run.awaitHeld()
        // As after a fail-over: the session that is recorded is not one that this server knows.
        try await run.stage.script(
            run.stage.hot,
            "UPDATE thermocline_store.ingest_position SET backend_start = backend_start - interval '1 s'"
        )
        let second = try await run.takeOver(from: first, Self.soon)
        try await poll("the stale one told who has the lane") {
            first.hasWaited(for: "was taken over by")
        }
        #expect(await second.stop() == .exited(0))
    }

    @Test func `an idle owner is not taken for a dead one, however short the patience`() async throws {
        let run = try await FaultRun()
        let shortest = ["ingest.takeover=1s"]
        let first = try await run.startReading(shortest)
        let second = try await run.start(shortest)
        // It asks once a second.
        try await poll("asked five times", within: .seconds(20)) { second.lines("lane held by another").count == 5 }
        // One take-over may be the work of a busy machine; where fetches last too long there is one every other second.
        #expect(run.claims([first, second]) <= 2)
    }

    /// Whose answer the first to come waits for while the other one goes on: that it may try, or that it has won.
    enum Meeting: String, CaseIterable {
        case readTheOwner = "SELECT p.owner, p.owner_host"
        case claimed = "SET owner = $3"
    }

    @Test(arguments: Meeting.allCases)
    func `of two instances that start at once one owns the lane, and each may be killed`(_ meeting: Meeting)
        async throws
    {
        let run = try await FaultRun()
        try await run.startReading().stop()
        run.postgres.hold(.answer(to: meeting.rawValue))
        async let one = run.start()
        async let two = run.start()
        var daemons = [try await one, try await two]
        try await run.awaitHeld()
        try await run.publish(100)
        try await poll("the other one at the lock, or past it", within: .seconds(20)) {
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            if try await run.stage.scalar(run.stage.hot, waiting) == "1" { return true }
            return run.claims(daemons) > 0
        }
        run.postgres.release()
        for round in 0..<3 {
            try await run.expectExact(within: .seconds(10))
            let owners = try await poll("one that reads and one that waits", within: .seconds(10)) {
                var states: [String?] = []
                for daemon in daemons { states.append(try await daemon.lane("state")) }
                return states.compactMap(\.self).sorted() == ["reading", "waiting"]
                    ? states.map { $0 == "reading" } : nil
            }
            let owner = try #require(owners.firstIndex(of: true))
            // Who came second did not end the session of who came first.
            if round == 0 { #expect(run.claims(daemons) == 1) }
            async let published: Void = run.publish(200)
            await daemons[owner].kill()
            try await published
            daemons[owner] = try await run.start()
        }
        try await run.expectExact(within: .seconds(10))
    }
}

extension FaultRun {
    /// Stops `first` where it is held, lets another instance take over and work, and wakes the stale one.
    ///
    /// `meanwhile` runs between the stop and the start of the other one.
    func takeOver(
        from first: Daemon,
        _ settings: [String] = [],
        meanwhile: () async throws -> Void = {}
    ) async throws -> Daemon {
        try await awaitHeld()
        first.process.send(SIGSTOP)
        try await meanwhile()
        let second = try await start(settings)
        // Less than ingest.takeover where that is not shortened.
        try await stage.awaitReading(second, lanes: 1, within: .seconds(10))
        try await expectExact()
        postgres.release()
        nats.release()
        first.process.send(SIGCONT)
        // It has noticed once it says that another one holds the lane.
        try await first.awaitTrouble(["held by"])
        try await publish(100)
        try await expectExact()
        #expect(second.lines("lane claimed").count == 1, "the new owner was disturbed")
        #expect(second.lines("lane restarted").isEmpty)
        return second
    }

    /// How often instances have taken the lane.
    func claims(_ daemons: [Daemon]) -> Int { daemons.reduce(0) { $0 + $1.lines("lane claimed").count } }
}

import PrivateServers
import TestSupport
import Testing

/// `kill -9` at every step of a lane's life: what is not committed is read again, what is committed is not.
@Suite(.serialized, .slow, .privatePostgres(.init(listensOnTCP: true)), .privateNATS, .timeLimit(.minutes(5)))
struct KillStepFaultTests {
    @Test(arguments: LaneStep.allCases)
    func `an instance killed at any step loses nothing and stores nothing twice`(_ step: LaneStep) async throws {
        let run = try await FaultRun()
        if step.isOpening {
            try await run.startReading().stop()
            run.hold(at: step)
        }
        let first = step.isOpening ? try await run.start() : try await run.startReading()
        if !step.isOpening { run.hold(at: step) }
        let before = try #require(await run.position())
        try await run.publish(200)
        try await run.awaitHeld()
        // A slow publisher's first messages may be a batch of their own, stored before the one that is held.
        let held = try #require(await run.position())
        try await run.killHeld(first)
        // It was killed where this says: only a COMMIT moves the position.
        let after = try #require(await run.position())
        #expect(step < .commitSent ? after == held : after > before)

        let second = try await run.start()
        // Far less than ingest.takeover, 15 s, and than ack_wait, 30 s: neither is what the rest waits for.
        try await run.expectExact(within: .seconds(8))
        try await run.publish(20)
        try await run.expectExact()
        #expect(await second.stop() == .exited(0))
    }
}

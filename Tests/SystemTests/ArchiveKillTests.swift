import PrivateServers
import TestSupport
import Testing

/// `kill -9` of the archiver at every step of a range's way: what is committed stays, the rest is done again, once.
@Suite(.serialized, .slow, .filledHot, .bothFormats, .timeLimit(.minutes(5)))
struct ArchiveKillTests {
    @Test(arguments: ArchiveStep.allCases)
    func `an archiver killed at any step loses nothing and moves nothing twice`(_ step: ArchiveStep) async throws {
        guard step.isDue else { return }
        let run = try await FaultRun.archiving(deletes: step.deletes)
        let first = try await run.startCold(until: step.places)
        try await run.killHeld(first)
        // It was killed where this says.
        try await poll("its transactions ended", within: .seconds(5)) { try await run.committed() == step.committed }

        let second = try await run.startCold()
        try await run.expectArchived()
        try await second.awaitHealthy("cold")
        #expect(await second.stop() == .exited(0))
        try await run.expectNothingToDo()
    }
}

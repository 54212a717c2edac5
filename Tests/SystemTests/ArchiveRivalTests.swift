import Adapters
import Glibc
import PrivateServers
import TestSupport
import Testing

/// Two archivers: one holds the lease, and one that has lost it without knowing neither copies nor prunes.
@Suite(.serialized, .slow, .filledHot, .timeLimit(.minutes(5)))
struct ArchiveRivalTests {
    @Test(
        .bothFormats,
        arguments: [ArchiveStep.snapshotHalfRead, .copyHalfSent, .manifestAdded, .rests, .dropped, .deleted]
    )
    func `a holder stopped past its lease changes nothing once another one took over`(_ step: ArchiveStep) async throws
    {
        guard step.isDue else { return }
        let run = try await FaultRun.archiving(deletes: step.deletes)
        let first = try await run.startCold(until: step.places)
        try await run.takeOver(from: first) { run.release() }
    }

    @Test(.bothFormats, arguments: [ArchiveStep.copyHalfSent, .rests, .deleted])
    func `what another one restored and pinned is neither copied nor pruned by a stale holder`(
        _ step: ArchiveStep
    ) async throws {
        guard step.isDue else { return }
        let run = try await FaultRun.archiving(deletes: step.deletes)
        let first = try await run.startCold(until: step.places)
        first.process.send(SIGSTOP)
        let second = try await run.startCold()
        try await run.expectArchived()
        let days = ["--type", "trade", "--from", "2026-11-18T00:00:00Z", "--to", "2026-11-19T00:00:00Z"]
        let restore = try await run.stage.run(["restore"] + days)
        #expect(try await restore.status() == .exited(0), "\(restore.output)")
        try await poll("proved again, and kept", within: .seconds(20)) {
            let sql = """
                SELECT string_agg(concat(state, ' ', left(error, 6)), ', ' ORDER BY range_start)
                FROM thermocline_store.transfer
                """
            return try await run.stage.scalar(run.stage.cold, sql) == "verified pinned, verified "
        }
        let before = try await run.records()

        run.release()
        first.process.send(SIGCONT)
        try await first.awaitTrouble(["holds the lease"], "cold")
        #expect(try await run.records() == before, "the stale holder wrote")
        #expect(await second.stop() == .exited(0))
        // In its turn it keeps to the pin as well.
        try await first.awaitHealthy("cold")
        let passes = try await first.passes()
        try await poll("two passes more") { try await first.passes() >= passes + 2 }
        #expect(try await run.records() == before)
        #expect(try await run.rowCounts() == ["211", "211"])
        #expect(await first.stop() == .exited(0))
    }

    /// What a holder was about to begin: its transaction is not open, so that nothing but the fence can stop it.
    enum Intent: String, CaseIterable {
        case copy, manifest, drop, delete

        var places: [ArchiveStep.Place] {
            let begin = Hold.request("BEGIN ISOLATION")
            return switch self {
            case .copy: [(.hot, .request("BEGIN ISOLATION LEVEL REPEATABLE READ"))]
            case .manifest: [(.cold, .answer(to: "COPY (SELECT")), (.cold, begin)]
            case .drop: [(.hot, .answer(to: "FROM thermocline_pruned")), (.hot, begin)]
            case .delete: [(.hot, .answer(to: "FROM thermocline_store.pin")), (.hot, begin)]
            }
        }
    }

    @Test(arguments: Intent.allCases)
    func `a holder whose sessions nobody can end is stopped by the fence`(_ intent: Intent) async throws {
        let run = try await FaultRun.archiving(deletes: intent == .delete)
        let first = try await run.startCold(until: intent.places)
        // It does not hear of it by its lease either.
        run.cold.hold(.request("SET expires_at = now()"))
        try await poll("a renewal of the lease") { run.cold.isHolding }
        // As after a fail-over: the sessions that are recorded are not ones that the servers know.
        for tier in [run.stage.hot, run.stage.cold] {
            try await run.stage.script(
                tier,
                "UPDATE thermocline_store.archive_session SET backend_start = backend_start - interval '1 s'"
            )
        }
        try await run.takeOver(from: first) { run.proxy(intent == .manifest ? .cold : .hot).release() }
        // What holds cold's BEGIN holds the lease's renewal too: either may tell it first.
        #expect(intent == .manifest || first.hasFailed(for: "another archiver has taken over"))
    }
}

extension FaultRun {
    /// Stops `first` past its lease, lets another archiver take over and finish, and wakes the stale one.
    fileprivate func takeOver(from first: Daemon, release: () -> Void) async throws {
        first.process.send(SIGSTOP)
        let second = try await startCold()
        try await expectArchived()
        let before = try await records()
        release()
        first.process.send(SIGCONT)
        try await first.awaitTrouble(["holds the lease"], "cold")
        #expect(first.hasFailed(for: "another archiver"))
        #expect(try await records() == before, "the stale holder wrote")
        #expect(second.lines("lease taken").count == 1, "the new holder was disturbed")
        #expect(second.lines("pass failed").isEmpty)
        #expect(await second.stop() == .exited(0))

        // In its turn it has nothing to do.
        self.release()
        let passes = try await first.passes()
        try await first.awaitHealthy("cold")
        try await poll("two passes more") { try await first.passes() >= passes + 2 }
        try await expectArchived()
        #expect(try await records() == before)
        #expect(await first.stop() == .exited(0))
    }
}

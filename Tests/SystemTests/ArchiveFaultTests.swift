import Adapters
import PrivateServers
import Records
import TestSupport
import Testing

/// Connections, disks and databases that fail under the archiver: it waits, says why, and goes on by itself.
@Suite(.serialized, .slow, .filledHot, .timeLimit(.minutes(5)))
struct ArchiveFaultTests {
    private static let cut: [ArchiveStep] = [
        .snapshotHalfRead, .copyHalfSent, .copyCommitted, .readBack, .manifestCommitted, .restCommitted, .dropCommitted,
        .deleted, .deletionCommitted,
    ]

    @Test(.bothFormats, arguments: cut)
    func `a connection cut in the middle, or with the answer to a COMMIT, costs nothing`(_ step: ArchiveStep)
        async throws
    {
        guard step.isDue else { return }
        let run = try await FaultRun.archiving(deletes: step.deletes)
        let archiver = try await run.startCold(until: step.places)
        run.proxy(try #require(step.places.last).tier).cut()
        run.release()
        try await run.expectArchived()
        #expect(archiver.hasFailed(for: ""))
        try await archiver.awaitHealthy("cold")
        #expect(await archiver.stop() == .exited(0))
        try await run.expectNothingToDo()
    }

    @Test func `a hot database that takes no writes keeps its rows until it does`() async throws {
        let run = try await FaultRun.archiving()
        try await run.alterDatabase("SET default_transaction_read_only = on")
        let archiver = try await run.startCold()
        try await archiver.awaitTrouble(["25006", "promote it", "nothing was pruned"], "cold")
        #expect(try await run.rowCounts() == ["211", "0"])
        try await run.alterDatabase("RESET default_transaction_read_only")
        try await run.expectArchived()
        try await archiver.awaitHealthy("cold")
        #expect(await archiver.stop() == .exited(0))
        try await run.expectNothingToDo()
    }

    @Test(arguments: [ArchiveStep.rests, .deleted])
    func `a hot database that takes no writes between the proof and the prune is pruned once it does`(
        _ step: ArchiveStep
    ) async throws {
        let run = try await FaultRun.archiving(deletes: step.deletes)
        let archiver = try await run.startCold(until: step.places)
        try await run.alterDatabase("SET default_transaction_read_only = on")
        // Sessions that there are would go on writing.
        run.postgres.cut()
        run.release()
        try await archiver.awaitTrouble(["25006"], "cold")
        #expect(try await run.committed() == step.committed)
        try await run.alterDatabase("RESET default_transaction_read_only")
        try await run.expectArchived()
        try await archiver.awaitHealthy("cold")
        #expect(await archiver.stop() == .exited(0))
        try await run.expectNothingToDo()
    }

    // MARK: Backups

    @Test(.bothFormats)
    func `cold restored from before a copy is lost: nothing moves, and undo brings back what rests`() async throws {
        let run = try await FaultRun.archiving(["archive.undo=1d"], publishes: true)
        let backup = try await run.backUp(run.stage.cold)
        let first = try await run.startCold()
        try await poll("the older range rests", within: .seconds(20)) {
            try await run.committed() == ArchiveStep.restingRead.committed
        }
        #expect(await first.stop() == .exited(0))
        try await run.restore(backup, to: run.stage.cold)
        try await run.publishWhileHotRuns(20)

        let second = try await run.startCold(["archive.undo=0s"])
        try await second.awaitTrouble(["older backup", "Nothing was moved or pruned"], "cold", status: "unhealthy")
        #expect(!second.lines("archive lost").isEmpty)
        // The 201 that left hot rest there.
        #expect(try await run.committed() == ["none", "0", "1", "20", "1"])
        #expect(try await run.rowCounts() == ["30", "0"])

        // What rests comes back: then no prune rests on what is lost, and all of it is archived again.
        let undo = try await run.stage.run(["undo", "--type", "trade", "--from", "2026-11-18T00:00:00Z"])
        #expect(try await undo.status() == .exited(0))
        #expect(undo.output.contains("201 rows are back in hot, and pinned"), "\(undo.output)")
        try await poll("all of it in cold", within: .seconds(20)) { try await run.rowCounts() == ["231", "231"] }
        try await second.awaitHealthy("cold")
        #expect(await second.stop() == .exited(0))
        try await run.expectExact()
        try await run.stage.expectFormat()
    }

    @Test(.bothFormats) func `cold restored from between the proof and the prune goes on`() async throws {
        let run = try await FaultRun.archiving()
        let first = try await run.startCold(["archive.prune=false"])
        try await poll("both ranges proved", within: .seconds(20)) { first.lines("range verified").count == 2 }
        #expect(await first.stop() == .exited(0))
        let backup = try await run.backUp(run.stage.cold)
        let second = try await run.startCold()
        try await run.expectArchived()
        #expect(await second.stop() == .exited(0))
        try await run.restore(backup, to: run.stage.cold)

        let third = try await run.startCold()
        try await run.expectArchived()
        try await third.awaitHealthy("cold")
        #expect(await third.stop() == .exited(0))
        try await run.expectNothingToDo()
    }
}

/// A disk of cold without room.
@Suite(
    .serialized,
    .slow,
    .filledHot,
    .timeLimit(.minutes(2)),
    .enabled("needs the right to mount a small disk") { await SmallDisk.isPermitted() }
)
struct ArchiveDiskTests {
    @Test(.bothFormats) func `a full disk of cold stops the copy, and room lets it go on`() async throws {
        let disk = try await SmallDisk(megabytes: 8)
        let run = try await FaultRun.archiving()
        let result = await Result { try await fill(disk, under: run) }
        // Without its files the server could not even stop.
        try await run.drop(run.stage.cold)
        _ = try await run.stage.rows(PrivatePostgres.current.conninfo(), "DROP TABLESPACE IF EXISTS small")
        await disk.remove()
        try result.get()
    }

    private func fill(_ disk: SmallDisk, under run: FaultRun) async throws {
        _ = try await run.stage.rows(run.stage.cold, "CREATE TABLESPACE small LOCATION '\(disk.path)'")
        // Partitions and their indexes go there; the ledger stays where there is room.
        try await run.alterDatabase("SET default_tablespace = small", of: run.stage.cold)
        if ColdFormat.underTest == .segments {
            let move = "ALTER TABLE thermocline_store.segment_trade SET TABLESPACE small"
            _ = try await run.stage.rows(run.stage.cold, move)
        }
        try disk.fill()
        let archiver = try await run.startCold()
        let words = ["failed ranges", "53100", "nothing of them is pruned", "hot keeps their rows", "make room"]
        try await archiver.awaitTrouble(words, "cold")
        #expect(archiver.hasFailed(for: "53100") && archiver.hasFailed(for: "make room"))
        #expect(try await run.rowCounts() == ["211", "0"])

        disk.free()
        try await run.expectArchived()
        try await archiver.awaitHealthy("cold")
        #expect(await archiver.stop() == .exited(0))
        try await run.expectNothingToDo()
    }
}

import PrivateServers
import TestSupport
import Testing

/// A disk without room: the lane stops, says so, and goes on by itself once there is room.
@Suite(
    .serialized,
    .slow,
    .privatePostgres(.init(listensOnTCP: true)),
    .privateNATS,
    .timeLimit(.minutes(2)),
    .enabled("needs the right to mount a small disk") { await SmallDisk.isPermitted() }
)
struct DiskFaultTests {
    @Test func `a full disk stops the lane, and room lets it go on`() async throws {
        let disk = try await SmallDisk(megabytes: 8)
        let run = try await FaultRun()
        let result = await Result { try await fill(disk, under: run) }
        // Without its files the server could not even stop.
        let server = PrivatePostgres.current.conninfo()
        let name = try #require(try await run.stage.scalar(run.stage.hot, "SELECT current_database()"))
        _ = try await run.stage.rows(server, "DROP DATABASE \(name) WITH (FORCE)")
        _ = try await run.stage.rows(server, "DROP TABLESPACE IF EXISTS small")
        await disk.remove()
        try result.get()
    }

    private func fill(_ disk: SmallDisk, under run: FaultRun) async throws {
        let hot = run.stage.hot
        _ = try await run.stage.rows(hot, "CREATE TABLESPACE small LOCATION '\(disk.path)'")
        // Partitions and their indexes go there; the position and the quarantine stay where there is room.
        try await run.alterDatabase("SET default_tablespace = small")
        let daemon = try await run.startReading()
        try disk.fill()
        try await run.publish(500)
        try await daemon.awaitTrouble(["53100", "make room", "nothing is lost", "tries again by itself"])
        #expect(try await daemon.lane("state") == "degraded")
        let waits = daemon.lines("lane waits").count
        try await poll("another attempt") { daemon.lines("lane waits").count > waits }

        disk.free()
        try await run.expectExact()
        try await daemon.awaitHealthy()
        #expect(await daemon.stop() == .exited(0))
    }
}

import Foundation
import Platform
import PrivateServers
import Records
import TestSupport
import Testing

/// Servers and instances that go away during the load, and what takes over.
@Suite(
    .serialized,
    .privatePostgres,
    .privateNATS,
    .slow,
    .timeLimit(.minutes(8)),
    .enabled(if: RecordedData.isAvailable, Comment(rawValue: RecordedData.skipped))
)
struct OutageTests {
    @Test func `databases and NATS that go away during the load cost nothing`() async throws {
        let stage = try await Stage(["hot.batch.rows=200"])
        let messages = try RecordedData.eraC()
        let parts = (0..<3).map { Array(messages[(messages.count * $0 / 3)..<(messages.count * ($0 + 1) / 3)]) }
        let hot = try await stage.run(["hot"])
        try await stage.awaitReading(hot)

        async let first: Void = stage.publish(parts[0])
        try await stage.awaitSomeStored()
        await PrivatePostgres.current.kill()
        try await hot.awaitTrouble(["hot", "tries again by itself"])
        try await first
        try await PrivatePostgres.current.start()

        async let second: Void = stage.publish(parts[1])
        try await stage.awaitReading(hot)
        try await PrivatePostgres.current.restart()
        try await second

        await PrivateNATS.current.kill()
        try await hot.awaitTrouble(["NATS"])
        try await PrivateNATS.current.start()
        try await stage.publish(parts[2])
        try await stage.awaitStored()
        try await stage.expectRecorded(in: stage.hot)
        try await hot.awaitHealthy()
        #expect(try await stage.scalar(stage.hot, "SELECT count(*) FROM thermocline.gap") == "0")
        #expect(hot.process.isRunning)
        #expect(await hot.stop() == .exited(0))
    }

    @Test func `a second hot instance waits, and takes over at once when the first is killed`() async throws {
        let stage = try await Stage(["hot.batch.rows=50"])
        let messages = try RecordedData.eraC()
        let first = try await stage.run(["hot"])
        try await stage.awaitReading(first)
        let second = try await stage.run(["hot"])
        try await second.awaitTrouble(["held by"])

        async let published: Void = stage.publish(messages)
        try await stage.awaitSomeStored()
        #expect(second.lines("lane claimed").isEmpty)
        await first.kill()
        // A killed owner is not waited for: far less than ingest.takeover, 15 s.
        try await poll("every lane taken over", within: .seconds(8)) { second.lines("lane claimed").count >= 7 }
        try await published
        try await stage.awaitStored()
        try await stage.expectRecorded(in: stage.hot)
        try await second.awaitHealthy()
        #expect(await second.stop() == .exited(0))
    }

    @Test func `of two archivers one waits, and goes on where the killed one stopped`() async throws {
        let stage = try await Stage(["archive.lease=2s"])
        let hot = try await stage.run(["hot"])
        try await stage.awaitStreams()
        try await stage.publish(try RecordedData.eraC().filter { !$0.headers.isEmpty })
        try await stage.awaitStored()
        let first = try await stage.run(["cold"])
        try await poll("a range verified", within: .seconds(30)) { !first.lines("range verified").isEmpty }
        let second = try await stage.run(["cold"])
        try await second.awaitTrouble(["holds the lease"], "cold")
        await first.kill()
        try await stage.archiveEverything(second)
        try await stage.expectEmpty(stage.hot)
        try await stage.expectNothingHalted()
        try await second.awaitHealthy("cold")
        #expect(await second.stop() == .exited(0))
        #expect(await hot.stop() == .exited(0))
    }

    @Test func `cold waits for a database that is away, and goes on by itself`() async throws {
        let stage = try await Stage()
        let hot = try await stage.run(["hot"])
        try await stage.awaitStreams()
        try await stage.publish(try RecordedData.eraC().filter { !$0.headers.isEmpty })
        try await stage.awaitStored()
        let cold = try await stage.run(["cold"])
        try await poll("a range verified", within: .seconds(30)) { !cold.lines("range verified").isEmpty }
        await PrivatePostgres.current.kill()
        try await cold.awaitTrouble(["tries again by itself"], "cold")
        try await PrivatePostgres.current.start()
        try await cold.awaitHealthy("cold")
        try await stage.archiveEverything(cold)
        try await stage.expectEmpty(stage.hot)
        try await stage.expectNothingHalted()
        #expect(await cold.stop() == .exited(0))
        #expect(await hot.stop() == .exited(0))
    }
}

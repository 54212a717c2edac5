import Foundation
import PrivateServers
import Records
import Simulation
import TestSupport
import Testing

/// `kill -9` at random moments; `SEED` in the environment repeats them.
@Suite(
    .serialized,
    .slow,
    .privatePostgres,
    .privateNATS,
    .timeLimit(.minutes(8)),
    .enabled(if: RecordedData.isAvailable, Comment(rawValue: RecordedData.skipped))
)
struct KillLoopTests {
    private static let kills = 20
    private static let seed =
        ProcessInfo.processInfo.environment["SEED"].flatMap(UInt64.init) ?? .random(in: 1...1_000_000)

    /// Random moments after a start, the same for the same seed.
    private struct Moments {
        private var generator = SeededGenerator(seed: KillLoopTests.seed)
        mutating func next(upTo milliseconds: Int) -> Duration {
            .milliseconds(Int.random(in: 0...milliseconds, using: &generator))
        }
    }

    @Test func `hot killed 20 times during the load stores everything once`() async throws {
        print("hot killed: SEED=\(Self.seed)")
        let stage = try await Stage(["hot.batch.rows=50"])
        let messages = try RecordedData.eraC()
        var hot = try await stage.run(["hot"])
        try await stage.awaitStreams()
        var moments = Moments()
        for kill in 0..<Self.kills {
            let part = (messages.count * kill / Self.kills)..<(messages.count * (kill + 1) / Self.kills)
            async let published: Void = stage.publish(Array(messages[part]))
            try await Task.sleep(for: moments.next(upTo: 700))  // tidy:allow the random moment of the kill
            await hot.kill()
            hot = try await stage.run(["hot"])
            try await published
        }
        try await stage.awaitStored()
        try await stage.expectRecorded(in: stage.hot)
        try await stage.expectActivityCounts()
        #expect(await hot.stop() == .exited(0))
    }

    @Test func `cold killed 20 times during the archive keeps everything, and a second pass changes nothing`()
        async throws
    {
        print("cold killed: SEED=\(Self.seed)")
        let stage = try await Stage(["archive.lease=1s", "archive.interval=100ms"])
        let hot = try await stage.run(["hot"])
        try await stage.awaitStreams()
        try await stage.publish(try RecordedData.eraC())
        try await stage.awaitStored()

        var cold = try await stage.run(["cold"])
        for type in Catalog.standard.types.map(\.name) { _ = try await stage.request(cold, type) }
        var moments = Moments()
        for _ in 0..<Self.kills {
            try await Task.sleep(for: moments.next(upTo: 700))  // tidy:allow the random moment of the kill
            await cold.kill()
            cold = try await stage.run(["cold"])
            // The killed one's lease runs for up to a second more; the next moment is one of work.
            try await poll("lease taken", within: .seconds(20)) { !cold.lines("lease taken").isEmpty }
        }
        try await stage.archiveEverything(cold)
        try await stage.expectRecorded(in: stage.cold)
        try await stage.expectEmpty(stage.hot)
        try await stage.expectNothingHalted()
        let manifests = try await stage.scalar(stage.cold, "SELECT count(*) FROM thermocline_store.manifest")

        try await stage.archiveEverything(cold)
        try await stage.expectRecorded(in: stage.cold)
        #expect(try await stage.scalar(stage.cold, "SELECT count(*) FROM thermocline_store.manifest") == manifests)
        #expect(await cold.stop() == .exited(0))
        #expect(await hot.stop() == .exited(0))
    }
}

extension Stage {
    /// Activity, by which the archiver plans, counts exactly the rows that are there.
    func expectActivityCounts(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        for type in Catalog.standard.types.map(\.name) {
            let counts = try await rows(
                hot,
                "SELECT count(*), (SELECT sum(rows) FROM thermocline_store.range_activity WHERE type = '\(type)') "
                    + "FROM thermocline.\(type)"
            )
            #expect(counts[0][0] == counts[0][1], "\(type)", sourceLocation: sourceLocation)
        }
    }

    /// Waits until some trades are stored: the load has begun.
    func awaitSomeStored() async throws {
        try await poll("some of it stored", within: .seconds(30)) {
            try await scalar(hot, "SELECT EXISTS (SELECT FROM thermocline.trade)") == "t"
        }
    }
}

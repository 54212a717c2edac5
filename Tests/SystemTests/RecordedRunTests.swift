import Platform
import Postgres
import PrivateServers
import Records
import TestSupport
import Testing

/// Recorded market data through the program and real servers, to the last digit.
@Suite(
    .serialized,
    .privatePostgres,
    .privateNATS,
    .slow,
    .timeLimit(.minutes(10)),
    .enabled(if: RecordedData.isAvailable, Comment(rawValue: RecordedData.skipped))
)
struct RecordedRunTests {
    @Test func `everything recorded arrives once, whoever sends it again and whenever, in hot and in cold`()
        async throws
    {
        // Weeks: some of them lie in two monthly partitions.
        let stage = try await Stage(["archive.range=7d"])
        let messages = try RecordedData.eraC()
        let hot = try await stage.run(["hot"])
        try await stage.awaitStreams()
        try await stage.publish(messages)
        try await stage.awaitStored()
        try await stage.expectRecorded(in: stage.hot)
        try await stage.publish(messages, suffix: "-again")
        try await stage.awaitStored()
        try await stage.expectRecorded(in: stage.hot)

        let cold = try await stage.run(["cold"])
        try await stage.archiveEverything(cold)
        try await stage.expectRecorded(in: stage.cold)
        try await stage.expectEmpty(stage.hot)

        try await stage.publish(messages, suffix: "-late")
        try await stage.awaitStored()
        try await stage.archiveEverything(cold)
        try await stage.expectRecorded(in: stage.cold)

        async let first: Void = stage.publish(messages, suffix: "-one")
        async let second: Void = stage.publish(messages, suffix: "-two")
        _ = try await (first, second)
        try await stage.awaitStored()
        try await stage.archiveEverything(cold)
        try await stage.expectRecorded(in: stage.cold)
        try await stage.expectEmpty(stage.hot)

        try await stage.expectNothingHalted()
        #expect(try await hot.health("hot").status == "healthy")
        #expect(try await cold.health("cold").status == "healthy")
        #expect(await hot.stop() == .exited(0))
        #expect(await cold.stop() == .exited(0))
    }
}

extension Stage {
    /// Compares the views of a tier with `expected.json`.
    func expectRecorded(in conninfo: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let connection = try await PostgresConnection(conninfo, applicationName: "system test")
        let found = try await RecordedFigures.found(on: connection)
        await connection.close()
        let expected = try RecordedFigures.expected()
        #expect(found == expected, "\(found.difference(expected))", sourceLocation: sourceLocation)
    }

    /// No row of any type is left, and activity says so too.
    func expectEmpty(_ conninfo: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        for type in Catalog.standard.types.map(\.name) {
            let count = try await scalar(conninfo, "SELECT count(*) FROM thermocline.\(type)")
            #expect(count == "0", "\(type)", sourceLocation: sourceLocation)
        }
        let active = try await rows(
            conninfo,
            "SELECT type, bucket, sum(rows) FROM thermocline_store.range_activity GROUP BY 1, 2 HAVING sum(rows) <> 0"
        )
        #expect(active.isEmpty, sourceLocation: sourceLocation)
    }

    /// No range is mismatched or unaccounted, nothing is in quarantine, no conflict was kept.
    func expectNothingHalted(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let states = try await rows(
            cold,
            "SELECT state, type, error FROM thermocline_store.transfer WHERE state NOT IN ('verified', 'pruned')"
        )
        #expect(states.isEmpty, sourceLocation: sourceLocation)
        #expect(try await scalar(hot, "SELECT count(*) FROM thermocline.quarantine") == "0")
        #expect(try await scalar(hot, "SELECT count(*) FROM thermocline.gap") == "0")
        for type in Catalog.standard.types.map(\.name) {
            let conflicts = try await scalar(cold, "SELECT count(*) FROM thermocline_store.conflict_\(type)")
            #expect(conflicts == "0", "\(type)", sourceLocation: sourceLocation)
        }
    }
}

import Adapters
import Platform
import Postgres
import PrivateServers
import Records
import TestSupport
import Testing
import Tiering

/// What the schedule asks of the databases.
@Suite(.privatePostgres, .timeLimit(.minutes(5))) struct ArchiveScheduleStorageTests {
    private static func instant(_ text: String) throws -> Timestamp { try #require(Timestamp(iso8601: text)) }

    @Test func `the last pass is kept in cold, by the holder of the lease alone`() async throws {
        let databases = try await Tiers()
        let archive = try await PostgresArchiveTests.Archive(databases)
        #expect(try await archive.tiers.recordedPass() == nil)
        try await archive.tiers.recordPass(archive.token, at: PostgresArchiveTests.now)
        try await archive.tiers.recordPass(archive.token - 1, at: Timestamp(micros: 1))
        #expect(try await archive.tiers.recordedPass() == PostgresArchiveTests.now)
        await archive.close()
    }

    @Test func `clocks on the wall go as PostgreSQL says`() async throws {
        let databases = try await Tiers()
        let archive = try await PostgresArchiveTests.Archive(databases)
        let winter = try Self.instant("2026-02-01T12:34:56Z")
        let berlin = try await archive.tiers.localTime(of: "Europe/Berlin", at: winter)
        let nightly = try CronExpression("30 2 * * *")
        for (after, expected) in [
            ("2026-02-01T12:34:56Z", "2026-02-02T01:30:00Z"), ("2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
            ("2026-03-29T12:00:00Z", "2026-03-30T00:30:00Z"), ("2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
            ("2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
        ] {
            let due = nightly.next(after: try Self.instant(after), in: berlin)
            #expect(due == (try Self.instant(expected)), "\(due)")
        }
        // Half an hour of summer time, and none at all.
        let lordHowe = try await archive.tiers.localTime(of: "Australia/Lord_Howe", at: winter)
        #expect(lordHowe.localMicros(at: winter) - winter.micros == 11 * 3_600_000_000)
        let later = try Self.instant("2026-07-01T00:00:00Z")
        #expect(lordHowe.localMicros(at: later) - later.micros == 21 * 1_800_000_000)
        #expect(try await archive.tiers.localTime(of: "UTC", at: winter).localMicros(at: later) == later.micros)
        let error = await #expect(throws: StoreError.self) {
            try await archive.tiers.localTime(of: "Europe/Berln", at: winter)
        }
        #expect(error?.disposition == .halt)
        #expect(error?.description.contains("knows no time zone Europe/Berln") == true)
        await archive.close()
    }

    @Test func `the commit latency of hot is measured under the fence`() async throws {
        let databases = try await Tiers()
        let archive = try await PostgresArchiveTests.Archive(databases)
        #expect(try await archive.source.commitLatency() > .zero)
        try await databases.tell(databases.hot, "UPDATE thermocline_store.archive_fence SET token = token + 1")
        let error = await #expect(throws: StoreError.self) { try await archive.source.commitLatency() }
        #expect(error?.code == .fenced)
        await archive.close()
    }
}

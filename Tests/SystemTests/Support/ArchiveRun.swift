import Adapters
import Platform
import PrivateServers
import Records
import TestSupport
import Testing

/// Gives a suite private servers, and a hot tier that waits for the archiver, of which each test takes a copy by
/// `FaultRun.archiving`.
struct FilledHotTrait: SuiteTrait, TestScoping {
    /// Trades of yesterday.
    var recent = 0

    func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing body: @concurrent @Sendable () async throws -> Void
    ) async throws {
        let postgres: PrivatePostgresTrait = .privatePostgres(.init(listensOnTCP: true))
        let nats: PrivateNATSTrait = .privateNATS
        try await postgres.provideScope(for: test, testCase: testCase) {
            try await nats.provideScope(for: test, testCase: testCase) {
                let run = try await FaultRun.fill(recent: recent)
                try await FaultRun.$filled.withValue(run) { try await body() }
            }
        }
    }
}

extension Trait where Self == FilledHotTrait {
    /// Two ranges of trades in hot: 201 that are past retention, and the newest 10.
    static var filledHot: Self { .init() }

    /// And a third of this many trades of yesterday.
    static func filledHot(recent: Int) -> Self { .init(recent: recent) }
}

/// A range of trades past retention and a younger one, in hot, to be archived under fire.
extension FaultRun {
    @TaskLocal fileprivate static var filled: FaultRun?

    /// Shortest lease, one range at a time, and what left hot whole is dropped at once.
    private static let archiving = [
        "hot.retention=1h", "archive.bucket=1h", "archive.undo=0s", "archive.lease=1s", "archive.scrub.rate=0",
        "archive.concurrency=1",
    ]

    private static let tiers = ["hot", "cold"]

    /// A copy of the suite's databases.
    ///
    /// Where it `deletes`, ranges do not divide partitions: they leave row by row. Who `publishes` more gets databases
    /// and a stream of its own, as the other format's messages are in the suite's.
    static func archiving(
        _ settings: [String] = [],
        deletes: Bool = false,
        publishes: Bool = false
    ) async throws -> FaultRun {
        let range = ["archive.range=\(deletes ? "7h" : "1d")"]
        let filled = publishes ? try await fill() : try #require(filled, "the suite lacks the trait .filledHot")
        return try await FaultRun(archiving + range + settings, tiers: tiers, copied: filled)
    }

    fileprivate static func fill(recent: Int = 0) async throws -> FaultRun {
        let run = try await FaultRun(archiving, tiers: tiers)
        let hot = try await run.startReading()
        try await run.publish(200)
        try await run.publish(10, poison: 0, days: 2)
        if recent > 0 {
            let days = (WallClock.now() - 1_795_000_000_000_000) / 86_400_000_000 - 1
            try await run.publish(recent, poison: 0, days: Int(days))
        }
        try await run.settle()
        #expect(await hot.stop() == .exited(0))
        return run
    }

    func proxy(_ tier: Tier) -> FaultProxy { tier == .hot ? postgres : cold }

    func startCold(_ extra: [String] = []) async throws -> Daemon { try await stage.run(["cold"], extra) }

    /// Starts an archiver and lets it run to the last of the places, where it stands.
    func startCold(until places: [ArchiveStep.Place], _ extra: [String] = []) async throws -> Daemon {
        var last = try #require(places.first)
        proxy(last.tier).hold(last.hold)
        let archiver = try await startCold(extra)
        for place in places.dropFirst() {
            try await awaitHeld()
            if place.tier == last.tier {
                proxy(last.tier).release(until: place.hold)
            } else {
                proxy(place.tier).hold(place.hold)
                proxy(last.tier).release()
            }
            last = place
        }
        try await awaitHeld()
        return archiver
    }

    /// Lets all that is held go on.
    func release() { for proxy in [postgres, cold, nats] { proxy.release() } }

    // MARK: The verdict

    /// What is committed of the first range, as `ArchiveStep.committed` has it.
    func committed() async throws -> [String] {
        let cold = try await stage.rows(
            stage.cold,
            """
            SELECT coalesce((SELECT state FROM thermocline_store.transfer ORDER BY range_start LIMIT 1), 'none'),
                (SELECT count(*) FROM thermocline_store.manifest WHERE range_start < '2026-11-19')
            """
        )
        let hot = try await stage.rows(
            stage.hot,
            """
            SELECT (SELECT count(*) FROM thermocline_store.prune_log),
                (SELECT count(*) FROM thermocline_store.trade WHERE ts < '2026-11-20'),
                (SELECT count(*) FROM thermocline_store.resting)
            """
        )
        return (cold[0] + hot[0]).map { $0 ?? "" }
    }

    /// Waits until both ranges are where they belong, and compares everything with what was published.
    func expectArchived(
        in format: ColdFormat = .underTest,
        within limit: Duration = .seconds(20),
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        var last = ""
        do {
            try await poll("the ledger at rest", within: limit) {
                let sql = "SELECT state FROM thermocline_store.transfer ORDER BY range_start"
                let states = try await stage.rows(stage.cold, sql).map { $0[0] }
                let resting = try await stage.scalar(stage.hot, "SELECT count(*) FROM thermocline_store.resting")
                last = "\(states), \(resting ?? "") resting"
                return states == ["pruned", "verified"] && resting == "0"
            }
        } catch is PollTimeout {
            throw PollTimeout(description: "not within \(limit): the ledger at rest; it is \(last)")
        }
        try await expectExact(sourceLocation: sourceLocation)
        let counts = try await rowCounts()
        #expect(counts == ["10", "211"], "rows in hot, cold", sourceLocation: sourceLocation)
        try await stage.expectFormat(format, sourceLocation: sourceLocation)
    }

    /// Rows in hot and in cold.
    func rowCounts() async throws -> [String?] {
        let count = "SELECT count(*) FROM thermocline.trade"
        return [try await stage.scalar(stage.hot, count), try await stage.scalar(stage.cold, count)]
    }

    /// Runs an archiver for two passes: it finds nothing to do.
    func expectNothingToDo(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let before = try await records()
        let archiver = try await startCold()
        try await poll("two passes", within: .seconds(20)) {
            try await archiver.passes() >= 2
        }
        #expect(await archiver.stop() == .exited(0), sourceLocation: sourceLocation)
        #expect(try await records() == before, sourceLocation: sourceLocation)
    }

    /// Everything that the archive has written about what it did.
    func records() async throws -> [[[String?]]] {
        [
            try await stage.rows(stage.cold, "SELECT * FROM thermocline_store.transfer ORDER BY range_start, filter"),
            try await stage.rows(stage.cold, "SELECT * FROM thermocline_store.manifest ORDER BY number"),
            try await stage.rows(stage.cold, "SELECT * FROM thermocline_store.conflict_trade ORDER BY ts"),
            try await stage.rows(stage.hot, "SELECT * FROM thermocline_store.prune_log ORDER BY manifest"),
            try await stage.rows(
                stage.hot,
                """
                SELECT type, bucket, sum(rows), string_agg(stamp::text, ' ' ORDER BY writer)
                FROM thermocline_store.range_activity GROUP BY 1, 2 HAVING sum(rows) <> 0 ORDER BY 1, 2
                """
            ),
        ]
    }
}

extension Daemon {
    /// Passes of its archiver that came to their end.
    func passes() async throws -> Int { try await json("cold", "/stats")["passes"]?.int ?? 0 }

    /// Whether its archiver has logged a failure with this in its reason.
    func hasFailed(for words: String) -> Bool {
        (lines("pass failed") + lines("transfer failed")).contains { $0["detail"]?.string?.contains(words) == true }
    }
}

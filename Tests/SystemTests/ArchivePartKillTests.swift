import Adapters
import Platform
import PrivateServers
import Records
import TestSupport
import Testing
import Tiering

/// `kill -9` of the archiver at the steps that only a part of a range has.
@Suite(.serialized, .slow, .filledHot(recent: 20), .bothFormats, .timeLimit(.minutes(3)))
struct ArchivePartKillTests {
    enum Step: String, CaseIterable, CustomTestStringConvertible {
        /// What the part inserted is added to what its range must be.
        case added
        /// The segments that they fall into are written anew.
        case repacked
        case addedCommitted
        /// The range is proved by the part.
        case manifestAdded
        case provedCommitted

        private static let add = Hold.answer(to: "state, cold_rows, cold_digest, staging)")
        private static let prove = Hold.answer(to: "AND filter = '' AND staging")
        private static let commit = Hold.answer(to: LaneStep.commit)

        var places: [ArchiveStep.Place] {
            switch self {
            case .added: [(.cold, Self.add)]
            case .repacked: [(.cold, .answer(to: "COPY thermocline_store.segment_trade"))]
            case .addedCommitted: [(.cold, Self.add), (.cold, Self.commit)]
            case .manifestAdded:
                [(.cold, Self.prove), (.cold, .answer(to: "INSERT INTO thermocline_store.manifest"))]
            case .provedCommitted: [(.cold, Self.prove), (.cold, Self.commit)]
            }
        }

        /// State of the part, rows that its range must have in cold, its manifests, rows that it has.
        var committed: [String] {
            switch self {
            case .added, .repacked: ["planned", "none", "0", "0"]
            case .addedCommitted, .manifestAdded: ["copied", "10", "0", "10"]
            case .provedCommitted: ["verified", "10", "1", "10"]
            }
        }

        var testDescription: String { rawValue }
    }

    @Test(arguments: Step.allCases)
    func `an archiver killed at any step of a part copies it once and proves it`(_ step: Step) async throws {
        guard step != .repacked || ColdFormat.underTest == .segments else { return }
        // Whatever the time, the range of the newest trades is open: only a part of it is copied.
        let run = try await FaultRun.archiving(["archive.safety_lag=2d"])
        let range = try await ask(run)
        let first = try await run.startCold(until: step.places)
        try await run.killHeld(first)
        try await poll("its transactions ended", within: .seconds(5)) {
            try await committed(run, range) == step.committed
        }

        let second = try await run.startCold()
        try await poll("the part is proved, and what is older left hot", within: .seconds(20)) {
            let older = "SELECT count(*) FROM thermocline_store.trade WHERE ts < '\(range.start)'"
            let left = try await run.stage.rows(
                run.stage.hot,
                "SELECT (\(older)), (SELECT count(*) FROM thermocline_store.resting)"
            )
            let pruned = "SELECT count(*) FROM thermocline_store.transfer WHERE state = 'pruned'"
            guard left == [["0", "0"]], try await run.stage.scalar(run.stage.cold, pruned) == "2" else { return false }
            return try await committed(run, range) == Step.provedCommitted.committed
        }
        try await run.expectExact()
        try await run.stage.expectFormat()
        try await second.awaitHealthy("cold")
        let listed = try await second.json("cold", "/transfers")["transfers"]?.array ?? []
        let part = try #require(listed.first { $0["partial"]?.bool == true })
        #expect(part["state"]?.string == "verified" && part["hot_rows"]?.int == 10 && part["filter"]?.members != nil)
        #expect(part["to"]?.string != "\(range.end)")
        #expect(listed.filter { $0["partial"]?.bool == false }.allSatisfy { $0["filter"] == nil })
        #expect(await second.stop() == .exited(0))
        try await run.expectNothingToDo()
        let verify = try await run.stage.run(["verify", "--deep"])
        #expect(try await verify.status() == .exited(0), "\(verify.output)")
    }

    /// Asks for the first ten of the newest trades, as the control plane writes it; returns their range.
    private func ask(_ run: FaultRun) async throws -> TimeRange {
        let sql = """
            SELECT (extract(epoch FROM ts) * 1000000)::bigint FROM thermocline.trade
            ORDER BY ts DESC OFFSET 9 LIMIT 1
            """
        let middle = Timestamp(micros: try #require(try await run.stage.scalar(run.stage.hot, sql).flatMap(Int64.init)))
        let range = TimeRange(containing: middle, width: 86_400_000_000)
        let filter = TransferFilter(time: TimeRange(start: range.start, end: middle))
        try await run.stage.script(
            run.stage.cold,
            """
            INSERT INTO thermocline_store.transfer (id, type, range_start, range_end, filter, state, request)
            VALUES (gen_random_uuid(), 'trade', '\(range.start)', '\(range.end)', '\(filter)', 'planned',
                gen_random_uuid())
            """
        )
        return range
    }

    private func committed(_ run: FaultRun, _ range: TimeRange) async throws -> [String] {
        try await run.stage.rows(
            run.stage.cold,
            """
            SELECT (SELECT state FROM thermocline_store.transfer WHERE filter <> ''),
                coalesce((SELECT cold_rows::text FROM thermocline_store.transfer
                    WHERE filter = '' AND range_start = '\(range.start)'), 'none'),
                (SELECT count(*) FROM thermocline_store.manifest WHERE range_start = '\(range.start)'),
                (SELECT count(*) FROM thermocline.trade WHERE ts >= '\(range.start)')
            """
        )[0].map { $0 ?? "" }
    }
}

import Adapters
import Glibc
import Platform
import PrivateServers
import Records
import TestSupport
import Testing

/// `kill -9`, and a second archiver, while cold is brought into another format: nothing is lost, no proof changes.
@Suite(.serialized, .slow, .filledHot, .timeLimit(.minutes(5)))
struct PackKillTests {
    enum Step: String, CaseIterable, CustomTestStringConvertible {
        case rowsGone
        case readBack
        case packed
        case done
        case unpacked
        case unpackCommitted

        private static let gone = Hold.answer(to: "WITH gone AS (DELETE FROM thermocline_store.trade")
        private static let unpack = Hold.answer(to: "COPY (WITH gone AS (DELETE FROM thermocline_store.segment_trade")
        private static let commit = Hold.answer(to: LaneStep.commit)

        var places: [ArchiveStep.Place] {
            switch self {
            case .rowsGone: [(.cold, Self.gone)]
            case .readBack: [(.cold, Self.gone), (.cold, .answer(to: "COPY (SELECT", passing: 4 << 10))]
            case .packed: [(.cold, Self.gone), (.cold, Self.commit)]
            case .done: [(.cold, .answer(to: "DELETE FROM thermocline_store.packing"))]
            case .unpacked: [(.cold, Self.unpack)]
            case .unpackCommitted: [(.cold, Self.unpack), (.cold, Self.commit)]
            }
        }

        var unpacks: Bool { self == .unpacked || self == .unpackCommitted }
        var testDescription: String { rawValue }
    }

    /// Cold with both ranges archived in one format, and tables for segments.
    private func archived(_ format: ColdFormat) async throws -> FaultRun {
        let run = try await FaultRun.archiving(["cold.format=segments"])
        if format == .segments { try await run.stage.applySchema("cold") }
        let archiver = try await run.startCold(["cold.format=\(format)"])
        try await run.expectArchived(in: format)
        #expect(await archiver.stop() == .exited(0))
        try await run.stage.applySchema("cold")
        return run
    }

    private func awaitPacked(_ run: FaultRun, plain: String) async throws {
        try await poll("all of cold in one format", within: .seconds(20)) {
            let counts = [
                "(SELECT count(*) FROM thermocline_store.trade)",
                "(SELECT count(*) FROM thermocline_store.packing WHERE due < now())",
            ]
            let held = try await run.stage.rows(run.stage.cold, "SELECT \(counts.joined(separator: ", "))")
            return held == [[plain, "0"]]
        }
    }

    @Test(arguments: Step.allCases)
    func `an archiver killed at any step of packing changes nothing that is read`(_ step: Step) async throws {
        let run = try await archived(step.unpacks ? .segments : .rows)
        let settings = ["cold.format=\(step.unpacks ? "rows" : "segments")"]
        let before = try await run.records()
        let first = try await run.startCold(until: step.places, settings)
        try await run.killHeld(first)
        #expect(try await run.rowCounts() == ["10", "211"])

        let second = try await run.startCold(settings)
        try await awaitPacked(run, plain: step.unpacks ? "211" : "0")
        try await run.expectArchived(in: step.unpacks ? .rows : .segments)
        #expect(try await run.records() == before, "a proof changed")
        #expect(await second.stop() == .exited(0))
        let verify = try await run.stage.run(["verify", "--deep"])
        #expect(try await verify.status() == .exited(0), "\(verify.output)")
    }

    @Test func `a holder stopped while it packs changes nothing once another one took over`() async throws {
        let run = try await archived(.rows)
        let before = try await run.records()
        let first = try await run.startCold(until: Step.rowsGone.places)
        first.process.send(SIGSTOP)
        let second = try await run.startCold()
        try await awaitPacked(run, plain: "0")
        run.release()
        first.process.send(SIGCONT)
        try await first.awaitTrouble(["holds the lease"], "cold")
        try await run.expectArchived(in: .segments)
        #expect(try await run.records() == before)
        #expect(second.lines("pass failed").isEmpty)
        #expect(await second.stop() == .exited(0))
        #expect(await first.stop() == .exited(0))
    }

    @Test func `packing is told in the log, in stats and in metrics`() async throws {
        let run = try await archived(.rows)
        let archiver = try await run.startCold()
        try await awaitPacked(run, plain: "0")
        let packed = try await poll("both days") {
            let packed = try await archiver.json("cold", "/stats")["types"]?["trade"]?["packed"]
            return packed?["partitions"]?.int == 2 ? packed : nil
        }
        #expect(packed["rows"]?.int == 211)
        let (old, new) = (packed["bytes_before"]?.int ?? 0, packed["bytes_after"]?.int ?? .max)
        #expect(new > 0 && new < old / 2, "\(new) of \(old)")
        let told = archiver.lines("partition packed")
        #expect(told.compactMap { $0["rows"]?.int }.reduce(0, +) == 211)
        #expect(
            try await archiver.get("cold", "/metrics").body.contains("thermocline_pack_rows_total{type=\"trade\"} 211")
        )
        #expect(await archiver.stop() == .exited(0))
    }
}

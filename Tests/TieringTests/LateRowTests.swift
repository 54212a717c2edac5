import Records
import Simulation
import Testing
import TestSupport

/// Late rows at every moment of a range's way, and the archiver killed at every one, all interleavings up to a bound.
@Suite(.slow, .timeLimit(.minutes(5))) struct LateRowTests {
    /// One type whose partitions leave as a whole, and one whose ranges are deleted.
    static let types = Catalog.underTest.types.filter { ["trade", "funding_rate"].contains($0.name) }

    @Test(arguments: types)
    func `no late row is lost or doubled, whenever it comes and whatever fails`(_ type: RecordType) async throws {
        let explorer = Explorer<LateRows.Action>(depth: 2, choices: LateRows.choices)
        let runs = try await explorer.explore { plan in try await LateRows(type, plan: plan).run() }
        #expect(runs > 1_000)
        print("explored \(runs) interleavings of \(type.name)")
    }
}

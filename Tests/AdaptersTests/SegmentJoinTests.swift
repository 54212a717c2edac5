import Segments
import Testing

/// Which segments are joined, and what it costs over time.
@Suite struct SegmentJoinTests {
    private static let limits = SegmentEncoder.Limits(rows: 2_000, bytes: 1 << 20)

    private func runs(_ rows: [Int], isGrowing: Bool = false, rowBytes: Int = 1) -> [Range<Int>] {
        SegmentJoin(limits: Self.limits, isGrowing: isGrowing)
            .runs(of: rows.map { SegmentJoin.Part(rows: $0, bytes: $0 * rowBytes) })
    }

    private func joined(_ rows: [Int], isGrowing: Bool) -> (rows: [Int], rewritten: Int) {
        var (rows, rewritten) = (rows, 0)
        for run in runs(rows, isGrowing: isGrowing).reversed() {
            let sum = rows[run].reduce(0, +)
            rewritten += sum
            rows.replaceSubrange(run, with: [sum])
        }
        return (rows, rewritten)
    }

    @Test func `what fits is joined once nothing follows, and then nothing is left to join`() {
        #expect(runs([]) == [] && runs([60]) == [] && runs([2_000, 2_000]) == [])
        #expect(runs([60, 60, 2_000, 60]) == [0..<2])
        #expect(runs([1_500, 500, 60, 60]) == [0..<2, 2..<4])
        let once = joined([60, 700, 1_900, 200, 1_000, 999, 2, 1, 2_000], isGrowing: false).rows
        #expect(runs(once) == [])
        // Neighbours that are left do not fit together.
        #expect(zip(once, once.dropFirst()).allSatisfy { $0 + $1 > 2_000 })
    }

    @Test func `segments with large rows are joined up to the bytes that may wait`() {
        #expect(runs([100, 100, 100], rowBytes: 6_000) == [])
        #expect(runs([100, 100, 100], rowBytes: 4_000) == [0..<2])
    }

    @Test func `what grows is rewritten a few times, however long it grows`() {
        let (segment, count) = (60, 5_000)
        var (rows, rewritten): ([Int], Int) = ([], 0)
        for _ in 0..<count {
            let (next, work) = joined(rows + [segment], isGrowing: true)
            (rows, rewritten) = (next, rewritten + work)
        }
        let written = segment * count
        #expect(rows.reduce(0, +) == written)
        #expect(rewritten <= 4 * written, "\(rewritten) of \(written)")
        #expect(rows.count <= 2 * written / 2_000 + 8, "\(rows.count) segments")
        let last = joined(rows, isGrowing: false)
        #expect(last.rewritten <= written)
        #expect(runs(last.rows) == [])
    }

    @Test(arguments: [[1_500, 60], [960, 60, 60], [2_000, 1], [1_000, 400]])
    func `a large segment is not rewritten for a small one while it grows`(rows: [Int]) {
        #expect(!runs(rows, isGrowing: true).contains { $0.contains(0) })
    }
}

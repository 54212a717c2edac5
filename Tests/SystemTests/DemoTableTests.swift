import Records
import Testing
import Tiering

@testable import thermocline

@Suite struct DemoTableTests {
    private static let table = DemoTable(
        style: DemoStyle(hasColours: false, isUnicode: true),
        hot: "http://127.0.0.1:31999",
        cold: "http://127.0.0.1:31998",
        sql: "psql -h 127.0.0.1 -U thermocline postgres -p 31997 (hot), 31996 (cold)"
    )

    private static func progress(_ phase: DemoBoard.Phase, times factor: Int) -> DemoProgress {
        let types = Catalog.standard.types.map { type in
            var of = DemoProgress.OfType(type.name)
            (of.received, of.stored, of.repeated, of.quarantined) = (9 * factor, 8 * factor, factor / 100, factor / 100)
            (of.copied, of.verified, of.pruned) = (factor / 1_000, factor / 1_000, factor / 1_000)
            (of.rowsInCold, of.rowsPruned, of.lag) = (5 * factor, 3 * factor, 12.34)
            return of
        }
        return DemoProgress(
            phase: phase,
            at: .now,
            elapsed: .seconds(3_725),
            length: .seconds(7_200),
            published: 70 * factor,
            types: types,
            trouble: factor > 1 ? String(repeating: "trouble ", count: 30) : nil
        )
    }

    @Test(arguments: [DemoBoard.Phase.starting, .running, .draining, .settling, .auditing, .over], [0, 1, 90_000])
    func `it fits a terminal of 80 columns and 24 lines`(_ phase: DemoBoard.Phase, factor: Int) {
        let rates = (types: [Double](repeating: Double(factor) / 9, count: 7), published: Double(factor))
        let history = (0..<500).map { Double($0 * factor) }
        let lines = Self.table.lines(Self.progress(phase, times: factor), rates: rates, history: history)
        #expect(lines.count == DemoTable.height && lines.count < 24)
        for line in lines { #expect(line.count <= 79, "\(line)") }
    }

    @Test func `it says where the rows are`() {
        let lines = Self.table.lines(Self.progress(.running, times: 1_000), rates: ([], 0), history: [])
        #expect(lines.contains { $0.contains("in cold 21,000   ▓ in both 14,000   ░ in hot 21,000") }, "\(lines)")
        #expect(lines[0].hasSuffix("1:02:05 of 2:00:00"))
    }

    @Test func `a rate is that of the last two seconds`() {
        var meter = RateMeter()
        let start = ContinuousClock.now
        var rates = meter.rates(at: Self.at(start, received: 0))
        for second in 1...10 {
            rates = meter.rates(at: Self.at(start.advanced(by: .seconds(second)), received: second * second))
        }
        #expect(rates.types == [18] && rates.published == 36)  // (100 − 64) / 2
    }

    private static func at(_ instant: ContinuousClock.Instant, received: Int) -> DemoProgress {
        var of = DemoProgress.OfType("trade")
        of.received = received
        return DemoProgress(
            phase: .running,
            at: instant,
            elapsed: .zero,
            length: nil,
            published: 2 * received,
            types: [of],
            trouble: nil
        )
    }

    @Test func `rows that are still in a pruned range are counted`() {
        func transfer(_ start: Int64, _ state: Transfer.State) -> Transfer {
            let range = TimeRange(start: Timestamp(micros: start), end: Timestamp(micros: start + 10))
            return Transfer(id: "\(start)", type: "trade", range: range, state: state)
        }
        var left = PrunedRanges([transfer(0, .pruned), transfer(10, .verified), transfer(20, .pruned)])
        for micros in [10, 19, 30] { left.found("trade", at: Timestamp(micros: Int64(micros))) }
        left.found("orderbook", at: Timestamp(micros: 5))
        #expect(left.rows == 0)
        for micros in [0, 9, 20] { left.found("trade", at: Timestamp(micros: Int64(micros))) }
        #expect(left.rows == 3)
    }
}

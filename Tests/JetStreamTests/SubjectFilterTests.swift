import JetStream
import Testing

@Suite struct SubjectFilterTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let first: String
        let second: String
        let overlaps: Bool
        /// `first` covers `second`.
        let covers: Bool
        var testDescription: String { "\(first) and \(second)" }
        init(_ first: String, _ second: String, overlaps: Bool, covers: Bool = false) {
            self.first = first
            self.second = second
            self.overlaps = overlaps
            self.covers = covers
        }
    }

    @Test(arguments: [
        Case("trade.binance.spot", "trade.binance.spot", overlaps: true, covers: true),
        Case("trade.binance.spot", "trade.binance.perpetual", overlaps: false),
        Case("trade.>", "trade.binance.spot.BTC-USDT", overlaps: true, covers: true),
        Case("trade.>", "trade", overlaps: false),
        Case("trade.>", "trades.binance", overlaps: false),
        Case(">", "a", overlaps: true, covers: true),
        Case("a", ">", overlaps: true),
        Case("*", ">", overlaps: true),
        Case(">", "*", overlaps: true, covers: true),
        Case("*.binance.>", "trade.>", overlaps: true),
        Case("trade.>", "*.binance.>", overlaps: true),
        Case("trade.>", "trade.*.>", overlaps: true, covers: true),
        Case("trade.*.>", "trade.>", overlaps: true),
        Case("trade.*", "trade.binance", overlaps: true, covers: true),
        Case("trade.*", "trade.binance.spot", overlaps: false),
        Case("trade.*", "trade.>", overlaps: true),
        Case("trade.*.spot", "trade.binance.*", overlaps: true),
        Case("trade.*.spot", "trade.binance.perpetual", overlaps: false),
        Case("funding_rate.binance.>", "funding_rate.okx.>", overlaps: false),
        Case("*.binance", "trade.*", overlaps: true),
        Case("*.*", "trade.*", overlaps: true, covers: true),
        Case("*.*", "trade.>", overlaps: true),
    ])
    func `overlap is symmetric, covering is not`(_ pair: Case) throws {
        let first = try #require(SubjectFilter(pair.first))
        let second = try #require(SubjectFilter(pair.second))
        #expect(first.overlaps(second) == pair.overlaps)
        #expect(second.overlaps(first) == pair.overlaps)
        #expect(first.covers(second) == pair.covers)
        if first.covers(second) { #expect(first.overlaps(second)) }
    }

    @Test(arguments: ["", ".", "a.", ".a", "a..b", "a.>.b", "a b", ">.>", "a\t.b"])
    func `what is no pattern is refused`(_ text: String) {
        #expect(SubjectFilter(text) == nil)
    }

    @Test func `a pattern without wildcards names one subject`() throws {
        #expect(try #require(SubjectFilter("a.b>c.*d")).isLiteral)
        #expect(try !#require(SubjectFilter("a.*")).isLiteral)
        #expect(try !#require(SubjectFilter("a.>")).isLiteral)
    }
}

import Records
import Tiering

/// Requests for parts of ranges in a simulated world.
extension World {
    /// Asks for some series, some time, or both, of a range that hot has or had rows of, copied before or not.
    func requestPart() async {
        let names = options.catalog.types.map(\.name)
        let seen = await hot.activity(of: names, rangeMicros: policy.rangeMicros)
            .sorted { ($0.range.start, $0.type) < ($1.range.start, $1.type) }
        guard !seen.isEmpty else { return }
        // What waits for late rows alone is asked for as often as anything else.
        let stamps = await Dictionary(cold.ledger.map { (HotPartition(type: $0.type, range: $0.range), $0.stamp) }) {
            $1
        }
        let late = seen.filter { found in
            stamps[HotPartition(type: found.type, range: found.range)].map { $0 != nil && $0 != found.stamp } ?? false
        }
        let among = late.isEmpty || draw(2) == 0 ? seen : late
        let found = among[draw(among.count)]
        let filter = drawFilter(of: found.range)
        trace.add("  \(filter) of \(found.type) \(found.range.start.micros) is asked for")
        trace.count("part asked for")
        await cold.request(
            newRequest(),
            type: found.type,
            range: found.range,
            filter: filter,
            stamp: found.stamp
        )
    }

    private func drawFilter(of range: TimeRange) -> TransferFilter {
        var filter = TransferFilter()
        let which = 1 + draw(15)
        if which & 1 != 0 { filter.exchange = ["binance", "okx"][draw(2)] }
        if which & 2 != 0 { filter.marketType = ["spot", "perpetual"][draw(2)] }
        if which & 4 != 0 { filter.symbol = ["BTC-USDT", "ETH-USDT"][draw(2)] }
        if which & 8 != 0 {
            let width = range.end.micros - range.start.micros
            let middle = range.start.advanced(byMicros: width * Int64(1 + draw(3)) / 4)
            filter.time =
                draw(2) == 0
                ? TimeRange(start: range.start, end: middle) : TimeRange(start: middle, end: range.end)
        }
        return filter
    }
}

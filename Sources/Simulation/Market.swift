/// One series of one venue, walking: a price, its book, the counters of its ids, its open interest and funding rate.
struct Market: Sendable {
    let exchange: String
    let marketType: String
    let symbol: String
    /// The venue's own name of the instrument.
    let instrument: String
    /// What the collector calls the venue inside `Nats-Msg-Id`.
    let collector: String
    let quoting: Quoting
    /// Last price, in ticks.
    private(set) var price: Int64
    private(set) var book = OrderBook()
    private(set) var tradeID: Int64
    private(set) var updateID: Int64
    /// Thousandths of a contract.
    private(set) var openInterest: Int64
    /// Funding rate, in units of 10^-8.
    private(set) var fundingRate: Int64

    private init(
        _ exchange: String,
        _ marketType: String,
        _ symbol: String,
        instrument: String,
        collector: String,
        cents: Int64,
        places: Int,
        // Zeros after the tick: Binance spot writes eight places whatever the tick and the lot.
        padding: Int = 0,
        using generator: inout SeededGenerator
    ) {
        self.exchange = exchange
        self.marketType = marketType
        self.symbol = symbol
        self.instrument = instrument
        self.collector = collector
        quoting = Quoting(
            places: places,
            padding: padding,
            lotPlaces: marketType == "spot" ? 5 : exchange == "okx" ? 0 : 3,
            lotPadding: padding > 0 ? 3 : 0
        )
        price = (0..<places).reduce(cents) { price, _ in price * 10 } / 100
        tradeID = .random(in: 1_000_000...4_000_000_000, using: &generator)
        updateID = .random(in: 10_000_000_000...90_000_000_000, using: &generator)
        openInterest = .random(in: 10_000_000...400_000_000, using: &generator)
        fundingRate = .random(in: -20_000...40_000, using: &generator)
    }

    /// The four markets of `symbol` on Binance and OKX.
    static func ofSymbol(_ symbol: String, using generator: inout SeededGenerator) -> [Market] {
        let known: [Substring: Int64] = ["BTC": 6_700_000, "ETH": 350_000, "SOL": 15_000]
        let cents = known[base(of: symbol)] ?? .random(in: 100...50_000, using: &generator)
        // Fine enough that a hundred levels of book stay far above zero.
        let places = cents >= 100_000 ? 2 : cents >= 1_000 ? 3 : 5
        let plain = symbol.filter { $0 != "-" }
        return [
            Market(
                "binance",
                "spot",
                symbol,
                instrument: plain,
                collector: "binance_spot",
                cents: cents,
                places: places,
                padding: 8 - places,
                using: &generator
            ),
            Market(
                "binance",
                "perpetual",
                symbol,
                instrument: plain,
                collector: "binance_derivatives",
                cents: cents,
                places: places,
                using: &generator
            ),
            Market(
                "okx",
                "spot",
                symbol,
                instrument: symbol,
                collector: "okx_spot",
                cents: cents,
                places: places - 1,
                using: &generator
            ),
            Market(
                "okx",
                "perpetual",
                symbol,
                instrument: symbol + "-SWAP",
                collector: "okx_derivatives",
                cents: cents,
                places: places - 1,
                using: &generator
            ),
        ]
    }

    /// Deribit's volatility index of the currency that `symbol` starts with.
    static func volatility(of symbol: String, using generator: inout SeededGenerator) -> Market {
        let currency = String(base(of: symbol))
        let cents = Int64.random(in: 3_500...6_500, using: &generator)
        return Market(
            "deribit",
            "options",
            currency,
            instrument: currency,
            collector: "deribit_derivatives",
            cents: cents,
            places: 2,
            using: &generator
        )
    }

    static func base(of symbol: String) -> Substring { symbol.prefix { $0 != "-" } }

    /// Moves the price by at most 0.002 % or one tick, and returns it.
    mutating func step(using generator: inout SeededGenerator) -> Int64 {
        let width = max(1, price / 50_000)
        // 1,000 ticks: below that the far levels of a book would cross zero.
        price = max(1_000, price + .random(in: -width...width, using: &generator))
        return price
    }

    /// Moves the price, and the book with it.
    mutating func stepBook(depths: ClosedRange<Int>, using generator: inout SeededGenerator) {
        let middle = step(using: &generator)
        book.move(to: middle, of: quoting, depths: depths, using: &generator)
    }

    mutating func nextTradeID() -> Int64 {
        tradeID += 1
        return tradeID
    }

    /// The ids of the next update of the book: the one before it, its first, its last.
    mutating func nextUpdate(using generator: inout SeededGenerator) -> (previous: Int64, first: Int64, last: Int64) {
        let previous = updateID
        updateID += .random(in: 1...40, using: &generator)
        return (previous, previous + 1, updateID)
    }

    mutating func nextOpenInterest(using generator: inout SeededGenerator) -> Int64 {
        let width = max(1, openInterest / 1_000)
        openInterest = max(1, openInterest + .random(in: -width...width, using: &generator))
        return openInterest
    }

    mutating func nextFundingRate(using generator: inout SeededGenerator) -> Int64 {
        fundingRate = min(75_000, max(-75_000, fundingRate + .random(in: -500...500, using: &generator)))
        return fundingRate
    }
}

/// The book of one market, kept from one update to the next, which moves it to a new middle and changes some levels.
///
/// As in recorded books of 95 levels a side: an update some 2 seconds after the one before it brings 29 new prices and
/// changes the quantity at 15 others, three or four neighbours at a time.
struct OrderBook: Sendable {
    /// A price with the texts that the venue writes.
    struct Level: Sendable {
        let price: Int64
        let at: String
        var quantity: String
    }

    /// Best first.
    private(set) var bids: [Level] = []
    private(set) var asks: [Level] = []
    private var depth = 0

    /// Moves the book to `middle`, the best bid.
    ///
    /// The first time it is filled, as deep as `depths` says, and stays as deep.
    mutating func move(
        to middle: Int64,
        of market: Quoting,
        depths: ClosedRange<Int>,
        using generator: inout SeededGenerator
    ) {
        if depth == 0 { depth = .random(in: depths, using: &generator) }
        Self.move(&bids, to: middle, step: -1, depth: depth, market, using: &generator)
        Self.move(&asks, to: middle + 1, step: 1, depth: depth, market, using: &generator)
    }

    /// Moves one side, whose prices are `step` (1 or −1) apart or more.
    private static func move(
        _ levels: inout [Level],
        to best: Int64,
        step: Int64,
        depth: Int,
        _ market: Quoting,
        using generator: inout SeededGenerator
    ) {
        // 200,000: a hundred levels of BTC are some 20 dollars.
        let gaps = 1...max(6, best / 200_000)
        levels.removeFirst(levels.prefix { ($0.price - best) * step <= 0 }.count)
        var front: [Level] = []
        var price = best
        while front.count < depth, levels.first.map({ ($0.price - price) * step > 0 }) ?? true {
            front.append(market.level(price, using: &generator))
            price += step * .random(in: gaps, using: &generator)
        }
        levels = front + levels.prefix(depth - front.count)
        while levels.count < depth, let last = levels.last {
            let price = last.price + step * .random(in: gaps, using: &generator)
            levels.append(market.level(price, using: &generator))
        }
        for _ in 0..<max(depth - 2, 0) / 6 {
            // Orders of one maker stand side by side and move together.
            let start = Int.random(in: 1..<depth - 1, using: &generator)
            let isMoved = Int.random(in: 0..<3, using: &generator) > 0
            for place in start..<min(start + .random(in: 1...6, using: &generator), depth - 1) {
                let (before, after) = (levels[place - 1].price, levels[place + 1].price)
                if isMoved {
                    let price = before + step * .random(in: 1..<(after - before) * step, using: &generator)
                    levels[place] = market.level(price, using: &generator)
                } else {
                    levels[place].quantity = market.quantity(using: &generator)
                }
            }
        }
    }
}

/// How a market writes a level.
struct Quoting: Sendable {
    /// Decimal places of a price tick, and zeros written after it.
    let places: Int
    let padding: Int
    /// Decimal places of a lot, and zeros written after it.
    let lotPlaces: Int
    let lotPadding: Int

    func level(_ price: Int64, using generator: inout SeededGenerator) -> OrderBook.Level {
        OrderBook.Level(price: price, at: text(price: price), quantity: quantity(using: &generator))
    }

    /// A price as the venue writes it.
    func text(price: Int64) -> String {
        PythonText.fixed(price, places: places) + String(repeating: "0", count: padding)
    }

    /// A quantity: most are small, and half of them round.
    func quantity(using generator: inout SeededGenerator) -> String {
        // 17 bits of 0.00001 are one coin, as are 10 of 0.001; contracts are 8 bits.
        let bits = UInt64.random(in: 0...(lotPlaces == 5 ? 17 : lotPlaces == 3 ? 13 : 8), using: &generator)
        var lots = Int64.random(in: 1 << bits..<2 << bits, using: &generator)
        if Bool.random(using: &generator) {
            var round: Int64 = 1
            while round * 10 <= lots { round *= 10 }
            lots = lots / round * round
        }
        return PythonText.fixed(lots, places: lotPlaces) + String(repeating: "0", count: lotPadding)
    }
}

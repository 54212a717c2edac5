package import Records

/// A lifelike market of seven record types in wire generation C, the same for the same seed, start and options.
///
/// It has no clock: `next` gives the next message with the instant it is due, and who publishes it waits for that
/// instant, or does not. Natural keys of different messages never meet.
package struct Feed: Sendable {
    /// How much, of what.
    package struct Options: Sendable {
        /// Messages a second, over all types, on average.
        package var rate: Double = 1_000
        /// Upper-case symbols, each traded on Binance and OKX, spot and perpetual.
        package var symbols = ["BTC-USDT", "ETH-USDT"]
        /// Share of messages that belong in quarantine.
        package var poisonShare = 0.002
        /// Share of messages that were published before.
        package var duplicateShare = 0.01
        /// Share of messages whose event time lies `lateBy` in the past.
        package var lateShare = 0.005
        package var lateBy: ClosedRange<Duration> = .seconds(5) ... .seconds(20)
        /// Share of messages that are of another type than trade.
        package var otherShare = 0.14
        /// Levels on one side of a book.
        package var depth = 20...100

        package init() {}
    }

    private let options: Options
    private let lateMilliseconds: ClosedRange<Int64>
    private var generator: SeededGenerator
    private var markets: [Market]
    /// Where each market's types stand in `markets`.
    private let spotAndPerpetual: Range<Int>
    private let perpetual: [Int]
    private let volatility: Range<Int>
    private var clocks: [String: EventClock] = [:]
    /// The last messages, of which some are published again; a ring.
    private var recent: [Observation] = []
    private var recentNext = 0
    private var dueNanos: Int64 = 0
    private let start: Timestamp

    /// Sets up the markets.
    ///
    /// Symbols are at least one, of `A-Z 0-9 - _`; the rate is above zero.
    package init(seed: UInt64, start: Timestamp, options: Options = Options()) {
        precondition(options.rate > 0 && !options.symbols.isEmpty, "a feed has a rate and a symbol")
        precondition(options.otherShare > 0 && options.depth.lowerBound > 0, "a feed has all types, a book has levels")
        self.options = options
        self.start = start
        lateMilliseconds =
            Int64(options.lateBy.lowerBound / .milliseconds(1))...Int64(options.lateBy.upperBound / .milliseconds(1))
        var generator = SeededGenerator(seed: seed)
        var markets: [Market] = []
        for symbol in options.symbols { markets += Market.ofSymbol(symbol, using: &generator) }
        spotAndPerpetual = markets.indices
        perpetual = markets.indices.filter { markets[$0].marketType == "perpetual" }
        var currencies: Set<Substring> = []
        for symbol in options.symbols where currencies.insert(Market.base(of: symbol)).inserted {
            markets.append(Market.volatility(of: symbol, using: &generator))
        }
        volatility = spotAndPerpetual.upperBound..<markets.count
        self.markets = markets
        self.generator = generator
    }

    /// When the next message is due.
    package var due: Timestamp { start.advanced(byMicros: dueNanos / 1_000) }

    /// The messages that are due before `instant`, in order.
    package mutating func advance(to instant: Timestamp) -> [FeedMessage] {
        var messages: [FeedMessage] = []
        while due < instant { messages.append(next()) }
        return messages
    }

    /// Says nothing until `instant`.
    package mutating func skip(to instant: Timestamp) {
        dueNanos = max(dueNanos, (instant.micros - start.micros) * 1_000)
    }

    /// The next message; its `at` is when it is due.
    package mutating func next() -> FeedMessage {
        let at = due
        dueNanos += Int64(Double.random(in: 0..<2, using: &generator) * 1_000_000_000 / options.rate)
        let draw = Double.random(in: 0..<1, using: &generator)
        if draw < options.duplicateShare, let original = recent.randomElement(using: &generator) {
            return original.again(at: at)
        }
        let isLate = draw >= options.duplicateShare && draw < options.duplicateShare + options.lateShare
        let isPoison = draw >= 1 - options.poisonShare
        let published = at.micros / 1_000
        let (observation, event) = observe(published: published, isLate: isLate)
        if isPoison, let poison = Poison.allCases.randomElement(using: &generator) {
            return poison.spoil(observation, at: at, event: event)
        }
        remember(observation)
        return observation.message(isLate ? .late : .good, at: at)
    }

    /// Draws a type by how often it really comes, and lets one of its markets speak.
    private mutating func observe(published: Int64, isLate: Bool) -> (Observation, event: Int64) {
        let lateness = isLate ? Int64.random(in: lateMilliseconds, using: &generator) : 0
        let draw = Int.random(in: 0..<Int((140 / options.otherShare).rounded()), using: &generator)
        if draw < 140, let spoken = observeSlow(draw, published: published, lateness: lateness) { return spoken }
        let index = Int.random(in: spotAndPerpetual, using: &generator)
        // A trade is 3 to 60 ms old when it is published.
        let event = published - lateness - .random(in: 3...60, using: &generator)
        let message = GenerationC(event: event, published: published)
        return (message.trade(&markets[index], using: &generator), event)
    }

    /// One of the types that are told apart by their time; nil where its series has used up the time there is.
    private mutating func observeSlow(
        _ draw: Int,
        published: Int64,
        lateness: Int64
    ) -> (Observation, event: Int64)? {
        let index: Int?
        let name: String
        switch draw {
        case 0..<80: (name, index) = ("orderbook", spotAndPerpetual.randomElement(using: &generator))
        case 80..<90: (name, index) = ("liquidation", perpetual.randomElement(using: &generator))
        case 90..<102: (name, index) = ("funding_rate", perpetual.randomElement(using: &generator))
        case 102..<116: (name, index) = ("open_interest", perpetual.randomElement(using: &generator))
        case 116..<124: (name, index) = ("top_position", perpetual.randomElement(using: &generator))
        case 124..<132: (name, index) = ("all_account", perpetual.randomElement(using: &generator))
        default: (name, index) = ("volatility_index", volatility.randomElement(using: &generator))
        }
        guard let index, let event = eventTime("\(name)/\(index)", published: published, lateness: lateness) else {
            return nil
        }
        let message = GenerationC(event: event, published: published)
        let observation =
            switch name {
            case "orderbook": message.orderbook(&markets[index], depth: options.depth, using: &generator)
            case "liquidation": message.liquidation(&markets[index], using: &generator)
            case "funding_rate": message.fundingRate(&markets[index], using: &generator)
            case "open_interest": message.openInterest(&markets[index], using: &generator)
            case "volatility_index": message.volatilityIndex(&markets[index], using: &generator)
            default: message.ratio(markets[index], kind: name, using: &generator)
            }
        return (observation, event)
    }

    private mutating func eventTime(_ series: String, published: Int64, lateness: Int64) -> Int64? {
        lateness == 0
            ? clocks[series, default: EventClock()].onTime(published)
            : clocks[series, default: EventClock()].late(
                published - lateness,
                forgetting: published - lateMilliseconds.upperBound
            )
    }

    private mutating func remember(_ observation: Observation) {
        // 512: enough that a repeat may come long after its first, few enough to cost nothing.
        if recent.count < 512 {
            recent.append(observation)
        } else {
            recent[recentNext] = observation
            recentNext = (recentNext + 1) % recent.count
        }
    }
}

/// Gives out the milliseconds of one series, none twice: even ones to messages on time, odd ones to late ones.
struct EventClock: Sendable {
    private var last = Int64.min / 2
    private var late: Set<Int64> = []

    /// The next free millisecond at or after `now`; nil where it lies more than a second ahead.
    mutating func onTime(_ now: Int64) -> Int64? {
        let free = max(now & ~1, last + 2)
        guard free <= now + 1_000 else { return nil }
        last = free
        return free
    }

    /// A free millisecond at or after `instant`; nobody asks again for one before `oldest`.
    mutating func late(_ instant: Int64, forgetting oldest: Int64) -> Int64 {
        if late.count >= 4_096 { late = late.filter { $0 >= oldest } }
        var free = instant | 1
        while !late.insert(free).inserted { free += 2 }
        return free
    }
}

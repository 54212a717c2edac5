import Records

/// Messages in the shape of the present collector, key by key.
struct GenerationC {
    /// When the thing happened, epoch milliseconds.
    let event: Int64
    /// When the collector publishes it, epoch milliseconds.
    let published: Int64

    func trade(_ market: inout Market, using generator: inout SeededGenerator) -> Observation {
        let price = market.step(using: &generator)
        let id = String(market.nextTradeID())
        var body = MessageBody()
        body.text("symbol", market.symbol)
        body.text("price", market.quoting.text(price: price))
        // The smallest that OKX trades, in Python's words.
        let isSmallest = market.collector == "okx_spot" && Int.random(in: 0..<200, using: &generator) == 0
        body.text("quantity", isSmallest ? "1E-8" : market.quoting.quantity(using: &generator))
        body.text("side", Bool.random(using: &generator) ? "buy" : "sell")
        body.text("trade_id", id)
        body.text("exchange", market.exchange)
        body.text("market_type", market.marketType)
        body.text("data_source", "marketprism")
        body.text("normalized_symbol", market.symbol)
        body.text("data_type", "trade")
        body.integer("ts_ms", published)
        body.integer("trade_ts_ms", event)
        body.text("publisher", "unified-collector")
        body.integer("collected_ts_ms", published)
        return observation("trade", of: market, own: id, body)
    }

    /// A snapshot, or from Binance now and then an update with levels as objects.
    func orderbook(
        _ market: inout Market,
        depth: ClosedRange<Int>,
        using generator: inout SeededGenerator
    ) -> Observation {
        market.stepBook(depths: depth, using: &generator)
        let ids = market.nextUpdate(using: &generator)
        let hasIDs = market.exchange == "binance"
        let isUpdate = hasIDs && Int.random(in: 0..<10, using: &generator) == 0
        var body = MessageBody()
        body.text("exchange", market.exchange)
        body.text("symbol", market.symbol)
        body.raw("bids", Self.json(market.book.bids, asObjects: isUpdate))
        body.raw("asks", Self.json(market.book.asks, asObjects: isUpdate))
        body.raw("last_update_id", hasIDs ? String(ids.last) : "null")
        if isUpdate {
            body.text("update_type", "update")
            body.integer("depth_levels", Int64(2 * market.book.bids.count))
            body.integer("first_update_id", ids.first)
            body.integer("prev_update_id", ids.previous)
        }
        body.text("data_source", "marketprism")
        body.text("normalized_symbol", market.symbol)
        body.text("standardized_at", PythonText.isoTime(event))
        body.text("standardization_version", "2.0")
        body.text("data_type", "orderbook")
        body.text("market_type", market.marketType)
        publisher(of: &body)
        return observation("orderbook", of: market, own: hasIDs ? String(ids.last) : "", body)
    }

    func fundingRate(_ market: inout Market, using generator: inout SeededGenerator) -> Observation {
        let index = market.step(using: &generator)
        let premium = Int64.random(in: -500...500, using: &generator)
        // OKX publishes the rate alone.
        let isWhole = market.exchange == "binance"
        let places = market.quoting.places
        func number(_ units: Int64) -> String { isWhole ? PythonText.float(units, places: places) : "null" }
        var body = start(of: market)
        body.raw("current_funding_rate", PythonText.float(market.nextFundingRate(using: &generator), places: 8))
        body.raw("estimated_funding_rate", isWhole ? "0.0001" : "null")
        body.text("funding_interval", "8h")
        body.raw("mark_price", number(index + premium))
        body.raw("index_price", number(index))
        body.raw("premium_index", number(premium))
        body.text("data_type", "funding_rate")
        publisher(of: &body)
        let interval: Int64 = 8 * 3_600_000
        body.integer("next_funding_ts_ms", (event / interval + 1) * interval)
        return observation("funding_rate", of: market, body)
    }

    func openInterest(_ market: inout Market, using generator: inout SeededGenerator) -> Observation {
        let contracts = market.nextOpenInterest(using: &generator)
        let price = market.step(using: &generator)
        var body = start(of: market)
        body.raw("open_interest_value", PythonText.float(contracts, places: 3))
        body.raw("open_interest_usd", PythonText.float(contracts / 1_000 * price, places: market.quoting.places))
        body.text("open_interest_unit", "contracts")
        let mark = market.exchange == "binance" ? PythonText.float(price, places: market.quoting.places) : "null"
        body.raw("mark_price", mark)
        body.raw("index_price", "null")
        body.raw("change_24h", "null")
        body.raw("change_24h_percent", "null")
        body.text("data_type", "open_interest")
        publisher(of: &body)
        return observation("open_interest", of: market, body)
    }

    func liquidation(_ market: inout Market, using generator: inout SeededGenerator) -> Observation {
        let side = Bool.random(using: &generator) ? "buy" : "sell"
        let id = "\(market.exchange)_\(event)_\(market.instrument)_\(side)"
        let price = market.step(using: &generator)
        let quantity = Int64.random(in: 1...50_000, using: &generator)
        var body = start(of: market)
        body.text("liquidation_id", id)
        body.text("side", side)
        body.text("status", "filled")
        body.raw("price", PythonText.float(price, places: market.quoting.places))
        body.raw("quantity", PythonText.float(quantity, places: 3))
        body.raw("filled_quantity", PythonText.float(Bool.random(using: &generator) ? quantity : 0, places: 3))
        body.raw("notional_value", PythonText.float(price * quantity, places: market.quoting.places + 3))
        body.text("liquidation_time", PythonText.isoTime(event))
        body.text("data_type", "liquidation")
        body.text("aggregation_mode", Bool.random(using: &generator) ? "filtered" : "all-symbol")
        body.integer("ts_ms", published)
        body.text("publisher", "unified-collector")
        body.integer("collected_ts_ms", published)
        body.integer("liquidation_ts_ms", event)
        return observation("liquidation", of: market, own: id, body)
    }

    /// A long/short ratio; `kind` is `top_position` or `all_account`.
    func ratio(_ market: Market, kind: String, using generator: inout SeededGenerator) -> Observation {
        let period = kind == "top_position" ? "1h" : "5m"
        let what = kind == "top_position" ? "position" : "account"
        // Binance gives 4 digits, OKX's are divided by the collector to 28.
        let places = market.exchange == "binance" ? 4 : 28
        let whole = (0..<places).reduce(UInt128(1)) { power, _ in power * 10 }
        let long = UInt128.random(in: whole / 100 * 35...whole / 100 * 65, using: &generator)
        var body = start(of: market)
        body.text("long_short_ratio", PythonText.fixed(Int64(long * 10_000 / (whole - long)), places: 4))
        body.text("period", period)
        body.text("data_source", "api")
        body.text("data_type", "lsr_\(kind)")
        body.text("long_\(what)_ratio", fraction(long, places: places))
        body.text("short_\(what)_ratio", fraction(whole - long, places: places))
        publisher(of: &body)
        return observation("lsr", of: market, own: "\(kind)/\(period)", body, head: "lsr_\(kind)", tail: ":\(period)")
    }

    func volatilityIndex(_ market: inout Market, using generator: inout SeededGenerator) -> Observation {
        let value = market.quoting.text(price: market.step(using: &generator))
        var body = MessageBody()
        body.text("exchange", market.exchange)
        body.text("symbol", market.symbol)
        body.text("currency", market.symbol)
        body.text("vol_index", value)
        body.text("volatility_index", value)
        body.text("market_type", market.marketType)
        body.text("data_source", "marketprism")
        body.text("data_type", "volatility_index")
        publisher(of: &body)
        return observation("volatility_index", of: market, body)
    }

    private func start(of market: Market) -> MessageBody {
        var body = MessageBody()
        body.text("exchange", market.exchange)
        body.text("market_type", market.marketType)
        body.text("symbol", market.symbol)
        body.text("instrument_id", market.instrument)
        return body
    }

    /// The keys that end the types whose event time is the publisher's clock.
    private func publisher(of body: inout MessageBody) {
        body.integer("ts_ms", event)
        body.text("publisher", "unified-collector")
        body.integer("collected_ts_ms", published)
    }

    /// What every type shares: subject, message id and identity, all from the market and the two clocks.
    ///
    /// `own` is the own part of the natural key; `head` the subject's first token where it is not the type; `tail` what
    /// ends the message id.
    private func observation(
        _ type: String,
        of market: Market,
        own: String = "",
        _ body: MessageBody,
        head: String? = nil,
        tail: String = ""
    ) -> Observation {
        let head = head ?? type
        let usesJetStream = type != "trade" && type != "orderbook"
        let told = type == "liquidation" ? own : String(event)
        return Observation(
            type: type,
            subject: "\(head).\(market.exchange).\(market.marketType).\(market.symbol)",
            messageID: usesJetStream ? "\(head):\(market.collector):\(market.symbol):\(told)\(tail)" : nil,
            identity: FeedMessage.storedIdentity(
                type: type,
                exchange: market.exchange,
                marketType: market.marketType,
                symbol: market.symbol,
                ts: Timestamp(milliseconds: event),
                own: own
            ),
            body: body
        )
    }

    /// One side of a book as JSON.
    private static func json(_ levels: [OrderBook.Level], asObjects: Bool) -> String {
        var json = "["
        for (index, level) in levels.enumerated() {
            json += index > 0 ? "," : ""
            json += asObjects ? "{\"price\":\"" : "[\""
            json += level.at
            json += asObjects ? "\",\"quantity\":\"" : "\",\""
            json += level.quantity
            json += asObjects ? "\"}" : "\"]"
        }
        return json + "]"
    }

    private func fraction(_ units: UInt128, places: Int) -> String {
        let digits = String(units)
        return "0." + String(repeating: "0", count: max(0, places - digits.count)) + digits
    }
}

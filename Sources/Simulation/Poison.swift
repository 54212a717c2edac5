import Records

/// A way to spoil a message so that it belongs in quarantine, whatever its type.
///
/// Every spoiled body keeps its times or ids, so that no two of them are the same bytes.
enum Poison: CaseIterable {
    case cutShort, trailingBytes, notUTF8, valueMissing, negative, notANumber, otherVenue, unknownMarket, keyTwice,
        ancient

    func spoil(_ observation: Observation, at: Timestamp, event: Int64) -> FeedMessage {
        let keys = valueKeys(of: observation.type)
        let isBook = observation.type == "orderbook"
        var body = observation.body
        switch self {
        case .cutShort, .trailingBytes: break
        case .notUTF8: body.text("note", "")
        case .valueMissing: body.remove(keys)
        // Rates may be negative; the mark price beside them may not.
        case .negative where observation.type == "funding_rate": body.replace(["mark_price"], with: "-0.5")
        case .negative: body.replace(keys, with: isBook ? "[[\"-0.5\",\"1\"]]" : "\"-0.5\"")
        case .notANumber: body.replace(keys, with: isBook ? "[[\"NaN\",\"1\"]]" : "\"NaN\"")
        case .otherVenue: body.replace(["exchange"], with: "\"kraken\"")
        case .unknownMarket: body.replace(["market_type"], with: "\"margin\"")
        case .keyTwice: body.text("symbol", "ANOTHER")
        // Thirty years back: before anything here was traded, and still one of a kind.
        case .ancient: body.replace(observation.eventKeys, with: String(event - 946_684_800_000))
        }
        var payload = body.bytes
        switch self {
        case .cutShort: payload.removeLast()
        case .trailingBytes: payload.append(contentsOf: "{}".utf8)
        case .notUTF8: payload.insert(0xff, at: payload.count - 2)
        default: break
        }
        return FeedMessage(
            type: observation.type,
            subject: observation.subject,
            messageID: observation.messageID,
            payload: payload,
            kind: .poison,
            at: at,
            identity: FeedMessage.quarantinedIdentity(subject: observation.subject, payload: payload)
        )
    }

    /// The keys of the value without which there is no row.
    private func valueKeys(of type: String) -> [String] {
        switch type {
        case "orderbook": ["bids"]
        case "funding_rate": ["current_funding_rate"]
        case "open_interest": ["open_interest_value"]
        case "lsr": ["long_short_ratio"]
        case "volatility_index": ["vol_index", "volatility_index"]
        default: ["price"]
        }
    }
}

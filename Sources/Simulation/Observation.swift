import Records

/// One message before it is published, as often as it is.
struct Observation: Sendable {
    let type: String
    let subject: String
    /// nil = core NATS.
    let messageID: String?
    /// What an audit must find where the message is good.
    let identity: String
    let body: MessageBody

    /// JSON keys of the event time; the types without one of their own have the publisher's clock.
    var eventKeys: [String] {
        switch type {
        case "trade": ["trade_ts_ms"]
        case "liquidation": ["liquidation_ts_ms", "liquidation_time"]
        default: ["ts_ms"]
        }
    }

    /// The message as published for the first time.
    func message(_ kind: FeedMessage.Kind, at: Timestamp) -> FeedMessage {
        FeedMessage(
            type: type,
            subject: subject,
            messageID: messageID,
            payload: body.bytes,
            kind: kind,
            at: at,
            identity: identity
        )
    }

    /// The same observation published again at `at`: equal in key and content.
    ///
    /// Its message id is another one, or the server's duplicate window would keep it from whoever must deal with it.
    func again(at: Timestamp) -> FeedMessage {
        let clocks = ["ts_ms", "collected_ts_ms"].filter { !eventKeys.contains($0) }
        var body = body
        // One millisecond ahead, like another collector's clock: never the time that the first one wrote.
        body.replace(clocks, with: String(at.micros / 1_000 + 1))
        return FeedMessage(
            type: type,
            subject: subject,
            messageID: messageID.map { "\($0):again:\(at.micros)" },
            payload: body.bytes,
            kind: .duplicate,
            at: at,
            identity: identity
        )
    }
}

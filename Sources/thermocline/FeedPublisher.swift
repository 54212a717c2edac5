import JetStream
import Platform
import Records
import Simulation

/// Publishes a feed in real time: order books and trades with core NATS, the rest into MARKET_DATA.
actor FeedPublisher {
    private let connection: JetStreamConnection
    private let publisher: JetStreamPublisher
    private(set) var published = 0

    /// Creates MARKET_DATA as the collector does, where it is missing.
    init(url: String) async throws {
        connection = try await JetStreamConnection(ConnectionOptions(url: url, name: "thermocline simulate"))
        publisher = try JetStreamPublisher(connection)
        if try await connection.stream(named: Self.collectorStream.name) == nil {
            try await connection.createStream(Self.collectorStream)
        }
    }

    /// The collector's own stream: it captures three exchanges only, and neither order books nor trades.
    private static let collectorStream = StreamConfiguration(
        name: "MARKET_DATA",
        subjects: [
            "funding_rate", "open_interest", "liquidation", "volatility_index", "lsr_top_position", "lsr_all_account",
        ].flatMap { type in ["binance", "okx", "deribit"].map { "\(type).\($0).>" } },
        maxAge: .seconds(48 * 3_600),
        maxBytes: 2 << 30,
        maxMessages: 5_000_000,
        maxConsumers: 50,
        duplicateWindow: .seconds(120)
    )

    /// Publishes what is due, 50 times a second, until the time is over or `stop` opens.
    ///
    /// `note` hears of messages when the server has taken them.
    func run(
        _ feed: Feed,
        for span: Duration?,
        until stop: Latch,
        note: @Sendable ([FeedMessage]) -> Void = { _ in }
    ) async throws {
        var feed = feed
        let clock = ContinuousClock()
        let end = span.map { clock.now.advanced(by: $0) }
        var next = clock.now
        while !stop.isOpen, end.map({ clock.now < $0 }) ?? true {
            let due = feed.advance(to: Timestamp(micros: WallClock.now()))
            try await publish(due)
            note(due)
            next = next.advanced(by: .milliseconds(20))
            try await stop.wait(for: clock.now.duration(to: max(next, clock.now)), clock: clock)
        }
    }

    private func publish(_ messages: [FeedMessage]) async throws {
        let core = messages.filter { $0.messageID == nil }.map { OutgoingMessage($0.subject, $0.payload) }
        let stored = messages.filter { $0.messageID != nil }
            .map { OutgoingMessage($0.subject, $0.payload, identifier: $0.messageID) }
        try await publisher.publish(core)
        _ = try await publisher.store(stored)
        published += messages.count
    }

    func close() async { await connection.close() }
}

import Adapters
import JetStream
import Platform
import PrivateServers
import Records
import TestSupport
import Testing
import Tiering

@Suite(.privatePostgres, .privateNATS, .timeLimit(.minutes(2))) struct SharedStreamTests {
    static let funding = Catalog.standard.types[2]

    @Test func `what a shared stream discards under a lane that reads is listed`() async throws {
        let tiers = try await Tiers()
        let options = ConnectionOptions(url: PrivateNATS.current.url, name: "test")
        let connection = try await JetStreamConnection(options)
        let shared = StreamConfiguration(
            name: "MARKET_DATA",
            subjects: ["funding_rate.binance.>", "liquidation.binance.>"],
            maxMessages: 10
        )
        _ = try await connection.createStream(shared)
        let board = LaneBoard()
        let runner = LaneRunner(
            LaneSettings(
                source: SourceID(stream: "MARKET_DATA", filter: "funding_rate.>"),
                type: Self.funding,
                isShared: true
            ),
            streams: JetStreamStreams(options, acknowledges: true),
            hot: PostgresHot(settings: tiers.settings, catalog: tiers.catalog),
            decoder: RecordDecoder(type: Self.funding, catalog: tiers.catalog),
            clock: ContinuousClock(),
            now: { Timestamp(micros: WallClock.now()) },
            board: board,
            report: { _ in }
        )
        var lane = try #require(try await runner.open())
        let messages = (0..<100).map { SampleMessage(Self.funding, number: $0) }
        _ = try await JetStreamPublisher(connection).store(messages.map { OutgoingMessage($0.subject, $0.payload) })
        let batch = try await runner.gather(&lane, committing: nil)
        #expect(batch.received == 10 && batch.to == 100)
        _ = try await lane.session.commit(batch)
        let gap = "SELECT cause || ' ' || first_seq || '-' || last_seq || ' ' || suspected FROM thermocline.gap"
        #expect(try await tiers.ask(tiers.hot, gap) == "discarded 1-90 true")
        await runner.close(lane)
        await connection.close()
    }
}

import Adapters
import JetStream
import PrivateServers
import Records
import TestSupport
import Testing
import Tiering

@Suite(.serialized, .privateNATS, .timeLimit(.minutes(2))) struct DiscoveryTests {
    let types = Catalog.underTest.types

    /// What is found when just these streams exist.
    func discover(_ streams: [StreamConfiguration], creatable: Set<String> = []) async throws -> Discovery {
        let connection = try await JetStreamConnection(ConnectionOptions(url: PrivateNATS.current.url, name: "test"))
        for stream in try await connection.streams() { _ = try await connection.deleteStream(stream.name) }
        for stream in streams { _ = try await connection.createStream(stream) }
        let found = Discovery(types: types, streams: try await connection.streams(), creatable: creatable)
        await connection.close()
        return found
    }

    @Test func `our own stream of a type is read whole, without filter`() async throws {
        let subjects = ["trade.>", "trade-data.>", "trades-data.>"]
        let found = try await discover([StreamConfiguration(name: "THERMOCLINE_TRADE", subjects: subjects)])
        let source = SourceID(stream: "THERMOCLINE_TRADE", filter: SourceID.everything)
        #expect(found.sources.map { "\($0.source) \($0.type) \($0.isShared)" } == ["\(source) trade false"])
        #expect(found.uncaptured["trade"] == [])
    }

    @Test func `another's stream that carries one type today may still hold others, or get them`() async throws {
        let found = try await discover([StreamConfiguration(name: "MARKET_DATA", subjects: ["liquidation.okx.>"])])
        let source = SourceID(stream: "MARKET_DATA", filter: "liquidation.>")
        #expect(found.sources.map { "\($0.source) \($0.type) \($0.isShared)" } == ["\(source) liquidation true"])
    }

    @Test func `a shared stream is read by one consumer a pattern, and what it leaves out is named`() async throws {
        let subjects = [
            "funding_rate.binance.>", "funding_rate.okx.>", "lsr_top_position.okx.>", "lsr_all_account.okx.>",
        ]
        let found = try await discover([StreamConfiguration(name: "MARKET_DATA", subjects: subjects)])
        let filters = found.sources.map { "\($0.type) \($0.source.filter) \($0.isShared)" }
        #expect(filters.contains("funding_rate funding_rate.> true"))
        #expect(filters.contains("lsr lsr_top_position.> true") && filters.contains("lsr lsr_all_account.> true"))
        let left = found.uncaptured["funding_rate"] ?? []
        #expect(left.contains("funding_rate.> but for funding_rate.binance.>, funding_rate.okx.>"))
    }

    @Test func `a pattern may live in several streams`() async throws {
        let found = try await discover([
            StreamConfiguration(name: "A", subjects: ["trade.binance.>"]),
            StreamConfiguration(name: "B", subjects: ["trade.okx.>", "orderbook.okx.>"]),
        ])
        let trades = found.sources.filter { $0.type == "trade" }
        #expect(trades.map(\.source.stream).sorted() == ["A", "B"])
        #expect(trades.allSatisfy { $0.source.filter == "trade.>" })
    }

    @Test func `a work-queue stream is refused: reading it would take its messages`() async throws {
        let queue = StreamConfiguration(name: "QUEUE", subjects: ["trade.>"], retention: .workQueue)
        let found = try await discover([queue], creatable: ["trade"])
        #expect(found.refused == ["QUEUE"])
        #expect(found.sources.isEmpty)
        #expect(found.missing.isEmpty, "a stream of ours would overlap")
        #expect(found.waiting["trade"]?.contains("QUEUE") == true)
    }

    @Test func `a type without a stream is created where that is allowed, else waited for by name`() async throws {
        let found = try await discover([], creatable: ["trade"])
        #expect(found.missing.map(\.name) == ["trade"])
        #expect(found.waiting["funding_rate"]?.contains("funding_rate.>") == true)
        #expect(found.waiting["trade"] == nil)
    }
}

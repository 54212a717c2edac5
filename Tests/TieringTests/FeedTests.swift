import Foundation
import Records
import Simulation
import Testing

@Suite struct FeedTests {
    static let start = Timestamp(milliseconds: 1_795_163_317_000)
    static let types = Catalog.standard.types.map(\.name)

    static func messages(_ count: Int, seed: UInt64 = 7, options: Feed.Options = Feed.Options()) -> [FeedMessage] {
        var feed = Feed(seed: seed, start: start, options: options)
        return (0..<count).map { _ in feed.next() }
    }

    static func object(_ message: FeedMessage) throws -> [String: Any] {
        let json = try JSONSerialization.jsonObject(with: Data(message.payload))
        return try #require(json as? [String: Any])
    }

    @Test func `the same seed gives the same bytes`() {
        let isSame = Self.messages(2_000) == Self.messages(2_000)
        let isSameForAnother = Self.messages(50) == Self.messages(50, seed: 8)
        #expect(isSame && !isSameForAnother)
    }

    @Test func `every type of the catalogue speaks, on subjects that the catalogue reads`() {
        let messages = Self.messages(5_000)
        #expect(Set(messages.map(\.type)) == Set(Self.types))
        for message in messages {
            let first = message.subject.split(separator: ".").first.map(String.init)
            let patterns = Catalog.standard.type(named: message.type)?.subjects.map(\.first) ?? []
            #expect(patterns.contains { $0 == first }, "\(message.subject)")
            #expect((message.messageID == nil) == ["trade", "orderbook"].contains(message.type))
        }
    }

    @Test func `poison, repeats and late rows come in the shares asked for`() {
        var options = Feed.Options()
        options.poisonShare = 0.05
        options.duplicateShare = 0.10
        options.lateShare = 0.02
        let messages = Self.messages(20_000, options: options)
        for (kind, share) in [(FeedMessage.Kind.poison, 0.05), (.duplicate, 0.10), (.late, 0.02), (.good, 0.83)] {
            let found = Double(messages.count { $0.kind == kind }) / 20_000
            #expect(abs(found - share) < 0.01, "\(kind) \(found)")
        }
    }

    @Test func `messages come at the rate asked for, in order of time`() {
        var options = Feed.Options()
        options.rate = 500
        var feed = Feed(seed: 1, start: Self.start, options: options)
        let first = feed.advance(to: Self.start.advanced(byMicros: 5_000_000))
        let second = feed.advance(to: Self.start.advanced(byMicros: 10_000_000))
        #expect(abs(first.count + second.count - 5_000) < 250)
        #expect((first + second).map(\.at) == (first + second).map(\.at).sorted())
        #expect(first.allSatisfy { $0.at < Self.start.advanced(byMicros: 5_000_000) })
        #expect(second.allSatisfy { $0.at >= Self.start.advanced(byMicros: 5_000_000) })
    }

    /// One symbol at a rate at which every series runs out of milliseconds.
    @Test func `no two messages share an identity but a message and its repeats`() {
        var options = Feed.Options()
        options.rate = 200_000
        options.symbols = ["BTC-USDT"]
        options.poisonShare = 0.05
        options.lateShare = 0.2
        options.lateBy = .milliseconds(10) ... .milliseconds(500)
        let messages = Self.messages(60_000, options: options)
        let new = messages.filter { $0.kind != .duplicate }
        let identities = Set(new.map(\.identity))
        #expect(identities.count == new.count)
        #expect(messages.allSatisfy { identities.contains($0.identity) })
        #expect(Set(messages.compactMap(\.messageID)).count == messages.count { $0.messageID != nil })
    }

    @Test func `a good message is one JSON object whose place and times are those of its subject and identity`() throws
    {
        for message in Self.messages(3_000) where message.kind == .good || message.kind == .late {
            let json = try Self.object(message)
            let tokens = message.subject.split(separator: ".").map(String.init)
            #expect([json["exchange"], json["market_type"], json["symbol"]] as? [String] == Array(tokens.dropFirst()))
            #expect(json["data_type"] as? String == tokens.first)
            let eventKey = ["trade_ts_ms", "liquidation_ts_ms"].first { json[$0] != nil } ?? "ts_ms"
            let event = try #require(json[eventKey] as? Int64)
            let identity = message.identity.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
            #expect(identity[4] == String(event * 1_000))
            #expect(json["collected_ts_ms"] as? Int64 == message.at.micros / 1_000)
            let age = message.at.micros / 1_000 - event
            #expect(message.kind == .late ? age >= 4_990 && age <= 20_100 : age >= -1_000 && age <= 100)
        }
    }

    @Test func `a repeat says what its first said, at another time`() throws {
        var options = Feed.Options()
        options.duplicateShare = 0.3
        var first: [String: FeedMessage] = [:]
        for message in Self.messages(3_000, options: options) where message.kind != .poison {
            guard message.kind == .duplicate else {
                first[message.identity] = message
                continue
            }
            let original = try #require(first[message.identity])
            let isByteForByte = message.payload == original.payload
            #expect(!isByteForByte)
            let clocks = ["trade", "liquidation"].contains(message.type) ? ["ts_ms"] : []
            let contents = try [message, original].map { message in
                NSDictionary(
                    dictionary: try Self.object(message).filter { !(clocks + ["collected_ts_ms"]).contains($0.key) }
                )
            }
            #expect(contents[0] == contents[1])
        }
    }

    @Test func `poison of one feed is never the same bytes twice, and is what its identity says`() {
        var options = Feed.Options()
        options.poisonShare = 1
        options.duplicateShare = 0
        let messages = Self.messages(5_000, options: options)
        #expect(Set(messages.map(\.payload)).count == messages.count)
        for message in messages {
            let named = FeedMessage.quarantinedIdentity(subject: message.subject, payload: message.payload)
            #expect(message.identity == named)
        }
    }

    @Test func `a book descends from its best bid, rises from its best ask, and never crosses`() throws {
        var options = Feed.Options()
        options.symbols = ["BTC-USDT", "CHEAP-USDT"]
        for message in Self.messages(2_000, options: options) where message.type == "orderbook" && message.kind == .good
        {
            let json = try Self.object(message)
            let bids = try prices(json["bids"])
            let asks = try prices(json["asks"])
            #expect(bids == bids.sorted(by: >) && asks == asks.sorted() && bids[0] < asks[0])
            #expect((20...100).contains(bids.count) && bids.count == asks.count)
            #expect(bids.allSatisfy { $0 > 0 })
        }
    }

    /// Recorded books keep 54 % of their levels, and 69 % of their prices.
    @Test func `an update keeps about half of a book, as recorded ones do`() throws {
        var books: [String: Set<[String]>] = [:]
        var (levels, kept) = (0, 0)
        for message in Self.messages(20_000) where message.type == "orderbook" && message.kind == .good {
            let json = try Self.object(message)
            var book: Set<[String]> = []
            for side in ["bids", "asks"] {
                for level in json[side] as? [Any] ?? [] {
                    let object = level as? [String: String]
                    let pair =
                        try object.map { [$0["price"] ?? "", $0["quantity"] ?? ""] } ?? #require(level as? [String])
                    book.insert(pair)
                }
            }
            if let last = books.updateValue(book, forKey: message.subject) {
                (levels, kept) = (levels + book.count, kept + book.intersection(last).count)
            }
        }
        let share = Double(kept) / Double(levels)
        #expect((0.45...0.65).contains(share), "\(share)")
    }

    private func prices(_ side: Any?) throws -> [Decimal] {
        if let levels = side as? [[String]] { return try levels.map { try #require(Decimal(string: $0[0])) } }
        let levels = try #require(side as? [[String: String]])
        return try levels.map { try #require(Decimal(string: $0["price"] ?? "")) }
    }
}

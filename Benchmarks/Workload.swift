import Adapters
import JetStream
import Platform
import Records
import Simulation
import Tiering

/// What is in the streams: one kind of message, or all of them as they come in life.
enum Workload: String, Sendable, CaseIterable {
    /// Trades of about 330 bytes.
    case trades
    /// Order books of 100 levels a side, about 7 KB.
    case books
    /// All seven types, with poison, repeats and late messages.
    case mix

    var title: String {
        switch self {
        case .trades: "trades"
        case .books: "100-level books"
        case .mix: "lifelike mix"
        }
    }

    /// The one type in the stream; nil where it holds all.
    var type: RecordType? {
        switch self {
        case .trades: Catalog.standard.type(named: "trade")
        case .books: Catalog.standard.type(named: "orderbook")
        case .mix: nil
        }
    }

    /// Messages of the same seed are the same in every run, but for their time.
    func feed(start: Timestamp) -> Feed {
        var options = Feed.Options()
        guard self != .mix else {
            options.rate = 20_000
            return Feed(seed: 6, start: start, options: options)
        }
        (options.poisonShare, options.duplicateShare, options.lateShare) = (0, 0, 0)
        options.depth = 100...100
        // Nearly nothing but trades, or nothing but the other types, of which order books are the most.
        options.otherShare = self == .trades ? 1e-9 : 1
        options.rate = self == .trades ? 20_000 : 2_000
        return Feed(seed: 6, start: start, options: options)
    }

    /// Books of Binance spot: those with the most digits, and so the largest.
    func includes(_ message: FeedMessage) -> Bool {
        switch self {
        case .trades: message.type == "trade"
        case .books: message.subject.hasPrefix("orderbook.binance.spot.")
        case .mix: true
        }
    }

    /// Streams as Thermocline and the collector make them.
    var streams: [StreamConfiguration] {
        if let type { return [Self.stream(of: type)] }
        let own = ["trade", "orderbook"]
        let others = Catalog.standard.types.filter { !own.contains($0.name) }
        return Catalog.standard.types.filter { own.contains($0.name) }.map(Self.stream)
            + [StreamConfiguration(name: "MARKET_DATA", subjects: others.flatMap { $0.subjects.map(\.filter) })]
    }

    private static func stream(of type: RecordType) -> StreamConfiguration {
        StreamConfiguration(name: Discovery.streamName(of: type), subjects: type.subjects.map(\.filter))
    }
}

/// A workload as it lies in the streams, and its rows ready to be copied.
struct Prepared: Sendable {
    /// Rows of one type that go into one transaction.
    struct Batch: Sendable {
        let type: String
        let bytes: [UInt8]
        let rows: Int
    }

    let workload: Workload
    let streams: [StreamConfiguration]
    private(set) var messages = 0
    private(set) var payloadBytes = 0
    /// Sequence of the last message, by `stream/first token`.
    private(set) var ends: [String: UInt64] = [:]
    private(set) var batches: [Batch] = []
    /// Where event times begin.
    let start: Timestamp

    var rows: Int { batches.reduce(0) { $0 + $1.rows } }

    /// Fills new streams with `count` messages, and decodes the same messages into rows.
    init(_ workload: Workload, count: Int, into connection: JetStreamConnection) async throws {
        self.workload = workload
        streams = workload.streams
        start = Timestamp(micros: WallClock.now() - 3_600_000_000)
        for stream in streams { try await connection.createStream(stream) }
        let publisher = try JetStreamPublisher(connection)
        var feed = workload.feed(start: start)
        var rows: [String: Gathering] = [:]
        var sequences: [String: UInt64] = [:]
        while messages < count {
            try Task.checkCancellation()
            var chunk: [OutgoingMessage] = []
            while messages + chunk.count < count, chunk.count < 5_000 {
                let message = feed.next()
                guard workload.includes(message) else { continue }
                chunk.append(OutgoingMessage(message.subject, message.payload, identifier: message.messageID))
                let stream = workload.type == nil && message.messageID != nil ? "MARKET_DATA" : Self.stream(message)
                let token = message.subject.prefix { $0 != "." }
                sequences[stream, default: 0] += 1
                ends["\(stream)/\(token)"] = sequences[stream]
                payloadBytes += message.payload.count
                // A repeat would break the key of a COPY straight into the table, poison has no row.
                guard message.kind != .duplicate, message.kind != .poison else { continue }
                if rows[message.type] == nil { rows[message.type] = Gathering(message.type) }
                if let batch = try rows[message.type]?.add(message, messages) { batches.append(batch) }
            }
            let answer = try await publisher.store(chunk, within: .seconds(60))
            guard answer.stored == chunk.count else { throw BenchError("the streams refused messages as repeated") }
            messages += chunk.count
        }
        for type in rows.keys.sorted() { if let batch = rows[type]?.close() { batches.append(batch) } }
    }

    private static func stream(_ message: FeedMessage) -> String { "THERMOCLINE_\(message.type.uppercased())" }
}

/// Rows of one type on their way into batches as large as Thermocline's own.
private struct Gathering {
    private let type: RecordType
    private let policy = BatchPolicy()
    private let decoder: RecordDecoder
    private var rows = RowBatch()
    private var messageBytes = 0

    /// Nil for a type that the catalogue lacks.
    init?(_ name: String) {
        guard let type = Catalog.standard.type(named: name) else { return nil }
        self.type = type
        decoder = RecordDecoder(type: type, catalog: .standard)
    }

    /// Decodes a message; returns the batch that it fills.
    mutating func add(_ message: FeedMessage, _ sequence: Int) throws -> Prepared.Batch? {
        let origin = MessageOrigin(sequence: UInt64(sequence), time: message.at, receivedAt: message.at)
        let (payload, subject) = (message.payload, Array(message.subject.utf8))
        try decoder.decode(payload.span, subject: subject.span, origin: origin, into: &rows)
        messageBytes += payload.count
        return rows.count >= policy.rows || messageBytes >= policy.bytes ? close() : nil
    }

    /// The rows so far, sorted as the product sorts them; nil if there are none.
    mutating func close() -> Prepared.Batch? {
        guard !rows.isEmpty else { return nil }
        _ = rows.deduplicateAndSort(as: type)
        defer {
            rows.removeAll()
            messageBytes = 0
        }
        return Prepared.Batch(type: type.name, bytes: rows.copyBytes(), rows: rows.count)
    }
}

import Platform
import Records
import Simulation

/// Rows of trades and order books to be repeated: the recorded ones where they are there, else those of the feed.
struct ArchiveSeed: Sendable {
    /// What it is made of, for the report.
    let origin: String
    /// COPY tuples by type.
    let rows: [String: RowBatch]

    static let types = Catalog.standard.types.filter { $0.name == "trade" || $0.name == "orderbook" }

    /// Reads `recorded` (`real/era_c.jsonl` of the shared data), or makes up as much.
    init(recorded: String) throws {
        if Files.exists(recorded) {
            origin = "recorded data"
            rows = try SeedDecoding.recorded(recorded, Self.types)
        } else {
            origin = "feed of seed 6"
            rows = try Self.feed()
        }
    }

    private static func feed() throws -> [String: RowBatch] {
        var decoding = SeedDecoding(types)
        for (workload, count) in [(Workload.trades, 20_000), (.books, 500)] {
            var feed = workload.feed(start: Timestamp(micros: 1_795_000_000_000_000))
            var taken = 0
            while taken < count {
                let message = feed.next()
                guard workload.includes(message) else { continue }
                try decoding.add(message.subject, message.payload)
                taken += 1
            }
        }
        return decoding.rows
    }
}

/// Messages into rows, those of other types left out.
struct SeedDecoding {
    private var decoders: [String: RecordDecoder]
    private var sequence: UInt64 = 0
    private(set) var rows: [String: RowBatch] = [:]

    init(_ types: [RecordType]) {
        decoders = Dictionary(
            uniqueKeysWithValues: types.map { ($0.name, RecordDecoder(type: $0, catalog: .standard)) }
        )
    }

    /// The rows of a file of recorded messages (`real/era_c.jsonl` of the shared data).
    static func recorded(_ path: String, _ types: [RecordType]) throws -> [String: RowBatch] {
        var decoding = SeedDecoding(types)
        for line in try File(reading: path, limit: 1 << 30).bytes.split(separator: 0x0A) {
            let payloadMark = Array(#","payload":"#.utf8)
            guard let payload = line.firstRange(of: payloadMark), let end = line.lastIndex(of: 0x2C) else { continue }
            let head = try JSONValue(parsing: Array(line[..<payload.lowerBound]) + Array("}".utf8))
            try decoding.add(head["subject"]?.string ?? "", Array(line[payload.upperBound..<end]))
        }
        return decoding.rows
    }

    /// Adds a message that came at this time.
    mutating func add(
        _ subject: String,
        _ payload: [UInt8],
        at time: Timestamp = Timestamp(micros: WallClock.now())
    ) throws {
        guard let type = Catalog.standard.type(ofSubject: String(subject.prefix { $0 != "." }))?.name,
            decoders[type] != nil
        else { return }
        sequence += 1
        let origin = MessageOrigin(sequence: sequence, time: time, receivedAt: time)
        try decoders[type]?.decode(
            payload.span,
            subject: Array(subject.utf8).span,
            origin: origin,
            into: &rows[type, default: RowBatch()]
        )
    }
}

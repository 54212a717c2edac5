import Digest
import Records
import Tiering

/// One row in memory: its bytes, and what it is.
struct MemoryRow: Sendable {
    /// Canonical bytes of the natural key.
    let key: [UInt8]
    let identity: String
    let content: Digest128
    let ts: Timestamp
    /// The whole COPY tuple.
    let bytes: [UInt8]

    /// Exchange, market type and symbol.
    let series: [String]

    var summary: Summary { Summary(rows: 1, digest: content) }

    func isMeant(by filter: TransferFilter) -> Bool {
        filter.time?.contains(ts) != false
            && zip([filter.exchange, filter.marketType, filter.symbol], series).allSatisfy { $0 == nil || $0 == $1 }
    }
}

/// The rows of one record type, unique by natural key, by bucket of event time.
struct MemoryTable: Sendable {
    private let bucketMicros: Int64
    private var buckets: [Timestamp: [[UInt8]: MemoryRow]] = [:]
    /// The same rows as an invariant looks at them.
    private(set) var marks = RowSet()

    init(bucketMicros: Int64) { self.bucketMicros = bucketMicros }

    func bucket(of ts: Timestamp) -> Timestamp { TimeRange(containing: ts, width: bucketMicros).start }

    func row(_ row: MemoryRow) -> MemoryRow? { buckets[bucket(of: row.ts)]?[row.key] }

    /// Adds a row whose key is new; false where the key is there.
    mutating func insert(_ row: MemoryRow) -> Bool {
        let bucket = bucket(of: row.ts)
        guard buckets[bucket]?[row.key] == nil else { return false }
        buckets[bucket, default: [:]][row.key] = row
        marks.add(row.identity, row.content)
        return true
    }

    mutating func remove(_ row: MemoryRow) {
        guard buckets[bucket(of: row.ts)]?.removeValue(forKey: row.key) != nil else { return }
        marks.remove(row.identity)
    }

    /// Rows of a range, oldest first.
    func rows(in range: TimeRange) -> [MemoryRow] {
        var rows: [MemoryRow] = []
        var bucket = bucket(of: range.start)
        while bucket < range.end {
            if let found = buckets[bucket] { rows += found.values.filter { range.contains($0.ts) } }
            bucket = bucket.advanced(byMicros: bucketMicros)
        }
        return rows.sorted { ($0.ts, $0.identity) < ($1.ts, $1.identity) }
    }
}

/// Takes chunks of COPY tuples apart into rows that a table in memory keeps.
struct MemoryRowReader: Sendable {
    private let type: RecordType
    private let identity: RowIdentity
    private let digester: ContentDigester
    private let reader: CopyRowReader
    private let own: [Int]

    init(type: RecordType) {
        self.type = type
        identity = RowIdentity(type: type)
        digester = ContentDigester(type: type)
        reader = CopyRowReader(type: type)
        let names: [String] =
            switch type.name {
            case "trade": ["trade_id"]
            case "orderbook": ["last_update_id"]
            case "liquidation": ["liquidation_id"]
            case "lsr": ["kind", "period"]
            case "funding_rate", "open_interest", "volatility_index": []
            default: type.key
            }
        own = names.compactMap { name in type.allColumns.firstIndex { $0.name == name } }
    }

    func rows(_ chunk: [UInt8]) throws(CopyRowError) -> [MemoryRow] {
        var reader = reader
        var rows: [MemoryRow] = []
        while try reader.next(in: chunk.span) {
            let bytes = Array(chunk[reader.rowStart..<reader.position])
            rows.append(
                MemoryRow(
                    key: try identity.key(of: bytes.span),
                    identity: try name(reader, chunk),
                    content: try digester.summarize(bytes.span).digest,
                    ts: try identity.timestamp(of: bytes.span),
                    bytes: bytes,
                    series: (1...3).map { reader.text($0, in: chunk.span) ?? "" }
                )
            )
        }
        return rows
    }

    /// The name that the feed gives the message of this row.
    private func name(_ reader: CopyRowReader, _ chunk: [UInt8]) throws(CopyRowError) -> String {
        var parts: [String] = []
        for index in own {
            switch type.allColumns[index].kind {
            case .integer, .timestamp: parts.append(try reader.integer(index, in: chunk.span).map { "\($0)" } ?? "")
            case .boolean: parts.append(try reader.boolean(index, in: chunk.span).map { "\($0)" } ?? "")
            case .text: parts.append(reader.text(index, in: chunk.span) ?? "")
            // Other kinds say nothing that the rest of the key does not say.
            case .decimal, .decimals, .json: break
            }
        }
        return FeedMessage.storedIdentity(
            type: type.name,
            exchange: reader.text(1, in: chunk.span) ?? "",
            marketType: reader.text(2, in: chunk.span) ?? "",
            symbol: reader.text(3, in: chunk.span) ?? "",
            ts: try reader.timestamp(0, in: chunk.span) ?? Timestamp(micros: 0),
            own: parts.joined(separator: "/")
        )
    }
}

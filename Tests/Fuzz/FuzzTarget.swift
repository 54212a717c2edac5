/// One decoder under test: a record type with limits and a choice about provenance.
struct FuzzTarget: Sendable {
    let type: RecordType
    let limits: DecodeLimits
    let sample: FuzzCase
    /// The row of `sample`.
    let sampleRow: [UInt8]
    /// A batch whose decoder has seen `sample`.
    let used: RowBatch
    private let decoder: RecordDecoder

    /// Every type of the catalogue and one that has every kind of column, each with three sets of limits.
    static let all: [FuzzTarget] = (Catalog.standard.types + [everyKind]).flatMap { type in
        [
            FuzzTarget(type, DecodeLimits(), keepProvenance: false),
            FuzzTarget(type, small, keepProvenance: true),
            FuzzTarget(type, large, keepProvenance: true),
        ]
    }

    private static let everyKind = RecordType(
        "every_kind",
        subjects: [SubjectPattern("every_kind")],
        columns: [
            Column("label", .text, nullable: true), Column("revision", .integer, nullable: true),
            Column("amount", .decimal, nullable: true, from: .keys(["amount", "value"])),
            Column("settled_at", .timestamp, nullable: true), Column("is_final", .boolean, nullable: true),
            Column("weights", .decimals, nullable: true), Column("detail", .json, nullable: true),
            Column("side", .text, nullable: true, rule: .oneOf(["buy", "sell"])),
        ],
        key: ["label", "revision", "amount", "settled_at", "is_final"],
        eventTimeKeys: ["reading_ts_ms"]
    )

    /// So small that every limit is met.
    private static let small: DecodeLimits = {
        var limits = DecodeLimits()
        limits.messageBytes = 2_048
        limits.depth = 4
        limits.keys = 24
        limits.digits = 20
        limits.levels = 3
        limits.symbolLength = 12
        limits.textBytes = 16
        return limits
    }()

    /// The most that a configuration may ask for of what costs stack or memory.
    private static let large: DecodeLimits = {
        var limits = DecodeLimits()
        limits.depth = 512
        limits.digits = 1_000
        return limits
    }()

    private static let streamTime = Timestamp(milliseconds: 1_795_176_000_000)

    private init(_ type: RecordType, _ limits: DecodeLimits, keepProvenance: Bool) {
        self.type = type
        self.limits = limits
        decoder = RecordDecoder(
            type: type,
            catalog: Catalog(types: Catalog.standard.types + [Self.everyKind]),
            limits: limits,
            keepProvenance: keepProvenance,
            provenanceKeys: ["note"]
        )
        sample = FuzzCase(
            target: 0,
            subject: Array("\(type.subjects[0].first).binance.perpetual.BTC-USDT".utf8),
            payload: Array(Self.payload(type).utf8)
        )
        var batch = RowBatch()
        let row = Self.decode(sample, by: decoder, into: &batch)
        require(row != nil, "the sample of a type is a message")
        sampleRow = row ?? []
        used = batch
    }

    private static func payload(_ type: RecordType) -> String {
        let own =
            switch type.name {
            case "orderbook": #""last_update_id":7,"bids":[["1.50","2"]],"asks":[{"price":"2","quantity":1e-3}]"#
            case "trade": #""trade_id":"7","price":"1.50","quantity":2,"side":"buy","trade_ts_ms":1795000000000"#
            case "funding_rate": #""current_funding_rate":-1.5e-5,"next_funding_ts_ms":1795000000000"#
            case "open_interest": #""open_interest":"15","open_interest_usd":1.5,"extra_key":[1]"#
            case "liquidation": #""side":"sell","price":1,"quantity":"2","liquidation_ts_ms":1795000000000"#
            case "lsr": #""long_short_ratio":1.5,"long_position_ratio":0.6,"short_position_ratio":0.4"#
            case "volatility_index": #""vol_index":"55.5""#
            default: #""amount":1,"weights":[1.50,-2],"detail":{"a":1},"settled_at":1795000000000"#
            }
        return #"{"exchange":"binance","symbol":"BTC-USDT","ts_ms":1795000000000,\#(own)}"#
    }

    /// The row that a message becomes; nil where it is refused.
    func decode(_ message: FuzzCase, into batch: inout RowBatch) -> [UInt8]? {
        Self.decode(message, by: decoder, into: &batch)
    }

    private static func decode(
        _ message: FuzzCase,
        by decoder: RecordDecoder,
        into batch: inout RowBatch
    ) -> [UInt8]? {
        let (count, before) = (batch.count, batch.bytes)
        do throws(DecodeError) {
            try decoder.decode(
                message.payload.span,
                subject: message.subject.span,
                origin: MessageOrigin(sequence: 7, time: streamTime, receivedAt: streamTime),
                into: &batch
            )
        } catch {
            require(batch.count == count && batch.bytes == before, "what is refused leaves the batch as it was")
            return nil
        }
        require(batch.count == count + 1 && batch.bytes.starts(with: before), "what is taken adds one row")
        return Array(batch.bytes[before.count...])
    }

    /// Whether a row is one that PostgreSQL would read and that a digest can be made of, within its bounds.
    func check(_ row: [UInt8], of message: FuzzCase) {
        var reader = CopyRowReader(type: type)
        let identity = RowIdentity(type: type)
        do throws(CopyRowError) {
            require(try reader.next(in: row.span), "a row is a row")
            require(reader.position == row.count, "a row is one row")
            require(reader.fields.count == type.allColumns.count, "a row has every column")
            for (column, field) in zip(type.allColumns, reader.fields) {
                require(column.isNullable || !field.isNull, "a column that must not be null is not")
            }
            require(try identity.content(of: row.span).count > 0, "a digest can be made of it")
            var batch = RowBatch()
            require(decode(message, into: &batch) == row, "the same message again gives the same row")
            require(try identity.key(of: row.span) == batch.key(of: batch.rows[0]), "its key is the key of its row")
        } catch {
            require(false, "a row can be read back")
        }
        // What a byte of payload can become: a number of one digit and an exponent, written out.
        require(row.count <= 4_096 + message.payload.count * (limits.digits + 8), "a row is bounded by the limits")
    }
}

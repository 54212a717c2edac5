/// One kind of market data as data: where it comes from, how its rows are shaped, what makes two of them the same.
///
/// From it derive subject filters, decoder, COPY row, tables, digest, `/stats` row and every parameterised test.
package struct RecordType: Hashable, Sendable {
    /// How wide a partition of the type's table is, on `ts`.
    package enum PartitionWidth: Hashable, Sendable { case day, month }

    /// Type name = view name = API name.
    package let name: String
    /// First-token patterns and token counts of the subjects that carry it, all generations.
    package let subjects: [SubjectPattern]
    /// The type's own columns, in catalogue order.
    package let columns: [Column]
    /// The own columns that complete the natural key (beside ts, exchange, market_type, symbol).
    package let key: [String]
    /// JSON keys of the event time, best first; `ts_ms` and `timestamp` follow for every type.
    package let eventTimeKeys: [String]
    package let partition: PartitionWidth
    /// How the hot tier knows a message that it has stored; an operator's choice, not the catalogue's.
    package var dedupe = Deduplication.key

    package init(
        _ name: String,
        subjects: [SubjectPattern],
        columns: [Column],
        key: [String] = [],
        eventTimeKeys: [String] = [],
        partition: PartitionWidth = .month
    ) {
        self.name = name
        self.subjects = subjects
        self.columns = columns
        self.key = key
        self.eventTimeKeys = eventTimeKeys
        self.partition = partition
    }

    /// The columns that stand before the own ones in every view; all are part of the natural key.
    package static let leading: [Column] = [
        Column("ts", .timestamp), Column("exchange", .text), Column("market_type", .text), Column("symbol", .text),
    ]
    /// What no column takes; content like the own columns.
    package static let extra = Column("extra", .json, nullable: true)
    /// How a row came: copied along, never compared.
    package static let provenance: [Column] = [
        Column("published_at", .timestamp, nullable: true), Column("stream_seq", .integer, nullable: true),
        Column("ingested_at", .timestamp),
    ]

    /// What a row says: natural key, own columns, `extra`; the digest covers exactly these, in this order.
    package var contentColumns: [Column] { Self.leading + columns + [Self.extra] }
    /// Every column of the view, in the order of every COPY.
    package var allColumns: [Column] { contentColumns + Self.provenance }
    /// Width of its partitions, microseconds, where they leave hot whole; nil for months, which are emptied range by
    /// range.
    package var partitionMicros: Int64? { partition == .day ? 86_400_000_000 : nil }
    /// Names of the natural key's columns; `ts` first.
    package var keyColumns: [String] { Self.leading.map(\.name) + key }

    /// Payload keys that say how a message came, and noise: dropped, except `ts_ms`, which becomes `published_at`.
    package static let provenanceKeys = [
        "collected_ts_ms", "collected_at", "publisher", "data_source", "instrument_id", "product_type",
        "normalized_symbol", "standardized_at", "standardization_version", "depth_levels", "update_type",
        "aggregation_mode", "change_24h", "change_24h_percent",
    ]
}

/// What makes hot store a message once: its natural key, or the place it was read from.
package enum Deduplication: String, Hashable, Sendable, CaseIterable {
    /// Whoever sends it again and whenever: a unique index on the natural key.
    case key
    /// The lane's position alone: no index to keep, and a stream that goes back halts the lane.
    case position
}

/// One column of a record type and where its value comes from.
package struct Column: Hashable, Sendable {
    package enum Kind: Hashable, Sendable { case timestamp, text, decimal, decimals, integer, boolean, json }

    package let name: String
    package let kind: Kind
    package let isNullable: Bool
    package let source: Source
    package let rule: Rule

    /// Where the value is found in a message.
    package enum Source: Hashable, Sendable {
        /// The first of these keys that is present and not null; others that are present must agree with it.
        case keys([String])
        /// The first of these keys that is present and not null; the others go to `extra`.
        case firstOf([String])
        /// One half of each level of an order book side, `bids` or `asks`.
        case levels(String, Half)
        /// The variant that the subject (else `data_type`) names; `unspecified` where neither does.
        case variant
        /// Keys that depend on the variant; another variant's keys in the message quarantine it.
        case variantKeys([String: [String]])
    }
    package enum Half: Hashable, Sendable { case price, quantity }
    /// What a value must be, beyond its kind.
    package enum Rule: Hashable, Sendable { case any, nonNegative, oneOf([String]) }

    package init(
        _ name: String,
        _ kind: Kind,
        nullable: Bool = false,
        from source: Source? = nil,
        rule: Rule = .any
    ) {
        self.name = name
        self.kind = kind
        self.isNullable = nullable
        self.source = source ?? .keys([name])
        self.rule = rule
    }
}

/// Subjects whose first token is `first`, with the tokens that follow it.
package struct SubjectPattern: Hashable, Sendable {
    /// First token, for example `trade` or `lsr-all-account-data`.
    package let first: String
    /// What the subject says of a type that has variants (`top_position`, `all_account`).
    package let variant: String?
    /// The subject says `perpetual` of what is `options`, and the payload knows (volatility index of generation A).
    package let mistakesOptions: Bool

    package init(_ first: String, variant: String? = nil, mistakesOptions: Bool = false) {
        self.first = first
        self.variant = variant
        self.mistakesOptions = mistakesOptions
    }

    /// The filter subject of a consumer that reads it.
    package var filter: String { "\(first).>" }
}

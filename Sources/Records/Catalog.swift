/// Every record type, on one page.
///
/// Adding a type is adding one entry here. A catalogue is a value that everything receives; tests hand in one more type
/// that only they have.
package struct Catalog: Sendable {
    package let types: [RecordType]

    package init(types: [RecordType]) {
        precondition(Set(types.map(\.name)).count == types.count, "type names are unique")
        let tokens = types.flatMap { $0.subjects.map(\.first) }
        precondition(Set(tokens).count == tokens.count, "a subject belongs to one type")
        self.types = types
    }

    /// The same types, each deduplicated as `choice` says.
    package func deduplicated(_ choice: (RecordType) -> Deduplication) -> Catalog {
        Catalog(
            types: types.map { type in
                var type = type
                type.dedupe = choice(type)
                return type
            }
        )
    }

    package func type(named name: String) -> RecordType? { types.first { $0.name == name } }

    /// The type whose subjects begin with this token.
    package func type(ofSubject first: String) -> RecordType? {
        types.first { $0.subjects.contains { $0.first == first } }
    }

    package static let standard = Catalog(types: [
        RecordType(
            "orderbook",
            subjects: [SubjectPattern("orderbook"), SubjectPattern("orderbook-data")],
            columns: [
                Column("last_update_id", .integer, nullable: true),
                Column("first_update_id", .integer, nullable: true),
                Column("prev_update_id", .integer, nullable: true),
                Column("bid_price", .decimals, from: .levels("bids", .price), rule: .nonNegative),
                Column("bid_quantity", .decimals, from: .levels("bids", .quantity), rule: .nonNegative),
                Column("ask_price", .decimals, from: .levels("asks", .price), rule: .nonNegative),
                Column("ask_quantity", .decimals, from: .levels("asks", .quantity), rule: .nonNegative),
            ],
            key: ["last_update_id"],
            partition: .day
        ),
        RecordType(
            "trade",
            subjects: [SubjectPattern("trade"), SubjectPattern("trade-data"), SubjectPattern("trades-data")],
            columns: [
                Column("trade_id", .text),
                Column("price", .decimal, rule: .nonNegative),
                Column("quantity", .decimal, rule: .nonNegative),
                Column("side", .text, rule: .oneOf(["buy", "sell"])),
                Column("is_maker", .boolean, nullable: true),
            ],
            key: ["trade_id"],
            eventTimeKeys: ["trade_ts_ms"],
            partition: .day
        ),
        RecordType(
            "funding_rate",
            subjects: [
                SubjectPattern("funding_rate"), SubjectPattern("funding-rate-data"), SubjectPattern("funding-rate"),
            ],
            columns: [
                Column("funding_rate", .decimal, from: .keys(["current_funding_rate", "funding_rate"])),
                Column("estimated_funding_rate", .decimal, nullable: true),
                Column("mark_price", .decimal, nullable: true, rule: .nonNegative),
                Column("index_price", .decimal, nullable: true, rule: .nonNegative),
                Column("premium_index", .decimal, nullable: true),
                Column("funding_interval", .text, nullable: true),
                Column(
                    "next_funding_at",
                    .timestamp,
                    nullable: true,
                    from: .keys(["next_funding_ts_ms", "next_funding_time"])
                ),
            ]
        ),
        RecordType(
            "open_interest",
            subjects: [
                SubjectPattern("open_interest"), SubjectPattern("open-interest-data"), SubjectPattern("open-interest"),
            ],
            columns: [
                Column(
                    "open_interest",
                    .decimal,
                    from: .firstOf(["open_interest", "open_interest_value"]),
                    rule: .nonNegative
                ),
                Column("open_interest_usd", .decimal, nullable: true, rule: .nonNegative),
                Column("mark_price", .decimal, nullable: true, rule: .nonNegative),
                Column("index_price", .decimal, nullable: true, rule: .nonNegative),
                Column("unit", .text, nullable: true, from: .keys(["open_interest_unit"])),
            ]
        ),
        RecordType(
            "liquidation",
            subjects: [
                SubjectPattern("liquidation"), SubjectPattern("liquidation-data"), SubjectPattern("liquidation-orders"),
            ],
            columns: [
                Column("liquidation_id", .text, nullable: true),
                Column("side", .text, rule: .oneOf(["buy", "sell"])),
                Column("price", .decimal, rule: .nonNegative),
                Column("quantity", .decimal, rule: .nonNegative),
                Column("filled_quantity", .decimal, nullable: true, rule: .nonNegative),
                Column("average_price", .decimal, nullable: true, rule: .nonNegative),
                Column("notional_value", .decimal, nullable: true, rule: .nonNegative),
                Column("status", .text, nullable: true),
            ],
            key: ["liquidation_id", "side", "price", "quantity"],
            eventTimeKeys: ["liquidation_ts_ms", "liquidation_time"]
        ),
        RecordType(
            "lsr",
            subjects: [
                SubjectPattern("lsr_top_position", variant: "top_position"),
                SubjectPattern("lsr_all_account", variant: "all_account"),
                SubjectPattern("lsr-top-position-data", variant: "top_position"),
                SubjectPattern("lsr-all-account-data", variant: "all_account"),
                // Five tokens name the variant (lsr-data.{ex}.{mt}.top-position.{sym}), four leave it to `data_type`.
                SubjectPattern("lsr-data"), SubjectPattern("lsr"),
            ],
            columns: [
                Column("kind", .text, from: .variant),
                Column("period", .text, nullable: true),
                Column("long_short_ratio", .decimal, rule: .nonNegative),
                Column("long_ratio", .decimal, from: .variantKeys(longKeys), rule: .nonNegative),
                Column("short_ratio", .decimal, from: .variantKeys(shortKeys), rule: .nonNegative),
            ],
            key: ["kind", "period"]
        ),
        RecordType(
            "volatility_index",
            subjects: [
                SubjectPattern("volatility_index"),
                SubjectPattern("volatility-index-data", mistakesOptions: true),
                SubjectPattern("volatility_index-data", mistakesOptions: true),
            ],
            columns: [
                Column(
                    "index_value",
                    .decimal,
                    from: .keys(["vol_index", "volatility_index", "index_value"]),
                    rule: .nonNegative
                ),
                Column("currency", .text, nullable: true),
                Column("underlying", .text, nullable: true, from: .keys(["underlying_asset"])),
                Column("maturity", .text, nullable: true, from: .keys(["maturity_date"])),
            ]
        ),
    ])

    // Generation A's `long_account` and `short_account` name no kind, so each kind takes them.
    private static let longKeys = [
        "top_position": ["long_position_ratio", "long_account"],
        "all_account": ["long_account_ratio", "long_account"],
        "unspecified": ["long_account"],
    ]
    private static let shortKeys = [
        "top_position": ["short_position_ratio", "short_account"],
        "all_account": ["short_account_ratio", "short_account"],
        "unspecified": ["short_account"],
    ]
}

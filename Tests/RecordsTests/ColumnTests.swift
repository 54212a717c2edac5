import Records
import TestSupport
import Testing

/// Each column takes what the contract says, and what none takes is kept in `extra` or dropped by name.
struct ColumnTests {
    @Test(arguments: Catalog.underTest.types)
    func `a required column is never made up`(_ type: RecordType) {
        for column in type.columns {
            let keys: [String]
            switch column.source {
            case .keys(let names), .firstOf(let names): keys = names
            case .levels(let name, _): keys = [name]
            case .variantKeys(let names): keys = names[type.subjects[0].variant ?? ""] ?? []
            case .variant: continue
            }
            let absent = Dictionary(uniqueKeysWithValues: keys.map { ($0, "null") })
            #expect(refusal(type, absent) == (column.isNullable ? nil : .missingValue), "\(type.name).\(column.name)")
        }
    }

    @Test(arguments: Catalog.underTest.types)
    func `a key that is present and not null must parse`(_ type: RecordType) {
        for column in type.columns where column.kind != .json {
            switch column.source {
            case .keys(let names), .firstOf(let names):
                for name in names { #expect(refusal(type, [name: "{}"]) == .wrongKind, "\(type.name).\(name)") }
            case .levels(let name, _): #expect(refusal(type, [name: "{}"]) == .wrongKind)
            default: continue
            }
        }
    }

    @Test func `aliases that disagree are refused, equal ones are one value`() throws {
        let type = try recordType("volatility_index")
        #expect(
            try sample(type, ["vol_index": #""41.370""#, "volatility_index": "41.37"])["index_value"]
                == .decimal("41.37")
        )
        #expect(refusal(type, ["vol_index": #""41.37""#, "volatility_index": #""99.99""#]) == .aliasesDisagree)
        #expect(refusal(type, ["vol_index": #""41.37""#, "index_value": #""n/a""#]) == .invalidNumber)
        let funding = try recordType("funding_rate")
        #expect(
            try sample(funding, ["current_funding_rate": "null", "funding_rate": "0.0001"])["funding_rate"]
                == .decimal("0.0001")
        )
    }

    @Test func `open interest is what says so, else the value, and the other goes to extra`() throws {
        let type = try recordType("open_interest")
        let both = try sample(type, ["open_interest": "7", "open_interest_value": #""70.50""#])
        #expect(both["open_interest"] == .decimal("7"))
        #expect(both["extra"] == .json(#"{"open_interest_value": "70.50"}"#))
        let value = try sample(type, ["open_interest": "null", "open_interest_value": "70.5"])
        #expect(value["open_interest"] == .decimal("70.5"))
        #expect(value["extra"] == .null)
        #expect(refusal(type, ["open_interest": "7", "open_interest_value": #""abc""#]) == .invalidNumber)
    }

    @Test func `words are folded and outside their vocabulary refused`() throws {
        let type = try recordType("trade")
        #expect(try sample(type, ["side": #""SELL""#])["side"] == .text("sell"))
        for side in [#""long""#, #"" buy""#, #""buy ""#] { #expect(refusal(type, ["side": side]) == .valueNotAllowed) }
        #expect(refusal(type, ["side": #""""#]) == .missingValue)
        #expect(refusal(type, ["trade_id": #""""#]) == .missingValue)
        #expect(refusal(type, ["trade_id": "123"]) == .wrongKind)
        #expect(try sample(type, ["trade_id": #""000123""#])["trade_id"] == .text("000123"))
    }

    @Test func `the ratio's kind comes from the subject, else data_type`() throws {
        let type = try recordType("lsr")
        func row(_ subject: String, _ values: [String: String]) throws -> RowValues {
            let common = [
                "exchange": #""binance""#, "market_type": #""perpetual""#, "symbol": #""BTC-USDT""#,
                "ts_ms": "1795000000000",
                "long_short_ratio": "1.5", "period": #""5m""#,
            ]
            let body = common.merging(values) { $1 }.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",")
            return try RowValues.all(decode(type, Array("{\(body)}".utf8), subject: subject).bytes, of: type)[0]
        }
        let position = ["long_position_ratio": "0.6", "short_position_ratio": "0.4"]
        let account = ["long_account_ratio": "0.7", "short_account_ratio": "0.3"]
        let old = ["long_account": "0.8", "short_account": "0.2"]
        let rest = "binance.perpetual.BTC-USDT"
        #expect(try row("lsr_top_position.\(rest)", position)["kind"] == .text("top_position"))
        #expect(try row("lsr-top-position-data.\(rest)", position)["long_ratio"] == .decimal("0.6"))
        #expect(try row("lsr_all_account.\(rest)", account)["kind"] == .text("all_account"))
        #expect(try row("lsr-all-account-data.\(rest)", old)["short_ratio"] == .decimal("0.2"))
        #expect(try row("lsr-data.binance.perpetual.top-position.BTC-USDT", position)["kind"] == .text("top_position"))
        #expect(try row("lsr-data.binance.perpetual.all-account.BTC-USDT", account)["kind"] == .text("all_account"))
        let named = account.merging(["data_type": #""lsr_all_account""#]) { $1 }
        #expect(try row("lsr.\(rest)", named)["kind"] == .text("all_account"))
        #expect(try row("lsr-data.\(rest)", old)["kind"] == .text("unspecified"))
        #expect(try row("lsr.\(rest)", old.merging(["data_type": #""lsr""#]) { $1 })["kind"] == .text("unspecified"))
        for (subject, values) in [
            ("lsr_top_position.\(rest)", position.merging(account) { $1 }), ("lsr_all_account.\(rest)", position),
            ("lsr_top_position.\(rest)", named),
            ("lsr_top_position.\(rest)", position.merging(["data_type": #""lsr_all_account""#]) { $1 }),
            ("lsr.\(rest)", account),
        ] {
            let error = #expect(throws: DecodeError.self) { try row(subject, values) }
            #expect(error?.reason == .otherVariant, "\(subject)")
        }
        #expect(throws: DecodeError.self) { try row("lsr-data.binance.perpetual.someone.BTC-USDT", old) }
    }

    @Test(arguments: Catalog.underTest.types)
    func `unknown keys are kept exactly, null ones and provenance dropped`(_ type: RecordType) throws {
        let values = [
            "new_field": #""x\u0001y""#, "nested": #"{"bb":[1.50,{"b":null}],"a":1E2}"#, "nothing": "null",
            "collected_ts_ms": "1", "data_source": #""api""#, "update_type": "[]", "depth_levels": #""any""#,
        ]
        let extra = #"{"nested": {"a": 100, "bb": [1.5, {"b": null}]}, "new_field": "x\u0001y"}"#
        #expect(try sample(type, values)["extra"] == .json(extra))
        #expect(try sample(type)["extra"] == .null)
        let kept = try sample(type, ["data_source": #""api""#], keepProvenance: true)
        #expect(kept["extra"] == .json(#"{"publisher": "unified-collector", "data_source": "api"}"#))
    }

    @Test func `any number of provenance keys can be named`() throws {
        let keys = (0..<300).map { "noise_\($0)" }
        let values = Dictionary(uniqueKeysWithValues: keys.map { ($0, "1") })
        let message = SampleMessage(.testReading, values: values)
        let decoder = RecordDecoder(type: .testReading, catalog: .underTest, provenanceKeys: keys)
        var rows = RowBatch()
        let origin = MessageOrigin(sequence: 1, time: streamTime, receivedAt: streamTime)
        try decoder.decode(message.payload.span, subject: Array(message.subject.utf8).span, origin: origin, into: &rows)
        #expect(try RowValues.all(rows.bytes, of: .testReading)[0]["extra"] == .null)
    }

    @Test func `more provenance keys can be named`() throws {
        let message = SampleMessage(.testReading, values: ["mine": "1", "label": #""kept""#])
        let decoder = RecordDecoder(type: .testReading, catalog: .underTest, provenanceKeys: ["mine", "label"])
        var rows = RowBatch()
        let origin = MessageOrigin(sequence: 1, time: streamTime, receivedAt: streamTime)
        try decoder.decode(message.payload.span, subject: Array(message.subject.utf8).span, origin: origin, into: &rows)
        let row = try RowValues.all(rows.bytes, of: .testReading)[0]
        #expect(row["extra"] == .null)
        #expect(row["label"] == .text("kept"))
        #expect(row["stream_seq"] == .integer(1))
        #expect(row["ingested_at"] == .timestamp(streamTime))
    }

    @Test(arguments: [
        (#"[["1","2"],["3",4]]"#, ["1", "3"], ["2", "4"]), (#"[{"price":"1","quantity":2}]"#, ["1"], ["2"]),
        (#"[{"quantity":2,"price":"1","count":null},["5","6"]]"#, ["1", "5"], ["2", "6"]),
        (#""[[\"1\",\"2\"]]""#, ["1"], ["2"]), (#""[{\"price\":1,\"quantity\":\"2\"}]""#, ["1"], ["2"]),
        (#"[["1E-8","0E-8"],["1\u0030","2"]]"#, ["0.00000001", "10"], ["0", "2"]),
    ])
    func `a side of a book comes in every form`(_ text: String, _ prices: [String], _ quantities: [String]) throws {
        let row = try sample(recordType("orderbook"), ["bids": text])
        #expect(row["bid_price"] == .decimals(prices))
        #expect(row["bid_quantity"] == .decimals(quantities))
        #expect(row["ask_price"] == .decimals(["100.5", "100.25"]))
    }

    @Test(arguments: [
        "[[]]", "[null]", #"[["1"]]"#, #"[["1","2","3"]]"#, #"[{"price":"1"}]"#,
        #"[{"price":"1","quantity":"2","price":"3"}]"#,
        #"[{"price":"1","quantity":"2","count":3}]"#, #"[["1","2"],["abc","1"]]"#, #"[["NaN","1"]]"#, "[1]",
        #""not json""#, #""[] x""#,
        #"[["1",null]]"#, #""[[\"1\",\"2\"]]]""#, "7", "{}", "[]", #""[]""#, #""""#,
    ])
    func `one bad level refuses the whole book`(_ text: String) throws {
        let type = try recordType("orderbook")
        #expect(refusal(type, ["asks": text]) != nil)
        #expect(refusal(type, ["bids": text]) != nil)
    }

    @Test func `a book has at most so many levels a side`() throws {
        let type = try recordType("orderbook")
        func side(_ count: Int) -> String {
            "[" + Array(repeating: #"["1","2"]"#, count: count).joined(separator: ",") + "]"
        }
        #expect(refusal(type, ["bids": side(10_000)]) == nil)
        #expect(refusal(type, ["bids": side(10_001)]) == .tooManyLevels)
    }
}

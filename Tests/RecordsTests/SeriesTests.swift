import Records
import TestSupport
import Testing

/// Exchange, market type and symbol have one spelling, and subject and payload must name the same.
struct SeriesTests {
    private static let type = RecordType.testReading

    private func row(_ subject: String, _ values: [String: String]) throws -> RowValues {
        let message = SampleMessage(Self.type, values: values)
        let rows = try decode(Self.type, message.payload, subject: subject)
        return try RowValues.all(rows.bytes, of: Self.type)[0]
    }

    private func reason(_ type: RecordType, _ subject: String, _ values: [String: String] = [:]) -> DecodeError.Reason?
    {
        do {
            _ = try decode(type, SampleMessage(type, values: values).payload, subject: subject)
            return nil
        } catch let error as DecodeError {
            return error.reason
        } catch {
            return nil
        }
    }

    @Test(arguments: [
        ("binance", "binance"), ("binance_spot", "binance"), ("binance_perpetual", "binance"), ("okx_swap", "okx"),
        ("okx_futures", "okx"), ("OKX_Derivatives", "okx"), ("deribit_derivatives", "deribit"),
        ("kraken_futures", "kraken"),
        ("gate-io", "gate-io"), ("my_venue", "my_venue"), ("my_venue_spot", "my_venue"),
    ])
    func `a venue has one name`(_ written: String, _ stored: String) throws {
        let values = ["exchange": "\"\(written)\"", "market_type": #""spot""#]
        #expect(try row("test_reading.\(stored).spot.BTC-USDT", values)["exchange"] == .text(stored))
        #expect(try row("test_reading.\(written).spot.BTC-USDT", values)["exchange"] == .text(stored))
        for absent in ["null", #""""#] {
            let values = ["exchange": absent, "market_type": absent, "symbol": absent]
            #expect(try row("test_reading.\(written).spot.btc-usdt", values)["exchange"] == .text(stored))
            #expect(try row("test_reading.\(written).spot.btc-usdt", values)["symbol"] == .text("BTC-USDT"))
        }
    }

    @Test(arguments: [
        ("spot", "spot"), ("perpetual", "perpetual"), ("swap", "perpetual"), ("futures", "perpetual"),
        ("future", "perpetual"),
        ("perp", "perpetual"), ("derivatives", "perpetual"), ("SWAP", "perpetual"), ("options", "options"),
    ])
    func `a market type has one name`(_ written: String, _ stored: String) throws {
        let values = ["market_type": "\"\(written)\""]
        #expect(try row("test_reading.binance.\(stored).BTC-USDT", values)["market_type"] == .text(stored))
        #expect(
            try row("test_reading.binance.\(written).BTC-USDT", ["market_type": "null"])["market_type"] == .text(stored)
        )
    }

    @Test func `a venue that says derivatives is perpetual where nothing else tells the market`() throws {
        let payload = ["exchange": #""okx_derivatives""#, "market_type": "null"]
        #expect(try row("test_reading.okx..BTC-USDT", payload)["market_type"] == .text("perpetual"))
        #expect(
            try row("test_reading.okx_derivatives..BTC-USDT", ["exchange": "null", "market_type": "null"])[
                "market_type"
            ] == .text("perpetual")
        )
        #expect(
            reason(Self.type, "test_reading.okx..BTC-USDT", ["exchange": #""okx""#, "market_type": "null"])
                == .missingValue
        )
        #expect(try row("test_reading.okx.options.BTC-USDT", payload)["market_type"] == .text("options"))
    }

    @Test(arguments: ["margin", "spots", "option", "spot ", "spot\\u0020", "derivativesderivatives"])
    func `a market type outside the vocabulary is refused, never spot`(_ written: String) {
        #expect(refusal(Self.type, ["market_type": "\"\(written)\""]) == .invalidMarketType)
    }

    @Test(arguments: [
        "BTC USDT", "BTC.USDT", "../../etc/passwd", "=cmd|calc!A0", "A'); DROP TABLE trades; --", "BTC\u{202E}-TDSU",
        "ＢＴＣ-ＵＳＤＴ", "*", ">",
        "BTC\\t", "BTC\\n", String(repeating: "A", count: 65),
    ])
    func `what is no symbol is refused`(_ written: String) {
        #expect(refusal(Self.type, ["symbol": "\"\(written)\""]) == .invalidSymbol)
    }

    @Test func `a symbol is folded and may be 64 characters long`() throws {
        let symbol = String(repeating: "a", count: 64)
        #expect(
            try row("test_reading.binance.perpetual.\(symbol)", ["symbol": "\"\(symbol)\""])["symbol"]
                == .text(symbol.uppercased())
        )
        #expect(
            try row("test_reading.binance.perpetual.BTC-USD-220527_X", ["symbol": #""BTC-USD-220527_X""#])["symbol"]
                == .text("BTC-USD-220527_X")
        )
    }

    @Test func `text is expected where text is`() {
        for key in ["exchange", "market_type", "symbol", "data_type"] {
            for value in ["1", "[\"binance\"]", "true", "{}"] {
                #expect(refusal(Self.type, [key: value]) == .wrongKind, "\(key)")
            }
        }
    }

    @Test func `subject and payload that differ are refused, in each of the four`() {
        let trade = Catalog.standard.types[1]
        #expect(reason(trade, "trade.binance.perpetual.BTC-USDT") == nil)
        #expect(reason(trade, "trade.okx.perpetual.BTC-USDT") == .subjectDisagrees)
        #expect(reason(trade, "trade.binance.spot.BTC-USDT") == .subjectDisagrees)
        #expect(reason(trade, "trade.binance.perpetual.ETH-USDT") == .subjectDisagrees)
        #expect(reason(trade, "trade.binance.perpetual.BTC-USDT", ["data_type": #""orderbook""#]) == .otherType)
        #expect(reason(trade, "trade.binance.perpetual.BTC-USDT", ["data_type": #""kline""#]) == .otherType)
        #expect(reason(trade, "orderbook.binance.perpetual.BTC-USDT") == .otherType)
        #expect(reason(trade, "foo.bar.baz") == .unknownSubject)
        #expect(reason(trade, "ticker.binance.perpetual.BTC-USDT") == .unknownSubject)
        for subject in [
            "", "trade", "trade.binance.perpetual", "trade.binance.perpetual.BTC-USDT.x",
            "trade.binance.perpetual.all-account.BTC-USDT", "a.b.c.d.e.f",
        ] {
            #expect(reason(trade, subject) == .unknownSubject, "\(subject)")
        }
        #expect(reason(trade, "trade..perpetual.BTC-USDT") == .invalidExchange)
        #expect(reason(trade, "trade.binance.perpetual.") == .invalidSymbol)
    }

    /// What a decoder knows of a series must never pass for what a message says.
    @Test func `a message is read the same whatever was read before it`() throws {
        let type = RecordType.testReading
        let decoder = RecordDecoder(type: type, catalog: .underTest)
        let origin = MessageOrigin(sequence: 7, time: streamTime, receivedAt: streamTime)
        let words = ["null", #""""#, #""spot""#, #""binance""#, #""BTC-USDT""#, #""test_reading""#, #""binance_spot""#]
        var used = RowBatch()
        var stored = 0
        for subject in [
            "test_reading.binance.spot.BTC-USDT", "test_reading.binance..BTC-USDT", "test_reading.spot.spot.SPOT",
        ] {
            for index in 0..<words.count * words.count * words.count * words.count {
                let choice = [1, 7, 49, 343].map { words[index / $0 % words.count] }
                let values = [
                    "exchange": choice[0], "market_type": choice[1], "symbol": choice[2], "data_type": choice[3],
                ]
                let payload = SampleMessage(type, values: values).payload
                func row(_ batch: inout RowBatch) -> [UInt8]? {
                    let start = batch.bytes.count
                    let subject = Array(subject.utf8)
                    do throws(DecodeError) {
                        try decoder.decode(payload.span, subject: subject.span, origin: origin, into: &batch)
                    } catch { return nil }
                    return Array(batch.bytes[start...])
                }
                var fresh = RowBatch()
                let alone = row(&fresh)
                #expect(row(&used) == alone, "\(subject): \(choice)")
                stored += alone == nil ? 0 : 1
            }
        }
        #expect(stored > 10)
    }

    @Test(arguments: Catalog.underTest.types)
    func `every generation's subject and data_type are the type's`(_ type: RecordType) {
        for subject in type.subjects {
            let variant = type.subjects[0].variant
            guard subject.variant == nil || subject.variant == variant else { continue }
            for dataType in [type.name, type.subjects[0].first, type.subjects[0].first.uppercased(), ""] {
                #expect(
                    reason(type, "\(subject.first).binance.perpetual.BTC-USDT", ["data_type": "\"\(dataType)\""]) == nil
                        || (variant != nil && subject.variant == nil),
                    "\(subject.first) \(dataType)"
                )
            }
        }
    }

    @Test func `only generation A's volatility index follows the payload's market type`() throws {
        let type = try recordType("volatility_index")
        let options = ["market_type": #""options""#]
        for first in ["volatility-index-data", "volatility_index-data"] {
            let rows = try decode(
                type,
                SampleMessage(type, values: options).payload,
                subject: "\(first).binance.perpetual.BTC-USDT"
            )
            #expect(try RowValues.all(rows.bytes, of: type)[0]["market_type"] == .text("options"))
            #expect(reason(type, "\(first).binance.spot.BTC-USDT", options) == .subjectDisagrees)
        }
        #expect(reason(type, "volatility_index.binance.perpetual.BTC-USDT", options) == .subjectDisagrees)
    }
}

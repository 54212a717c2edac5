import Records
import TestSupport
import Testing

/// Payloads are strict RFC 8259, and what is not is refused with the reason that says so.
struct JSONTests {
    private static let type = RecordType.testReading

    /// Why a payload made of this text is refused.
    private func reason(_ text: String) -> DecodeError.Reason? { reason(bytes: Array(text.utf8)) }

    private func reason(bytes: [UInt8], limits: DecodeLimits = .init()) -> DecodeError.Reason? {
        do {
            _ = try decode(Self.type, bytes, subject: "test_reading.binance.spot.BTC-USDT", limits: limits)
            return nil
        } catch let error as DecodeError {
            return error.reason
        } catch {
            return nil
        }
    }

    private static let valid = #"{"amount":1,"ts_ms":1795000000000}"#

    @Test func `white space may stand around every token and nothing else`() {
        #expect(reason(" \n\t\r{ \"amount\" : 1 , \"ts_ms\" :\n1795000000000 } \r\n") == nil)
        for text in [
            "\u{FEFF}\(Self.valid)", "\(Self.valid)\0", "\(Self.valid)\(Self.valid)", "/**/\(Self.valid)",
            "\(Self.valid),",
        ] {
            #expect(reason(text) == .invalidJSON, "\(text)")
        }
    }

    @Test(arguments: [
        "", "[]", "1", "null", #""{}""#, "{", "{]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{a:1}", "{'a':1}",
        #"{"a":01}"#, #"{"a":-}"#, #"{"a":1.}"#, #"{"a":.5}"#, #"{"a":1e}"#, #"{"a":+1}"#, #"{"a":0x1}"#, #"{"a":NaN}"#,
        #"{"a":-Infinity}"#, #"{"a":tru}"#, #"{"a":True}"#, #"{"a":[1,]}"#, #"{"a":[1 2]}"#, #"{"a":"\x41"}"#,
        #"{"a":"\u12"}"#,
        #"{"a":"\u12G4"}"#, "{\"a\":\"\n\"}", #"{"a":"x}"#, #"{"a":"\"#,
    ])
    func `what is not one JSON object is refused`(_ text: String) { #expect(reason(text) == .invalidJSON) }

    @Test(
        arguments: [
            [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xFF, 0xFE], [0xC3], [0xE2, 0x82], [0xF4, 0x90, 0x80, 0x80],
            [0xF0, 0x8F, 0xBF, 0xBF],
            [0x80], [0xE0, 0x9F, 0xBF], [0xF5, 0x80, 0x80, 0x80],
        ] as [[UInt8]]
    )
    func `bytes that are not UTF-8 are refused wherever they stand`(_ bytes: [UInt8]) {
        for key in ["label", "publisher", "unknown"] {
            #expect(reason(bytes: Array("{\"\(key)\":\"".utf8) + bytes + Array("\"}".utf8)) == .invalidUTF8)
        }
        #expect(reason(bytes: Array("{\"".utf8) + bytes + Array("\":1}".utf8)) == .invalidUTF8)
    }

    @Test func `NUL and lone surrogates are refused wherever they stand`() {
        for text in [#"\u0000"#, #"\ud800"#, #"\udc00"#, #"\ud800x"#, #"\ud800A"#, #"\ud800\ud800"#] {
            #expect(reason(#"{"label":"a\#(text)b"}"#) == .invalidText, "\(text)")
            #expect(reason(#"{"publisher":"\#(text)"}"#) == .invalidText, "\(text)")
            #expect(reason(#"{"\#(text)":1}"#) == .invalidText, "\(text)")
        }
        #expect(reason("{\"label\":\"a\0b\"}") == .invalidJSON)
    }

    @Test func `escapes in keys and values are read`() throws {
        let row = try sample(Self.type, [#"\u006cabel"#: #""\u00e9\n\ud83d\ude00\"\\\/""#, "label": #""é\n😀\"\\/""#])
        #expect(row["label"] == .text("é\n😀\"\\/"))
        let amount = try sample(Self.type, ["amount": #""1\u002e50""#, "revision": #""\u0037""#])
        #expect(amount["amount"] == .decimal("1.5"))
        #expect(amount["revision"] == .integer(7))
    }

    @Test func `a key that stands twice must say the same twice`() {
        #expect(reason(#"{"amount":1,"ts_ms":1795000000000,"amount":1.0}"#) == nil)
        #expect(reason(#"{"amount":1,"ts_ms":1795000000000,"amount":2}"#) == .duplicateKey)
        #expect(reason(#"{"amount":1,"ts_ms":1795000000000,"amount":"1"}"#) == .duplicateKey)
        #expect(reason(#"{"amount":1,"ts_ms":1795000000000,"\u0061mount":2}"#) == .duplicateKey)
        #expect(reason(#"{"amount":1,"ts_ms":1795000000000,"amount":null}"#) == .duplicateKey)
        #expect(reason(#"{"amount":1,"ts_ms":1795000000000,"publisher":"a","publisher":"b"}"#) == .duplicateKey)
        #expect(reason(#"{"amount":1,"ts_ms":1795000000000,"x":1,"x":2}"#) == .duplicateKey)
        #expect(reason(#"{"amount":1,"ts_ms":1795000000000,"x":null,"x":2}"#) == .duplicateKey)
        #expect(reason(#"{"amount":1,"ts_ms":1795000000000,"x":{"y":[{"z":1,"z":2}]}}"#) == .duplicateKey)
        #expect(reason(#"{"amount":1,"ts_ms":1795000000000,"x":2,"x":2.00}"#) == nil)
    }

    @Test func `every limit holds at its value and refuses beyond it`() {
        var limits = DecodeLimits()
        func nested(_ depth: Int) -> [UInt8] {
            let open = String(repeating: "[", count: depth - 1)
            let close = String(repeating: "]", count: depth - 1)
            return Array(#"{"amount":1,"ts_ms":1795000000000,"x":\#(open)\#(close)}"#.utf8)
        }
        #expect(reason(bytes: nested(64)) == nil)
        #expect(reason(bytes: nested(65)) == .tooDeep)
        #expect(reason(bytes: nested(100_000)) == .tooDeep)
        limits.messageBytes = Self.valid.utf8.count
        #expect(reason(bytes: Array(Self.valid.utf8), limits: limits) == nil)
        limits.messageBytes -= 1
        #expect(reason(bytes: Array(Self.valid.utf8), limits: limits) == .messageTooLarge)
        limits = DecodeLimits()
        limits.keys = 2
        #expect(reason(bytes: Array(Self.valid.utf8), limits: limits) == nil)
        limits.keys = 1
        #expect(reason(bytes: Array(Self.valid.utf8), limits: limits) == .tooManyKeys)
        limits = DecodeLimits()
        limits.textBytes = 3
        #expect(reason(bytes: Array(#"{"label":"abc",\#(Self.valid.dropFirst())"#.utf8), limits: limits) == nil)
        #expect(
            reason(bytes: Array(#"{"label":"abcd",\#(Self.valid.dropFirst())"#.utf8), limits: limits) == .textTooLong
        )
    }
}

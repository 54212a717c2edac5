import Records
import TestSupport
import Testing

/// A list of decimals is stored as its text, each character by its low half.
struct PackedDecimalsTests {
    /// The bytes of a column of the only row, in hexadecimal.
    private func stored(_ type: RecordType, _ column: String, _ values: [String: String]) throws -> String {
        let message = SampleMessage(type, values: values)
        let rows = try decode(type, message.payload, subject: message.subject)
        var reader = CopyRowReader(type: type)
        _ = try reader.next(in: rows.bytes.span)
        let field = try #require(
            type.allColumns.firstIndex { $0.name == column }.map { reader.fields[$0] },
            "\(column)"
        )
        return rows.bytes[field.start..<field.end].map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    @Test(arguments: [
        (#"[["1","7"]]"#, "1f"), (#"[["12","7"]]"#, "12"), (#"[["1","7"],["2","7"]]"#, "1c2f"),
        (#"[["4325.1200","7"],["4325.0","7"],["0.0","7"]]"#, "4325e12c4325c0"),
        (#"[["1.5","7"],["15e-1","7"],["0.15E+1","7"],[1.50,7]]"#, "1e5c1e5c1e5c1e5f"),
        (#"[["1E-8","7"],["1.5e3","7"],["-0.0","7"]]"#, "0e00000001c1500c0f"),
        (#"[{"price":"100000000","quantity":"7"}]"#, "100000000f"),
    ])
    func `every number stands in its one spelling`(_ levels: String, _ expected: String) throws {
        #expect(try stored(recordType("orderbook"), "bid_price", ["bids": levels]) == expected)
    }

    @Test(arguments: [("[]", ""), ("[-1.50,2]", "d1e5c2"), (#"["-0",-0.10]"#, "0cd0e1"), ("[0]", "0f")])
    func `any list can be stored`(_ list: String, _ expected: String) throws {
        #expect(try stored(.testReading, "weights", ["weights": list]) == expected)
    }

    @Test func `long numbers and long lists are stored digit by digit`() throws {
        let long = String((0..<99).map { Character(String(($0 * 7 + 1) % 9 + 1)) })
        for count in 1...40 {
            let numbers = (1...count).map { String(long.prefix($0)) + "." + String(long.suffix($0 % 50 + 1)) }
            let levels = "[" + numbers.map { #"["\#($0)","1"]"# }.joined(separator: ",") + "]"
            let row = try sample(recordType("orderbook"), ["asks": levels])
            #expect(row["ask_price"] == .decimals(numbers))
        }
    }
}

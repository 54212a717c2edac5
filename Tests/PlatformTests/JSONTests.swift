import Platform
import Testing

@Suite struct JSONTests {
    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test func `a space follows every colon and comma, as scripts expect`() {
        let line = JSONWriter.object { json in
            json.field("status", "healthy")
            json.field("uptime", 12.5)
            json.array("types") { json in
                json.value("trade")
                json.value(7)
                json.null()
            }
            json.object("nats") { $0.field("connected", true) }
            json.field("none", Int?.none)
        }
        #expect(
            text(line) == #"{"status": "healthy", "uptime": 12.5, "types": ["trade", 7, null], "#
                + #""nats": {"connected": true}, "none": null}"#
        )
    }

    @Test func `indented text nests and keeps the space after the colon`() {
        let lines = JSONWriter.object(indented: true) { json in
            json.field("status", "healthy")
            json.field("sources", ["a", "b"])
            json.object("empty") { _ in }
        }
        let expected = """
            {
              "status": "healthy",
              "sources": [
                "a",
                "b"
              ],
              "empty": {}
            }
            """
        #expect(text(lines) == expected)
    }

    @Test func `what must be escaped is escaped, and nothing else`() throws {
        let nasty = "\"\\\n\r\t\u{0}\u{1f}\u{7f}é😀\u{2028}"
        var json = JSONWriter()
        json.value(nasty)
        #expect(text(json.bytes) == "\"\\\"\\\\\\n\\r\\t\\u0000\\u001f\u{7f}é😀\u{2028}\"")
        #expect(try JSONValue(parsing: json.bytes) == .string(nasty))
    }

    @Test func `a number that JSON cannot say is null`() {
        var json = JSONWriter()
        json.value([Double.nan, .infinity, 1e-8, 5])
        #expect(text(json.bytes) == "[null, null, 1e-08, 5.0]")
    }

    @Test func `a value survives being written and read`() throws {
        let source = #"{"a": [1, -0.5e+7, 123456789012345678901234567890], "b": {"c": null, "d": "é\"😀"}, "e": true}"#
        let value = try JSONValue(parsing: Array(source.utf8))
        var json = JSONWriter()
        json.value(value)
        #expect(text(json.bytes) == source)
        #expect(value["b"]?["d"]?.string == "é\"😀")
        #expect(value["a"]?.array?.first?.int == 1)
        #expect(value["e"]?.bool == true)
        #expect(try JSONValue(parsing: Array(#""\ud83d\uDE00""#.utf8)) == .string("😀"))
    }

    @Test(
        arguments: [
            ("", 0), ("{", 1), ("{\"a\" 1}", 5), ("[1,]", 3), ("[1 2]", 3), ("{\"a\": 1,}", 8), ("01", 1), ("1.", 2),
            ("-", 1), ("1e", 2), ("+1", 0), ("nul", 0), ("\"a", 2), ("\"\u{1}\"", 1), (#""\x""#, 2),
            (#""\ud800""#, 3), (#""\ud800\u0041""#, 3), ("[1] x", 4), ("{\"a\": 1, \"a\": 2}", 9), ("NaN", 0),
            ("{1: 2}", 1), ("'a'", 0), ("/* */ 1", 0),
        ]
    )
    func `text that is not JSON is refused at its place`(source: String, offset: Int) {
        let error = #expect(throws: JSONError.self) { try JSONValue(parsing: Array(source.utf8)) }
        #expect(error?.offset == offset, "\(error?.description ?? "")")
    }

    @Test func `bytes that are not UTF-8 are refused`() {
        #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22, 0xC3, 0x28, 0x22]) }
        #expect(throws: JSONError.self) { try JSONValue(parsing: [0xFF]) }
    }

    @Test func `limits hold`() {
        let deep = Array(String(repeating: "[", count: 100_000).utf8)
        let error = #expect(throws: JSONError.self) { try JSONValue(parsing: deep) }
        #expect(error?.description == "more than 32 levels at byte 32")
        #expect(throws: JSONError.self) { try JSONValue(parsing: Array("[1, 2]".utf8), limits: JSONLimits(bytes: 5)) }
    }

    /// Whatever comes from a socket never reaches a trap.
    @Test func `no damaged text traps`() {
        let source = Array(#"{"a": [1, -0.5e7, "é😀", "\ud83d\ude00\n"], "b": {"c": null, "d": false}}"#.utf8)
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            var bytes = source
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: .min ... .max, using: &random)
            }
            bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random))
            _ = try? JSONValue(parsing: bytes)
        }
    }
}

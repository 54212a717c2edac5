import Records
import TestSupport
import Testing

/// Numbers are exact to the last digit or refused; nothing passes through a binary double.
struct NumberTests {
    private static let type = RecordType.testReading

    @Test(arguments: [
        ("0", "0"), ("-0", "0"), ("0.000", "0"), (#""0E-8""#, "0"), ("1", "1"), ("-1.5", "-1.5"), (#""1.50""#, "1.5"),
        (#""1E-8""#, "0.00000001"), (#""1.0E-7""#, "0.0000001"), ("3.812e-05", "0.00003812"), (#""1.5E+3""#, "1500"),
        ("9007199254740993", "9007199254740993"), ("10000", "10000"), ("100000000", "100000000"), ("0.0001", "0.0001"),
        ("1000000000000", "1000000000000"), ("0.00010001", "0.00010001"), ("12345.6789", "12345.6789"),
        (#""0.5780590717299578059071729958""#, "0.5780590717299578059071729958"),
        (#""12345678901234567890.12345678901234567890""#, "12345678901234567890.1234567890123456789"),
        ("1e99", "1" + String(repeating: "0", count: 99)), ("1e-98", "0." + String(repeating: "0", count: 97) + "1"),
        ("123e-1", "12.3"), ("0.001e2", "0.1"), ("99999.99999", "99999.99999"), ("4.54E-7", "0.000000454"),
    ])
    func `a decimal keeps every digit`(_ text: String, _ expected: String) throws {
        #expect(try sample(Self.type, ["amount": text])["amount"] == .decimal(expected))
    }

    @Test(arguments: [
        #""""#, #"" 1""#, #""1 ""#, #""+1""#, #""1_000""#, #""NaN""#, #""Infinity""#, #""-inf""#, #""1,5""#, #""0x10""#,
        #""٣""#, #""−1""#,
        #"".5""#, #""5.""#, #""1e""#, #""1e+""#, #""1.2.3""#, #""01""#, #""-""#, #""1\n""#, #""１""#,
    ])
    func `text that is no decimal is refused`(_ text: String) {
        #expect(refusal(Self.type, ["amount": text]) == .invalidNumber)
    }

    @Test(arguments: [
        "1e100", "1e-100", #""1E100000000""#, #""1E-100000000""#, "1e99999999999999999999",
        String(repeating: "9", count: 101),
        "0." + String(repeating: "9", count: 100), "0e101",
    ])
    func `more than 100 digits written out are refused at once`(_ text: String) {
        #expect(refusal(Self.type, ["amount": text]) == .numberTooLong)
        #expect(refusal(Self.type, ["unknown": text.trimmingQuotes]) == .numberTooLong)
    }

    @Test(arguments: ["true", "null", "[1]", "{}", "[]"])
    func `a required decimal of another kind is refused`(_ text: String) {
        #expect(refusal(Self.type, ["amount": text]) == (text == "null" ? .missingValue : .wrongKind))
    }

    @Test(arguments: [
        ("5", 5), ("-1", -1), ("0", 0), ("50093240852.0", 50_093_240_852), ("5e3", 5_000), (#""17""#, 17),
        ("1.5e1", 15),
        ("9223372036854775807", Int64.max), ("-9223372036854775808", Int64.min), ("1.00e2", 100),
    ])
    func `an integer is exact in every form`(_ text: String, _ expected: Int64) throws {
        #expect(try sample(Self.type, ["revision": text])["revision"] == .integer(expected))
    }

    @Test(arguments: ["1.5", "18446744073709551616", "9223372036854775808", "-9223372036854775809", "1e30", "1e-1"])
    func `what is no integer of 64 bits is refused`(_ text: String) {
        #expect(refusal(Self.type, ["revision": text]) == .invalidInteger)
    }

    @Test(arguments: Catalog.underTest.types)
    func `a negative number is refused where none can be`(_ type: RecordType) {
        for column in type.columns {
            switch column.source {
            case .keys(let keys) where column.kind == .decimal:
                let reason = refusal(type, [keys[0]: "-0.5"])
                #expect(reason == (column.rule == .nonNegative ? .negativeNumber : nil), "\(type.name).\(column.name)")
                #expect(refusal(type, [keys[0]: "-0.0"]) == nil)
            case .levels(let key, .price): #expect(refusal(type, [key: #"[["-1","1"]]"#]) == .negativeNumber)
            case .levels(let key, .quantity): #expect(refusal(type, [key: #"[["1","-1"]]"#]) == .negativeNumber)
            default: continue
            }
        }
    }
}

extension String {
    /// The text inside the quotes of a JSON string: the same digits as a JSON number.
    fileprivate var trimmingQuotes: String { filter { $0 != "\"" } }
}

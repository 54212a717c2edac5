/// Names and tokens that nobody else has, from the system's generator.
package enum RandomID {
    /// As many random hex digits as asked for; 16 of them are 64 bits.
    package static func hex(digits: Int) -> String {
        precondition(digits > 0)
        return String(decoding: (0..<digits).map { _ in digit(UInt64.random(in: 0..<16)) }, as: UTF8.self)
    }

    /// A random UUID (version 4) in its usual form, 36 characters of lower case.
    package static func uuid() -> String {
        var digits = Array(hex(digits: 32).utf8)
        digits[12] = UInt8(ascii: "4")
        digits[16] = digit(8 | UInt64.random(in: 0..<4))
        for position in [20, 16, 12, 8] { digits.insert(UInt8(ascii: "-"), at: position) }
        return String(decoding: digits, as: UTF8.self)
    }

    private static func digit(_ value: UInt64) -> UInt8 {
        UInt8(value) + (value < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10)
    }
}

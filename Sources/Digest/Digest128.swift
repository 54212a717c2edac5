/// A sum of row hashes modulo 2^128: the same for any order of the same rows, another for one row more or twice.
package struct Digest128: Hashable, Sendable, CustomStringConvertible {
    package let high: UInt64
    package let low: UInt64

    package static let zero = Digest128(high: 0, low: 0)

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    private init(_ value: UInt128) {
        self.init(high: UInt64(truncatingIfNeeded: value >> 64), low: UInt64(truncatingIfNeeded: value))
    }

    private var value: UInt128 { UInt128(high) << 64 | UInt128(low) }

    package static func &+ (a: Digest128, b: Digest128) -> Digest128 { Digest128(a.value &+ b.value) }

    package static func &- (a: Digest128, b: Digest128) -> Digest128 { Digest128(a.value &- b.value) }

    /// 32 hexadecimal digits, as a ledger keeps them.
    package var description: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 32 - digits.utf8.count) + digits
    }

    /// Reads 32 hexadecimal digits in lower case; nil for anything else.
    package init?(_ text: String) {
        guard text.utf8.count == 32, text.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }),
            let value = UInt128(text, radix: 16)
        else { return nil }
        self.init(value)
    }
}

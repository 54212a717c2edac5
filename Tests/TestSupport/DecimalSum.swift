/// An exact sum of decimals of up to 90 digits before the point and 63 after it.
package struct DecimalSum: Sendable {
    // Nine decimal digits a limb, least significant first; limb 7 holds the units.
    private var positive = [UInt64](repeating: 0, count: 18)
    private var negative = [UInt64](repeating: 0, count: 18)

    package init() {}

    package init(_ text: String) {
        add(text)
    }

    /// Adds a plain decimal, for example `-12.5`.
    package mutating func add(_ text: String) {
        let magnitude = text.drop { $0 == "-" }
        let parts = magnitude.split(separator: ".", omittingEmptySubsequences: false)
        let whole = String(repeating: "0", count: 99 - parts[0].count) + parts[0]
        let fraction = parts.count > 1 ? String(parts[1]) : ""
        let digits = Array((whole + fraction + String(repeating: "0", count: 63 - fraction.count)).utf8)
        var limbs: [UInt64] = []
        for end in stride(from: digits.count, to: 0, by: -9) {
            limbs.append(digits[end - 9..<end].reduce(0) { $0 * 10 + UInt64($1 - 0x30) })
        }
        if magnitude.count < text.count { Self.add(limbs, to: &negative) } else { Self.add(limbs, to: &positive) }
    }

    private static func add(_ limbs: [UInt64], to sum: inout [UInt64]) {
        var carry: UInt64 = 0
        for index in sum.indices {
            let total = sum[index] + limbs[index] + carry
            sum[index] = total % 1_000_000_000
            carry = total / 1_000_000_000
        }
    }

    package static func == (a: DecimalSum, b: DecimalSum) -> Bool {
        var left = a.positive
        var right = b.positive
        add(b.negative, to: &left)
        add(a.negative, to: &right)
        return left == right
    }
}

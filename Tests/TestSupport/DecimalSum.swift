/// An exact sum of decimals of up to 100 digits on either side of the point.
package struct DecimalSum: Sendable {
    // Groups of four decimal digits as PostgreSQL's numeric has them, least significant first, carried only to compare.
    private var groups = [Int64](repeating: 0, count: 64)
    private static let units = 32

    package init() {}

    package init(_ text: String) { add(text) }

    /// Adds a plain decimal, for example `-12.5`.
    package mutating func add(_ text: String) {
        let sign: Int64 = text.hasPrefix("-") ? -1 : 1
        let parts = text.drop { $0 == "-" }.split(separator: ".", omittingEmptySubsequences: false)
        for (power, digit) in parts[0].utf8.reversed().enumerated() { add(sign * Int64(digit - 0x30), power) }
        guard parts.count > 1 else { return }
        for (index, digit) in parts[1].utf8.enumerated() { add(sign * Int64(digit - 0x30), -1 - index) }
    }

    private mutating func add(_ digit: Int64, _ power: Int) {
        let place = power >= 0 ? power % 4 : 3 - (-1 - power) % 4
        groups[Self.units + (power - place) / 4] += digit * [1, 10, 100, 1_000][place]
    }

    /// Adds the `numeric` whose bytes begin at `start`.
    package mutating func add(numeric bytes: Span<UInt8>, at start: Int) {
        func int16(_ offset: Int) -> Int {
            Int(Int16(truncatingIfNeeded: Int(bytes[start + offset]) << 8 | Int(bytes[start + offset + 1])))
        }
        let sign: Int64 = int16(4) == 0 ? 1 : -1
        let weight = int16(2)
        for index in 0..<int16(0) { groups[Self.units + weight - index] += sign * Int64(int16(8 + 2 * index)) }
    }

    package static func == (a: DecimalSum, b: DecimalSum) -> Bool {
        var carry: Int64 = 0
        for index in a.groups.indices {
            let difference = a.groups[index] - b.groups[index] + carry
            guard difference % 10_000 == 0 else { return false }
            carry = difference / 10_000
        }
        return carry == 0
    }
}

import Records

/// A decimal as mantissa times a power of ten.
struct ScaledDecimal: Equatable {
    var mantissa: Int64
    var exponent: Int

    static let zero = ScaledDecimal(mantissa: 0, exponent: 0)

    /// The bytes of a `numeric`; nil for what a mantissa of 64 bits does not hold, and for NaN and the infinities.
    ///
    /// Throws: for bytes that are no `numeric`.
    init?(numeric rows: Span<UInt8>, _ field: CopyRowReader.Field) throws(CopyRowError) {
        let number = try NumericField(rows, field)
        guard number.isFinite else { return nil }
        var magnitude: UInt64 = 0
        var groups = number.groups
        // Trailing zero groups need no room.
        while groups > 0, number.group(groups - 1, in: rows) == 0 { groups -= 1 }
        for index in 0..<groups {
            let (product, overflow) = magnitude.multipliedReportingOverflow(by: 10_000)
            let (sum, carry) = product.addingReportingOverflow(UInt64(number.group(index, in: rows)))
            guard !overflow, !carry else { return nil }
            magnitude = sum
        }
        self.init(magnitude, number.isNegative, 4 * (number.weight - groups + 1))
    }

    /// Nil where the mantissa does not fit.
    init?(_ magnitude: UInt64, _ isNegative: Bool, _ exponent: Int) {
        guard magnitude != 0 else {
            self = .zero
            return
        }
        var (magnitude, exponent) = (magnitude, exponent)
        while magnitude % 10 == 0 { (magnitude, exponent) = (magnitude / 10, exponent + 1) }
        guard let mantissa = Int64(exactly: magnitude) else { return nil }
        self.init(mantissa: isNegative ? -mantissa : mantissa, exponent: exponent)
    }

    init(mantissa: Int64, exponent: Int) { (self.mantissa, self.exponent) = (mantissa, exponent) }

    /// All in units of the smallest power of ten among them; nil where one does not fit then.
    static func aligned(_ values: [ScaledDecimal?]) -> (values: [Int64?], exponent: Int)? {
        let exponent = values.reduce(Int.max) { least, value in
            guard let value, value.mantissa != 0 else { return least }
            return min(least, value.exponent)
        }
        var aligned: [Int64?] = []
        aligned.reserveCapacity(values.count)
        for value in values {
            guard var mantissa = value?.mantissa, mantissa != 0, let value else {
                aligned.append(value.map { _ in 0 })
                continue
            }
            guard value.exponent - exponent < 19 else { return nil }
            for _ in 0..<(value.exponent - exponent) {
                let (product, overflow) = mantissa.multipliedReportingOverflow(by: 10)
                guard !overflow else { return nil }
                mantissa = product
            }
            aligned.append(mantissa)
        }
        return (aligned, exponent == .max ? 0 : exponent)
    }
}

/// The parts of a `numeric` in a row.
struct NumericField {
    let groups: Int
    let weight: Int
    let scale: Int
    private let sign: Int
    private let start: Int

    init(_ rows: Span<UInt8>, _ field: CopyRowReader.Field) throws(CopyRowError) {
        func number(_ offset: Int) -> Int {
            Int(Int16(bitPattern: UInt16(rows[field.start + offset]) << 8 | UInt16(rows[field.start + offset + 1])))
        }
        guard field.length >= 8 else { throw CopyRowError(at: field.start, "not a numeric") }
        (groups, weight, sign, scale) = (number(0), number(2), number(4) & 0xFFFF, number(6))
        guard groups >= 0, field.length == 8 + 2 * groups else { throw CopyRowError(at: field.start, "not a numeric") }
        start = field.start + 8
    }

    var isNegative: Bool { sign == 0x4000 }
    var isFinite: Bool { sign & ~0x4000 == 0 }

    /// Four decimal digits; those before the first and behind the last group are zeros.
    func group(_ index: Int, in rows: Span<UInt8>) -> Int {
        guard index >= 0, index < groups else { return 0 }
        return Int(rows[start + 2 * index]) << 8 | Int(rows[start + 2 * index + 1])
    }

    /// The number as PostgreSQL would print it.
    func append(to text: inout [UInt8], in rows: Span<UInt8>) {
        guard isFinite else {
            text += Array((sign == 0xC000 ? "NaN" : sign == 0xF000 ? "-Infinity" : "Infinity").utf8)
            return
        }
        if isNegative { text.append(0x2D) }
        let whole = text.count
        for index in 0..<max(weight + 1, 1) {
            let group = weight < 0 ? 0 : group(index, in: rows)
            for divisor in [1000, 100, 10, 1] {
                let digit = UInt8(truncatingIfNeeded: group / divisor % 10)
                if digit != 0 || text.count > whole { text.append(0x30 + digit) }
            }
        }
        if text.count == whole { text.append(0x30) }
        guard scale > 0 else { return }
        text.append(0x2E)
        for place in 0..<scale {
            let digits = group(weight + 1 + place / 4, in: rows)
            text.append(0x30 + UInt8(truncatingIfNeeded: digits / [1000, 100, 10, 1][place % 4] % 10))
        }
    }
}

extension RowWriter {
    /// A `numeric` field: `unit` times ten to the power of `exponent`.
    mutating func appendNumeric(_ unit: Int64, exponent: Int) {
        let below = (exponent % 4 + 4) % 4
        var groups: [Int16] = []
        // The power of ten that four-digit groups do not say; three digits more than 64 bits hold.
        var rest = UInt128(unit.magnitude) * [1, 10, 100, 1000][below]
        while rest > 0 {
            groups.append(Int16(truncatingIfNeeded: rest % 10_000))
            rest /= 10_000
        }
        let start = beginField()
        append16(Int16(truncatingIfNeeded: groups.count))
        append16(Int16(truncatingIfNeeded: (exponent - below) / 4 + groups.count - 1))
        append16(0)
        append16(Int16(truncatingIfNeeded: max(0, -exponent)))
        for group in groups.reversed() { append16(group) }
        endField(start)
    }
}

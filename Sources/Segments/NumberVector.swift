import Records

/// Numbers of one column as base and codes: value i is the base plus code i, in units of `unit`; code 0 may be null.
struct NumberVector {
    /// Nil where every value is null.
    var base: Int64?
    var hasNull = false
    var unit: Int64 = 1
    var codes: [UInt64] = []

    /// Nil where the values are too far apart for 63 bits.
    init?(_ values: [Int64?], dividing: Bool = false) {
        var (least, greatest, divisor) = (Int64.max, Int64.min, UInt64(0))
        for value in values {
            guard let value else {
                hasNull = true
                continue
            }
            (least, greatest) = (min(least, value), max(greatest, value))
            if dividing, divisor != 1 { divisor = Self.commonDivisor(divisor, value.magnitude) }
        }
        guard least <= greatest else { return }
        if divisor > 1, let whole = Int64(exactly: divisor) { unit = whole }
        let low = least / unit
        let (base, below) = low.subtractingReportingOverflow(hasNull ? 1 : 0)
        // The planes are read as a `bigint`.
        let (_, apart) = (greatest / unit).subtractingReportingOverflow(base)
        guard !below, !apart else { return nil }
        self.base = base
        codes.reserveCapacity(values.count)
        let unit = unit
        for value in values { codes.append(value.map { UInt64(($0 / unit) - base) } ?? 0) }
    }

    private static func commonDivisor(_ a: UInt64, _ b: UInt64) -> UInt64 {
        var (a, b) = (a, b)
        while b != 0 { (a, b) = (b, a % b) }
        return a
    }
}

extension RowWriter {
    /// The base, what null is, and the planes: three fields.
    mutating func append(_ vector: NumberVector) {
        appendIntegerOrNull(vector.base)
        appendIntegerOrNull(vector.hasNull && vector.base != nil ? 0 : nil)
        appendPlanes(vector.codes)
    }

    /// A `bytea` of planes, the highest first; null where all codes are 0.
    ///
    /// PostgreSQL gives a value up for incompressible after its first kilobyte, and the highest plane compresses best.
    /// Paired, the two lowest bytes of each number stand side by side, behind the other planes.
    mutating func appendPlanes(_ codes: [UInt64], paired: Bool = false) {
        let bits = 64 - codes.reduce(0, |).leadingZeroBitCount
        guard bits > 0 else { return appendNull() }
        let start = beginField()
        for plane in stride(from: (bits - 1) / 8 * 8, through: paired ? 16 : 0, by: -8) {
            for code in codes { append(UInt8(truncatingIfNeeded: code &>> UInt64(plane))) }
        }
        if paired { for code in codes { append16(Int16(truncatingIfNeeded: code)) } }
        endField(start)
    }

    mutating func appendIntegerOrNull(_ value: Int64?) {
        if let value { appendInteger(value) } else { appendNull() }
    }

    mutating func appendSmallOrNull(_ value: Int16?) {
        guard let value else { return appendNull() }
        append32(2)
        append16(value)
    }

    mutating func appendNulls(_ count: Int) { for _ in 0..<count { appendNull() } }
}

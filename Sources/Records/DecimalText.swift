/// A decimal number as text, measured but not yet converted: never a binary double.
///
/// The grammar is JSON's, in strings as in numbers: no plus sign, padding, leading zero, underscore, NaN or Infinity.
/// Holds offsets into the bytes it was read from, which are handed to each call.
struct DecimalText {
    private(set) var isNegative = false
    /// No digit but zeros: neither sign nor exponent is content.
    private(set) var isZero = false
    /// Where the number ends.
    private(set) var end = 0
    /// Offset of the first digit, and those of the first and the last that is not zero.
    private var digits = 0
    private var first = 0
    private var last = 0
    /// Offset of the point, or of the end of the digits.
    private var point = 0
    private var exponent = 0

    /// Reads `bytes[start..<end]`; refuses what needs more than `digits` digits with the exponent written out.
    init(_ bytes: Span<UInt8>, _ start: Int, _ end: Int, digits: Int) throws(DecodeError) {
        guard let writtenOut = measure(bytes, start, end), self.end == end else {
            throw DecodeError(.invalidNumber, at: start, "not a decimal number")
        }
        guard writtenOut <= digits else {
            throw DecodeError(.numberTooLong, at: start, "a decimal of more than \(digits) digits")
        }
    }

    /// Reads the number that begins at `start`, wherever it ends; nil for what the other initialiser would refuse.
    @inline(__always)
    init?(startingAt start: Int, of bytes: Span<UInt8>, digits: Int) {
        guard let writtenOut = measure(bytes, start, bytes.count), writtenOut <= digits else { return nil }
    }

    /// Finds the parts; returns how many digits the number has written out, nil where it is none.
    @inline(__always)
    private mutating func measure(_ bytes: Span<UInt8>, _ start: Int, _ limit: Int) -> Int? {
        guard start < limit else { return nil }
        isNegative = bytes[start] == 0x2D
        digits = isNegative ? start &+ 1 : start
        point = bytes.endOfDigits(digits, limit)
        end = point
        let integerDigits = point &- digits
        guard integerDigits == 1 || (integerDigits > 1 && bytes[digits] != 0x30) else { return nil }
        var fractionDigits = 0
        if end < limit, bytes[end] == 0x2E {
            end = bytes.endOfDigits(point &+ 1, limit)
            fractionDigits = end &- point &- 1
            guard fractionDigits > 0 else { return nil }
        }
        trimZeros(bytes)
        guard end < limit, bytes[end] | 0x20 == 0x65 else { return integerDigits &+ fractionDigits }
        guard readExponent(bytes, limit) else { return nil }
        let whole = max(integerDigits + max(exponent, 0), 1 - min(exponent, 0))
        return whole + max(fractionDigits - max(exponent, 0), 0)
    }

    /// Finds the first and the last digit that is not zero among those up to `end`.
    @inline(__always)
    private mutating func trimZeros(_ bytes: Span<UInt8>) {
        last = max(digits, end &- 1 &- (bytes.zerosBefore(end) ?? 0))
        while last > digits, bytes[last] == 0x30 || last == point { last &-= 1 }
        first = digits
        while first < last, bytes[first] == 0x30 || first == point { first &+= 1 }
        isZero = bytes[first] == 0x30
        if isZero { isNegative = false }
    }

    /// Reads an exponent that begins at `end`; stops counting at a million, which no limit allows.
    private mutating func readExponent(_ bytes: Span<UInt8>, _ limit: Int) -> Bool {
        var cursor = end + 1
        var isDown = false
        if cursor < limit, bytes[cursor] == 0x2B || bytes[cursor] == 0x2D {
            isDown = bytes[cursor] == 0x2D
            cursor += 1
        }
        let digits = cursor
        while cursor < limit, bytes[cursor] &- 0x30 <= 9 {
            exponent = min(exponent * 10 + Int(bytes[cursor] &- 0x30), 1_000_000)
            cursor += 1
        }
        if isDown { exponent = -exponent }
        end = cursor
        return cursor > digits
    }

    /// The power of ten that the digit at `offset` counts.
    private func power(_ offset: Int) -> Int { (offset < point ? point - 1 - offset : point - offset) + exponent }

    /// Appends the number as the bytes of a PostgreSQL `numeric`, with no more fraction digits than it needs.
    ///
    /// Four int16: groups, weight, sign, scale; then groups of four decimal digits. Equal numbers are equal bytes.
    func appendNumeric(_ bytes: Span<UInt8>, to out: inout RowWriter) {
        guard !isZero else {
            out.append64(0)
            return
        }
        let top = power(first)
        let bottom = power(last)
        // Arithmetic shifts: they round towards minus infinity.
        let weight = top >> 2
        let groups = weight - bottom >> 2 + 1
        out.append64(
            UInt64(truncatingIfNeeded: groups & 0xFFFF) << 48 | UInt64(truncatingIfNeeded: weight & 0xFFFF) << 32
                | (isNegative ? 0x4000 << 16 : 0) | UInt64(truncatingIfNeeded: max(0, -bottom) & 0xFFFF)
        )
        var group: UInt16 = 0
        var power = top
        for offset in first...last where offset != point {
            group = group &* 10 &+ UInt16(bytes[offset] &- 0x30)
            if power & 3 == 0 {
                out.append16(Int16(bitPattern: group))
                group = 0
            }
            power &-= 1
        }
        // The digits that the last group lacks are zeros.
        guard power & 3 != 3 else { return }
        for _ in 0...power & 3 { group = group &* 10 }
        out.append16(Int16(bitPattern: group))
    }

    /// The number times 10^`shift`, rounded down; nil beyond `Int64`.
    func scaled(_ bytes: Span<UInt8>, by shift: Int) -> Int64? {
        guard !isZero else { return 0 }
        let top = power(first) + shift
        guard top < 19 else { return nil }
        var magnitude: Int64 = 0
        var next = top
        var isExact = true
        for offset in first...last where offset != point {
            guard next >= 0 else {
                isExact = false
                break
            }
            let (shifted, overflow) = magnitude.multipliedReportingOverflow(by: 10)
            let (sum, carry) = shifted.subtractingReportingOverflow(Int64(bytes[offset] &- 0x30))
            guard !overflow, !carry else { return nil }
            magnitude = sum
            next -= 1
        }
        while next >= 0 {
            let (shifted, overflow) = magnitude.multipliedReportingOverflow(by: 10)
            guard !overflow else { return nil }
            magnitude = shifted
            next -= 1
        }
        if isNegative {
            guard !isExact else { return magnitude }
            return magnitude == .min ? nil : magnitude - 1
        }
        return magnitude == .min ? nil : -magnitude
    }

    /// The number as an integer; nil when it has a fraction or does not fit.
    func integer(_ bytes: Span<UInt8>) -> Int64? {
        guard isZero || power(last) >= 0 else { return nil }
        return scaled(bytes, by: 0)
    }

    /// Appends the number as plain digits, without exponent or needless zeros, and one byte behind it.
    @inline(__always)
    func appendText(_ bytes: Span<UInt8>, then next: UInt8, to out: inout RowWriter) {
        if exponent == 0 && !isZero {
            out.append(bytes, isNegative ? digits &- 1 : digits, max(last &+ 1, point), then: next)
        } else {
            appendWrittenOut(bytes, to: &out)
            out.append(next)
        }
    }

    func appendText(_ bytes: Span<UInt8>, to out: inout RowWriter) {
        appendText(bytes, then: 0, to: &out)
        out.truncate(to: out.count - 1)
    }

    private func appendWrittenOut(_ bytes: Span<UInt8>, to out: inout RowWriter) {
        guard !isZero else {
            out.append(0x30)
            return
        }
        if isNegative { out.append(0x2D) }
        let top = power(first)
        if top < 0 {
            out.append(0x30)
            out.append(0x2E)
            for _ in 0..<(-1 - top) { out.append(0x30) }
        }
        var next = top
        for offset in first...last where offset != point {
            out.append(bytes[offset])
            if next == 0, offset != last { out.append(0x2E) }
            next -= 1
        }
        while next >= 0 {
            out.append(0x30)
            next -= 1
        }
    }
}

/// A decimal number as text, measured but not yet converted: never a binary double.
///
/// The grammar is JSON's, in strings as in numbers: no plus sign, padding, leading zero, underscore, NaN or Infinity.
/// Holds offsets into the bytes it was read from, which are handed to each call.
struct DecimalText {
    private(set) var isNegative = false
    /// No digit but zeros: neither sign nor exponent is content.
    private(set) var isZero = true
    /// Offsets of the first and the last digit that is not zero.
    private var first = 0
    private var last = 0
    /// Offset of the point, or of the end of the digits.
    private var point = 0
    private var exponent = 0

    /// Reads `bytes[start..<end]`; refuses what needs more than `digits` digits with the exponent written out.
    init(_ bytes: Span<UInt8>, _ start: Int, _ end: Int, digits: Int) throws(DecodeError) {
        var cursor = start
        if cursor < end, bytes[cursor] == 0x2D {
            isNegative = true
            cursor += 1
        }
        let integer = cursor
        cursor = digitRun(bytes, cursor, end)
        point = cursor
        let integerDigits = cursor - integer
        guard integerDigits == 1 || (integerDigits > 1 && bytes[integer] != 0x30) else { throw Self.invalid(start) }
        var fractionDigits = 0
        if cursor < end, bytes[cursor] == 0x2E {
            let fraction = cursor + 1
            cursor = digitRun(bytes, fraction, end)
            fractionDigits = cursor - fraction
            guard fractionDigits > 0 else { throw Self.invalid(start) }
        }
        if cursor < end, bytes[cursor] | 0x20 == 0x65 { cursor = try readExponent(bytes, cursor + 1, end) }
        guard cursor == end else { throw Self.invalid(start) }
        let whole = max(integerDigits + max(exponent, 0), 1 - min(exponent, 0))
        let writtenOut = whole + max(fractionDigits - max(exponent, 0), 0)
        guard writtenOut <= digits else {
            throw DecodeError(.numberTooLong, at: start, "a decimal of more than \(digits) digits")
        }
        if isZero {
            isNegative = false
            exponent = 0
        }
    }

    /// Moves over digits, noting those that are not zero.
    private mutating func digitRun(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int {
        var cursor = start
        while cursor < end {
            let digit = bytes[cursor] &- 0x30
            guard digit <= 9 else { break }
            if digit != 0 {
                if isZero { first = cursor }
                isZero = false
                last = cursor
            }
            cursor += 1
        }
        return cursor
    }

    /// Reads the digits of an exponent; stops counting at a million, which no limit allows.
    private mutating func readExponent(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) throws(DecodeError) -> Int {
        var cursor = start
        var isDown = false
        if cursor < end, bytes[cursor] == 0x2B || bytes[cursor] == 0x2D {
            isDown = bytes[cursor] == 0x2D
            cursor += 1
        }
        let digits = cursor
        while cursor < end, bytes[cursor] &- 0x30 <= 9 {
            exponent = min(exponent * 10 + Int(bytes[cursor] &- 0x30), 1_000_000)
            cursor += 1
        }
        guard cursor > digits else { throw Self.invalid(start) }
        if isDown { exponent = -exponent }
        return cursor
    }

    private static func invalid(_ offset: Int) -> DecodeError {
        DecodeError(.invalidNumber, at: offset, "not a decimal number")
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
        let weight = floorDivide(top, 4)
        let groups = weight - floorDivide(bottom, 4) + 1
        out.append16(Int16(truncatingIfNeeded: groups))
        out.append16(Int16(truncatingIfNeeded: weight))
        out.append16(isNegative ? 0x4000 : 0)
        out.append16(Int16(truncatingIfNeeded: max(0, -bottom)))
        var room = top - weight * 4 + 1
        var group: Int16 = 0
        for offset in first...last where offset != point {
            group = group &* 10 &+ Int16(bytes[offset] &- 0x30)
            room -= 1
            if room == 0 {
                out.append16(group)
                group = 0
                room = 4
            }
        }
        guard room < 4 else { return }
        for _ in 0..<room { group = group &* 10 }
        out.append16(group)
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

    /// Appends the number as plain digits, without exponent or needless zeros.
    func appendText(_ bytes: Span<UInt8>, to out: inout [UInt8]) {
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

/// The quotient rounded towards minus infinity.
func floorDivide(_ a: Int, _ b: Int) -> Int { a >= 0 ? a / b : -((b - 1 - a) / b) }

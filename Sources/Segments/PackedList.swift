import Records

/// Reads a list of decimals as it is stored: text, each character by its low four bits, `c` a comma, `d` a minus, `e` a
/// point, `f` behind the last of an odd number.
enum PackedList {
    /// Appends the elements; false where one does not fit a mantissa of 64 bits.
    static func append(
        _ rows: Span<UInt8>,
        _ field: CopyRowReader.Field,
        to values: inout [ScaledDecimal?]
    ) throws(CopyRowError) -> Bool {
        guard field.length > 0 else { return true }
        var (magnitude, digits, fraction) = (UInt64(0), 0, 0)
        var (isNegative, isBehindPoint, fits) = (false, false, true)
        for index in 0...2 * field.length {
            let half = index == 2 * field.length ? 0xF : halves(rows, field, index)
            switch half {
            case 0...9:
                let (product, overflow) = magnitude.multipliedReportingOverflow(by: 10)
                let (sum, carry) = product.addingReportingOverflow(UInt64(half))
                if overflow || carry { fits = false }
                magnitude = sum
                digits += 1
                if isBehindPoint { fraction += 1 }
            case 0xD where digits == 0: isNegative = true
            case 0xE where digits > 0 && !isBehindPoint: isBehindPoint = true
            case 0xC, 0xF:
                guard digits > 0 else { throw CopyRowError(at: field.start, "not a list of decimals") }
                let value = ScaledDecimal(magnitude, isNegative, -fraction)
                if value == nil { fits = false }
                values.append(value)
                if half == 0xF { return fits }
                (magnitude, digits, fraction, isNegative, isBehindPoint) = (0, 0, 0, false, false)
            default: throw CopyRowError(at: field.start, "not a list of decimals")
            }
        }
        return fits
    }

    private static func halves(_ rows: Span<UInt8>, _ field: CopyRowReader.Field, _ index: Int) -> UInt8 {
        let byte = rows[field.start + index / 2]
        return index % 2 == 0 ? byte >> 4 : byte & 0xF
    }

    /// Appends the list as text without braces: `4325.12,-3`.
    static func append(_ rows: Span<UInt8>, _ field: CopyRowReader.Field, toText text: inout [UInt8]) {
        for index in 0..<2 * max(field.length, 0) {
            let half = halves(rows, field, index)
            if half != 0xF { text.append(half <= 9 ? 0x30 | half : 0x20 | half) }
        }
    }
}

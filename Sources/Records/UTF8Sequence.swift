/// Well-formed multi-byte sequences of UTF-8: no overlong form, no surrogate, nothing above U+10FFFF.
///
/// Source: the Unicode Standard, table 3-7
enum UTF8Sequence {
    /// The end of the sequence that begins at `offset` with a byte of 0x80 or more.
    static func end(_ bytes: Span<UInt8>, _ offset: Int) throws(DecodeError) -> Int {
        let lead = bytes[offset]
        let length: Int
        var lowest: UInt8 = 0x80
        var highest: UInt8 = 0xBF
        switch lead {
        case 0xC2...0xDF: length = 2
        case 0xE0...0xEF:
            length = 3
            if lead == 0xE0 { lowest = 0xA0 }
            if lead == 0xED { highest = 0x9F }
        case 0xF0...0xF4:
            length = 4
            if lead == 0xF0 { lowest = 0x90 }
            if lead == 0xF4 { highest = 0x8F }
        default: throw DecodeError(.invalidUTF8, at: offset, "not UTF-8")
        }
        guard offset + length <= bytes.count, bytes[offset + 1] >= lowest, bytes[offset + 1] <= highest else {
            throw DecodeError(.invalidUTF8, at: offset, "not UTF-8")
        }
        for index in offset + 2..<offset + length where bytes[index] & 0xC0 != 0x80 {
            throw DecodeError(.invalidUTF8, at: offset, "not UTF-8")
        }
        return offset + length
    }
}

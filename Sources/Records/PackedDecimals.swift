/// How a list of decimals is stored: its text, `4325.12,4325.1,-3`, each character by its low four bits.
///
/// Half as long as text and a fifth as much work for PostgreSQL as `numeric[]`, exact whatever the digits, equal lists
/// are equal bytes, and plain SQL turns them back: the digits of `encode(…, 'hex')` are the digits, `c` is the comma,
/// `d` the minus, `e` the point, and `f` fills the last byte. No list begins with a zero byte (no number begins with
/// two zeros), as every binary `numeric[]` does, so the two are told apart by their first byte.
enum PackedDecimals {
    static let comma: UInt8 = 0x2C
    private static let filler: UInt8 = 0x2F

    /// Packs the text of a list.
    static func append(_ text: RowWriter, to out: inout RowWriter) { out.append(halvesOf: text, filler: filler) }

    /// The text of the list that fills `bytes[start..<end]`; whether it is a list of numbers is not checked.
    static func text(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> RowWriter {
        var text = RowWriter()
        for index in start..<end {
            text.append(character(bytes[index] &>> 4))
            text.append(character(bytes[index] & 0x0F))
        }
        if text.count > 0, text.storage[text.count - 1] == filler { text.truncate(to: text.count - 1) }
        return text
    }

    /// Digits stand at 0x30, the other characters at 0x20.
    private static func character(_ half: UInt8) -> UInt8 { half <= 9 ? half | 0x30 : half | 0x20 }
}

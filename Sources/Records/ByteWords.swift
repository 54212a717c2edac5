/// Eight bytes at a time, out of a span whose bounds hold as ever: one check for a word instead of one for each byte.
///
/// The masks mark bytes by their top bit. Above the lowest mark there may be false ones, so only the lowest counts.
/// Source: https://graphics.stanford.edu/~seander/bithacks.html (ZeroInWord, haslessthan)
extension Span<UInt8> {
    /// The eight bytes at `offset`, the first in the lowest bits; nil where fewer are left.
    @inline(__always)
    func word(_ offset: Int) -> UInt64? {
        guard offset >= 0, offset < count else { return nil }
        let rest = extracting(droppingFirst: offset)
        guard rest.count >= 8 else { return nil }
        // The compiler makes one load of this.
        var word: UInt64 = 0
        for index in 0..<8 { word |= UInt64(rest[index]) &<< UInt64(8 &* index) }
        return word
    }

    /// The sixteen bytes at `offset`, to be stored again; nil where fewer are left.
    @inline(__always)
    func sixteen(_ offset: Int) -> SIMD16<UInt8>? {
        guard offset >= 0, offset < count else { return nil }
        let rest = extracting(droppingFirst: offset)
        guard rest.count >= 16 else { return nil }
        // One load, as above.
        var bytes = SIMD16<UInt8>()
        for index in 0..<16 { bytes[index] = rest[index] }
        return bytes
    }

    /// The end of the run of bytes from `start` that a string may hold as they are: ASCII without quote, backslash and
    /// controls.
    @inline(__always)
    func endOfPlainText(_ start: Int) -> Int {
        var cursor = start
        while let word = word(cursor) {
            let marks = ByteWord.quotes(word) | ByteWord.backslashes(word) | ByteWord.controls(word)
            guard marks == 0 else { return cursor &+ ByteWord.first(marks) }
            cursor &+= 8
        }
        while cursor < count, Self.isPlain(self[cursor]) { cursor &+= 1 }
        return cursor
    }

    private static func isPlain(_ byte: UInt8) -> Bool { byte >= 0x20 && byte < 0x80 && byte != 0x22 && byte != 0x5C }

    /// The end of the run of digits from `start`, at most `end`.
    @inline(__always)
    func endOfDigits(_ start: Int, _ end: Int) -> Int {
        var cursor = start
        while cursor < end, let word = word(cursor) {
            let marks = ByteWord.nonDigits(word)
            guard marks == 0 else { return Swift.min(cursor &+ ByteWord.first(marks), end) }
            cursor &+= 8
        }
        while cursor < end, self[cursor] &- 0x30 <= 9 { cursor &+= 1 }
        return Swift.min(cursor, end)
    }

    /// How many of the eight bytes before `end` are zeros, counted from the last; nil where there are fewer than eight.
    @inline(__always)
    func zerosBefore(_ end: Int) -> Int? {
        guard let word = word(end &- 8) else { return nil }
        return ByteWord.digitValues(word).leadingZeroBitCount &>> 3
    }

    /// Whether `other` stands at `offset`.
    @inline(__always)
    func holds(_ other: Span<UInt8>, at offset: Int) -> Bool {
        guard offset >= 0, offset <= count &- other.count else { return false }
        let part = extracting(offset..<offset &+ other.count)
        var cursor = 0
        while let a = part.word(cursor), let b = other.word(cursor) {
            guard a == b else { return false }
            cursor &+= 8
        }
        // The last eight bytes once more cost less than the few that are left one by one.
        if let a = part.word(part.count &- 8), let b = other.word(part.count &- 8) { return a == b }
        while cursor < other.count {
            guard part[cursor] == other[cursor] else { return false }
            cursor &+= 1
        }
        return true
    }
}

enum ByteWord {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let tops: UInt64 = 0x8080_8080_8080_8080

    @inline(__always)
    static func first(_ marks: UInt64) -> Int { marks.trailingZeroBitCount &>> 3 }

    @inline(__always)
    static func quotes(_ word: UInt64) -> UInt64 { zeros(word ^ (ones &* 0x22)) }

    @inline(__always)
    static func backslashes(_ word: UInt64) -> UInt64 { zeros(word ^ (ones &* 0x5C)) }

    /// Below 0x20, or 0x80 and more.
    @inline(__always)
    static func controls(_ word: UInt64) -> UInt64 { ((word &- (ones &* 0x20)) & ~word | word) & tops }

    /// Digits as 0 to 9, all else as more.
    @inline(__always)
    static func digitValues(_ word: UInt64) -> UInt64 { word ^ (ones &* 0x30) }

    @inline(__always)
    static func nonDigits(_ word: UInt64) -> UInt64 {
        let values = digitValues(word)
        return ((values &+ (ones &* 0x76)) | values) & tops
    }

    @inline(__always)
    private static func zeros(_ word: UInt64) -> UInt64 { (word &- ones) & ~word & tops }

    /// The number that eight digits write; nil where there is another byte among them.
    @inline(__always)
    static func number(_ word: UInt64) -> Int64? {
        guard nonDigits(word) == 0 else { return nil }
        // Neighbours joined three times: digits to pairs, pairs to fours, fours to eight.
        let pairs = (digitValues(word) &* (10 &<< 8 | 1)) &>> 8 & 0x00FF_00FF_00FF_00FF
        let fours = (pairs &* (100 &<< 16 | 1)) &>> 16 & 0x0000_FFFF_0000_FFFF
        return Int64(truncatingIfNeeded: (fours &* (10_000 &<< 32 | 1)) &>> 32)
    }

    /// The low halves of eight bytes, two to a byte, in the four lowest.
    @inline(__always)
    static func joinedHalves(_ word: UInt64) -> UInt64 {
        let halves = word & (ones &* 0x0F)
        let pairs = (halves &<< 4 | halves &>> 8) & 0x00FF_00FF_00FF_00FF
        let quads = (pairs | pairs &>> 8) & 0x0000_FFFF_0000_FFFF
        return quads | quads &>> 16
    }
}

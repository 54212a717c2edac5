/// Eight bytes at a time, out of a span whose bounds hold as ever: one check for a word instead of one for each byte.
///
/// The masks mark bytes by their top bit. Above the lowest mark there may be false ones, so only the lowest counts.
/// Source: https://graphics.stanford.edu/~seander/bithacks.html (ZeroInWord, haslessthan)
extension Span<UInt8> {
    /// The eight bytes at `offset`, the first in the lowest bits; nil where fewer are left.
    @inline(__always)
    func word(_ offset: Int) -> UInt64? {
        guard offset >= 0, offset <= count &- 8 else { return nil }
        let part = extracting(offset..<offset &+ 8)
        var word: UInt64 = 0
        for index in 0..<8 { word |= UInt64(part[index]) &<< UInt64(8 &* index) }
        return word
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

    @inline(__always)
    static func nonDigits(_ word: UInt64) -> UInt64 {
        let values = word ^ (ones &* 0x30)
        return ((values &+ (ones &* 0x76)) | values) & tops
    }

    @inline(__always)
    private static func zeros(_ word: UInt64) -> UInt64 { (word &- ones) & ~word & tops }

    /// The low halves of eight bytes, two to a byte, in the four lowest.
    @inline(__always)
    static func joinedHalves(_ word: UInt64) -> UInt64 {
        let halves = word & (ones &* 0x0F)
        let pairs = (halves &<< 4 | halves &>> 8) & 0x00FF_00FF_00FF_00FF
        let quads = (pairs | pairs &>> 8) & 0x0000_FFFF_0000_FFFF
        return quads | quads &>> 16
    }
}

/// Bytes under construction: big-endian numbers, length-prefixed fields, as COPY BINARY has them.
///
/// The buffer only grows and `count` says how much of it is written: one check of capacity for a field, none for a
/// byte.
/// Source: https://www.postgresql.org/docs/15/sql-copy.html (binary format)
package struct RowWriter: Sendable {
    /// The written bytes are the first `count`; what follows is of no meaning.
    package private(set) var storage: [UInt8] = []
    package private(set) var count = 0

    package init() {}

    /// A copy of the written bytes.
    package var bytes: [UInt8] { Array(storage[..<count]) }

    package mutating func removeAll() { count = 0 }

    package mutating func truncate(to count: Int) {
        precondition(count <= self.count, "truncation never grows")
        self.count = count
    }

    /// Makes room for `more` bytes, to be written by the caller, and says where it begins.
    @inline(__always)
    private mutating func grow(by more: Int) -> Int {
        ensure(more)
        count &+= more
        return count &- more
    }

    @inline(__always)
    private mutating func ensure(_ more: Int) {
        if storage.count - count < more { grow(more) }
    }

    @inline(never)
    private mutating func grow(_ more: Int) {
        storage.append(contentsOf: repeatElement(0, count: max(more, storage.count, 256)))
    }

    @inline(__always)
    package mutating func append(_ byte: UInt8) {
        ensure(1)
        storage[count] = byte
        count &+= 1
    }

    package mutating func append(contentsOf other: [UInt8]) { append(other.span, 0, other.count) }

    /// Appends the low halves of the bytes of `text`, two to a byte; an odd one out is joined by the low half of
    /// `filler`.
    mutating func append(halvesOf text: RowWriter, filler: UInt8) {
        let from = text.storage.span.extracting(0..<text.count)
        var place = count
        ensure(from.count / 2 + 8)
        count += (from.count + 1) / 2
        var out = storage.mutableSpan
        var cursor = 0
        while let word = from.word(cursor) {
            // Four of the eight bytes mean something; the next word overwrites the others.
            out.put(ByteWord.joinedHalves(word), at: place)
            cursor &+= 8
            place &+= 4
        }
        while cursor < from.count {
            let next = cursor + 1 < from.count ? from[cursor + 1] : filler
            out[place] = from[cursor] &<< 4 | next & 0x0F
            cursor += 2
            place += 1
        }
    }

    /// Copies `source[start..<end]`.
    ///
    /// Sixteen bytes at a time where the source has them: what is written past the end is of no meaning.
    @inline(__always)
    package mutating func append(_ source: Span<UInt8>, _ start: Int, _ end: Int) {
        append(source, start, end, then: 0)
        count &-= 1
    }

    /// Copies `source[start..<end]`, and one byte behind it.
    @inline(__always)
    mutating func append(_ source: Span<UInt8>, _ start: Int, _ end: Int, then next: UInt8) {
        precondition(start <= end, "a range does not end before it begins")
        ensure(end &- start &+ 16)
        var from = start
        var to = count
        let behind = to &+ (end &- start)
        count = behind &+ 1
        var out = storage.mutableSpan
        while from < end, let sixteen = source.sixteen(from) {
            out.put(sixteen, at: to)
            from &+= 16
            to &+= 16
        }
        while from < end {
            out[to] = source[from]
            from &+= 1
            to &+= 1
        }
        out[behind] = next
    }

    @inline(__always)
    package mutating func append16(_ value: Int16) { append(bigEndian: value.bigEndian) }

    @inline(__always)
    package mutating func append32(_ value: Int32) { append(bigEndian: value.bigEndian) }

    @inline(__always)
    package mutating func append64(_ value: UInt64) { append(bigEndian: value.bigEndian) }

    @inline(__always)
    private mutating func append<Value: FixedWidthInteger>(bigEndian value: Value) {
        let place = grow(by: MemoryLayout<Value>.size)
        var out = storage.mutableSpan
        out.put(value, at: place)
    }

    /// A null field.
    @inline(__always)
    package mutating func appendNull() { append32(-1) }

    /// A `bigint` field.
    @inline(__always)
    package mutating func appendInteger(_ value: Int64) {
        let place = grow(by: 12)
        var out = storage.mutableSpan
        out.put(Int32(8).bigEndian, at: place)
        out.put(value.bigEndian, at: place &+ 4)
    }

    /// A `boolean` field.
    package mutating func appendBoolean(_ value: Bool) {
        append32(1)
        append(value ? 1 : 0)
    }

    /// A `timestamptz` field: microseconds since 2000-01-01.
    package mutating func appendTimestamp(_ value: Timestamp) { appendInteger(value.postgresMicros) }

    /// A `text` field.
    package mutating func appendText(_ text: [UInt8]) {
        append32(Int32(truncatingIfNeeded: text.count))
        append(contentsOf: text)
    }

    /// Leaves room for a field's length and says where its bytes begin; `endField` fills the length in.
    @inline(__always)
    package mutating func beginField() -> Int {
        append32(0)
        return count
    }

    package mutating func endField(_ start: Int) { patch32(count - start, at: start - 4) }

    /// Overwrites the four bytes at `offset`.
    @inline(__always)
    package mutating func patch32(_ value: Int, at offset: Int) {
        precondition(offset + 4 <= count, "only what is written can be overwritten")
        var out = storage.mutableSpan
        out.put(Int32(truncatingIfNeeded: value).bigEndian, at: offset)
    }

    /// Folds ASCII letters from `start` on to lower case.
    package mutating func lowercase(from start: Int) {
        let end = count
        var out = storage.mutableSpan
        for index in start..<end where out[index] >= 0x41 && out[index] <= 0x5A { out[index] |= 0x20 }
    }
}

extension MutableSpan<UInt8> {
    /// Stores the bytes of `value` at `offset`, the lowest first; the compiler makes one store of it.
    @inline(__always)
    mutating func put<Value: FixedWidthInteger>(_ value: Value, at offset: Int) {
        precondition(offset >= 0 && offset <= count &- MemoryLayout<Value>.size, "inside the span")
        for index in 0..<MemoryLayout<Value>.size {
            self[offset &+ index] = UInt8(truncatingIfNeeded: value &>> Value(truncatingIfNeeded: 8 &* index))
        }
    }

    /// Stores sixteen bytes at `offset`.
    @inline(__always)
    mutating func put(_ sixteen: SIMD16<UInt8>, at offset: Int) {
        precondition(offset >= 0 && offset <= count &- 16, "inside the span")
        for index in 0..<16 { self[offset &+ index] = sixteen[index] }
    }
}

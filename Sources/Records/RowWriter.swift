/// Bytes under construction: big-endian numbers, length-prefixed fields, as COPY BINARY has them.
///
/// Source: https://www.postgresql.org/docs/15/sql-copy.html (binary format)
package struct RowWriter: Sendable {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    package var count: Int { bytes.count }

    package mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

    package mutating func reserve(_ capacity: Int) { bytes.reserveCapacity(capacity) }

    package mutating func append(_ byte: UInt8) { bytes.append(byte) }

    package mutating func append(contentsOf other: [UInt8]) { bytes.append(contentsOf: other) }

    package mutating func append(_ other: RowWriter) { bytes.append(contentsOf: other.bytes) }

    /// Copies `source[start..<end]`.
    package mutating func append(_ source: Span<UInt8>, _ start: Int, _ end: Int) {
        bytes.append(addingCapacity: end - start) { out in
            for index in start..<end { out.append(source[index]) }
        }
    }

    package mutating func append16(_ value: Int16) {
        let bits = UInt16(bitPattern: value)
        bytes.append(addingCapacity: 2) { out in
            out.append(UInt8(truncatingIfNeeded: bits >> 8))
            out.append(UInt8(truncatingIfNeeded: bits))
        }
    }

    package mutating func append32(_ value: Int32) {
        let bits = UInt32(bitPattern: value)
        bytes.append(addingCapacity: 4) { out in
            out.append(UInt8(truncatingIfNeeded: bits >> 24))
            out.append(UInt8(truncatingIfNeeded: bits >> 16))
            out.append(UInt8(truncatingIfNeeded: bits >> 8))
            out.append(UInt8(truncatingIfNeeded: bits))
        }
    }

    package mutating func append64(_ value: UInt64) {
        bytes.append(addingCapacity: 8) { out in
            var shift = 56
            while shift >= 0 {
                out.append(UInt8(truncatingIfNeeded: value >> UInt64(shift)))
                shift -= 8
            }
        }
    }

    /// A null field.
    package mutating func appendNull() { append32(-1) }

    /// A `bigint` field.
    package mutating func appendInteger(_ value: Int64) {
        append32(8)
        append64(UInt64(bitPattern: value))
    }

    /// A `boolean` field.
    package mutating func appendBoolean(_ value: Bool) {
        append32(1)
        append(value ? 1 : 0)
    }

    /// A `timestamptz` field: microseconds since 2000-01-01.
    package mutating func appendTimestamp(_ value: Timestamp) { appendInteger(value.postgresMicros) }

    /// A `text` field with the bytes `source[start..<end]`.
    package mutating func appendText(_ source: Span<UInt8>, _ start: Int, _ end: Int) {
        append32(Int32(truncatingIfNeeded: end - start))
        append(source, start, end)
    }

    package mutating func appendText(_ text: [UInt8]) {
        append32(Int32(truncatingIfNeeded: text.count))
        append(contentsOf: text)
    }

    /// Leaves room for a field's length and says where; `endField` fills it in.
    package mutating func beginField() -> Int {
        append32(0)
        return bytes.count
    }

    package mutating func endField(_ start: Int) { patch32(bytes.count - start, at: start - 4) }

    /// Overwrites the four bytes at `offset`.
    package mutating func patch32(_ value: Int, at offset: Int) {
        let bits = UInt32(truncatingIfNeeded: value)
        bytes[offset] = UInt8(truncatingIfNeeded: bits >> 24)
        bytes[offset + 1] = UInt8(truncatingIfNeeded: bits >> 16)
        bytes[offset + 2] = UInt8(truncatingIfNeeded: bits >> 8)
        bytes[offset + 3] = UInt8(truncatingIfNeeded: bits)
    }

    /// Folds ASCII letters from `start` on to lower case.
    package mutating func lowercase(from start: Int) {
        for index in start..<bytes.count where bytes[index] >= 0x41 && bytes[index] <= 0x5A { bytes[index] |= 0x20 }
    }

    package mutating func truncate(to count: Int) { bytes.removeLast(bytes.count - count) }
}

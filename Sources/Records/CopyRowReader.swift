/// Why bytes are not COPY BINARY tuples of a record type; nothing that a healthy server sends.
package struct CopyRowError: Error, Equatable, CustomStringConvertible {
    /// Where in the chunk, in bytes.
    package let offset: Int
    package let detail: String

    package init(at offset: Int, _ detail: String) {
        self.offset = offset
        self.detail = detail
    }

    package var description: String { "malformed row at byte \(offset): \(detail)" }
}

/// Walks the tuples of a chunk of rows and the fields of each; never traps on bytes from outside.
///
/// It holds positions only and is handed the chunk at each call. One reader serves a whole chunk: its list of fields is
/// used again for every row.
package struct CopyRowReader: Sendable {
    /// Where a field's bytes stand in the chunk.
    package struct Field: Hashable, Sendable {
        package let start: Int
        /// Bytes; −1 for null.
        package let length: Int

        package var isNull: Bool { length < 0 }
        package var end: Int { start + max(length, 0) }
    }

    /// The fields of the current row, in catalogue order.
    package private(set) var fields: [Field] = []
    /// Where the current row begins and ends in the chunk.
    package private(set) var rowStart = 0
    package private(set) var position = 0
    private let fieldCounts: [Int]

    /// For rows of every column, or of the content columns alone: these come first.
    package init(type: RecordType) {
        fieldCounts = [type.allColumns.count, type.contentColumns.count]
        fields.reserveCapacity(fieldCounts[0])
    }

    package init(fieldCount: Int) {
        fieldCounts = [fieldCount]
        fields.reserveCapacity(fieldCount)
    }

    /// Moves to the next row; false at the end of the chunk.
    package mutating func next(in rows: Span<UInt8>) throws(CopyRowError) -> Bool {
        rowStart = position
        guard position < rows.count else { return false }
        fields.removeAll(keepingCapacity: true)
        guard rows.count - position >= 2 else { throw CopyRowError(at: position, "cut inside a field count") }
        let count = Int(Int16(truncatingIfNeeded: Int(rows[position]) << 8 | Int(rows[position + 1])))
        guard fieldCounts.contains(count) else {
            throw CopyRowError(at: position, "\(count) fields, \(fieldCounts[0]) expected")
        }
        position += 2
        for _ in 0..<count {
            guard rows.count - position >= 4 else { throw CopyRowError(at: position, "cut inside a field length") }
            let length = Int(Self.int32(rows, position))
            position += 4
            guard length >= -1 else { throw CopyRowError(at: position - 4, "a negative field length") }
            fields.append(Field(start: position, length: length))
            guard length > 0 else { continue }
            guard rows.count - position >= length else { throw CopyRowError(at: position, "cut inside a field") }
            position += length
        }
        return true
    }

    /// The value of a `timestamptz` field.
    package func timestamp(_ index: Int, in rows: Span<UInt8>) throws(CopyRowError) -> Timestamp? {
        guard let value = try integer(index, in: rows) else { return nil }
        return Timestamp(postgresMicros: value)
    }

    /// The value of a `bigint` (or `timestamptz`) field.
    package func integer(_ index: Int, in rows: Span<UInt8>) throws(CopyRowError) -> Int64? {
        let field = fields[index]
        guard !field.isNull else { return nil }
        guard field.length == 8 else { throw CopyRowError(at: field.start, "\(field.length) bytes, 8 expected") }
        return Self.int64(rows, field.start)
    }

    /// The value of a `boolean` field.
    package func boolean(_ index: Int, in rows: Span<UInt8>) throws(CopyRowError) -> Bool? {
        let field = fields[index]
        guard !field.isNull else { return nil }
        guard field.length == 1, rows[field.start] <= 1 else { throw CopyRowError(at: field.start, "not a boolean") }
        return rows[field.start] == 1
    }

    /// The value of a `text` field.
    package func text(_ index: Int, in rows: Span<UInt8>) -> String? {
        let field = fields[index]
        guard !field.isNull else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(field.length)
        for offset in field.start..<field.end { bytes.append(rows[offset]) }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func int16(_ bytes: Span<UInt8>, _ offset: Int) -> Int16 {
        Int16(truncatingIfNeeded: Int(bytes[offset]) << 8 | Int(bytes[offset + 1]))
    }

    static func int32(_ bytes: Span<UInt8>, _ offset: Int) -> Int32 {
        var value: UInt32 = 0
        for index in offset..<offset + 4 { value = value << 8 | UInt32(bytes[index]) }
        return Int32(bitPattern: value)
    }

    static func int64(_ bytes: Span<UInt8>, _ offset: Int) -> Int64 {
        var value: UInt64 = 0
        for index in offset..<offset + 8 { value = value << 8 | UInt64(bytes[index]) }
        return Int64(bitPattern: value)
    }
}

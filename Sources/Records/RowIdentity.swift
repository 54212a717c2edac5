/// What makes two rows of a type the same: the canonical bytes of their natural key and of their content.
///
/// Equal bytes are equal values: `numeric` without scale and needless zeros, arrays as lists of elements, `jsonb` in
/// one spelling, null distinct from everything but null. Keys begin with `ts` in an order that `memcmp` respects, and
/// text in them sorts like `COLLATE "C"`.
package struct RowIdentity: Sendable {
    private let contentKinds: [Column.Kind]
    private let contentNames: [String]
    private let keyFields: [Int]
    private let fieldCount: Int

    package init(type: RecordType) {
        let columns = type.allColumns
        contentKinds = type.contentColumns.map(\.kind)
        contentNames = type.contentColumns.map(\.name)
        keyFields = type.keyColumns.compactMap { name in columns.firstIndex { $0.name == name } }
        fieldCount = columns.count
        precondition(keyFields.count == type.keyColumns.count, "the natural key consists of columns")
        precondition(keyFields.allSatisfy { $0 < contentKinds.count }, "the natural key is content")
    }

    /// The canonical natural key of one tuple.
    package func key(of row: Span<UInt8>) throws(CopyRowError) -> [UInt8] {
        var out = RowWriter()
        try appendKey(of: reader(row).fields, in: row, to: &out)
        return out.bytes
    }

    /// The canonical content of one tuple.
    package func content(of row: Span<UInt8>) throws(CopyRowError) -> [UInt8] {
        var out = RowWriter()
        try appendContent(of: reader(row).fields, in: row, to: &out)
        return out.bytes
    }

    /// The event time of one tuple.
    package func timestamp(of row: Span<UInt8>) throws(CopyRowError) -> Timestamp {
        guard let ts = try reader(row).timestamp(0, in: row) else { throw CopyRowError(at: 0, "no event time") }
        return ts
    }

    /// Names of the content columns in which two tuples differ; none where they say the same.
    ///
    /// Equal bytes are equal values; what differs in bytes is compared in its one spelling.
    package func differences(
        _ a: Range<Int>,
        _ b: Range<Int>,
        in rows: Span<UInt8>
    ) throws(CopyRowError) -> [String] {
        let (first, second) = (rows.extracting(a), rows.extracting(b))
        let (these, those) = (try reader(first).fields, try reader(second).fields)
        var names: [String] = []
        for index in contentKinds.indices where !Self.equal(first, these[index], second, those[index]) {
            var (left, right) = (RowWriter(), RowWriter())
            try CanonicalField.append(contentKinds[index], first, these[index], to: &left)
            try CanonicalField.append(contentKinds[index], second, those[index], to: &right)
            if left.bytes != right.bytes { names.append(contentNames[index]) }
        }
        return names
    }

    private static func equal(
        _ a: Span<UInt8>,
        _ x: CopyRowReader.Field,
        _ b: Span<UInt8>,
        _ y: CopyRowReader.Field
    ) -> Bool {
        guard x.length == y.length else { return false }
        for offset in 0..<max(x.length, 0) where a[x.start + offset] != b[y.start + offset] { return false }
        return true
    }

    private func reader(_ row: Span<UInt8>) throws(CopyRowError) -> CopyRowReader {
        var reader = CopyRowReader(fieldCount: fieldCount)
        guard try reader.next(in: row), reader.position == row.count else { throw CopyRowError(at: 0, "not one row") }
        return reader
    }

    /// Appends what the type's own columns, whose fields these are, add to the natural key.
    func appendOwnKey(
        of fields: [CopyRowReader.Field],
        in rows: Span<UInt8>,
        to out: inout RowWriter
    ) throws(CopyRowError) {
        for (place, field) in fields.enumerated() {
            let kind = contentKinds[keyFields[RecordType.leading.count + place]]
            try CanonicalField.append(kind, rows, field, to: &out)
        }
    }

    /// Appends the canonical natural key of the row with these fields.
    package func appendKey(
        of fields: [CopyRowReader.Field],
        in rows: Span<UInt8>,
        to out: inout RowWriter
    ) throws(CopyRowError) {
        for index in keyFields { try CanonicalField.append(contentKinds[index], rows, fields[index], to: &out) }
    }

    /// A number as bits that sort as it does: the sign flipped, so that negative numbers come first.
    static func ordered(_ value: Int64) -> UInt64 { UInt64(bitPattern: value) ^ 1 << 63 }

    /// Appends the canonical content of the row with these fields: natural key, own columns, `extra`.
    package func appendContent(
        of fields: [CopyRowReader.Field],
        in rows: Span<UInt8>,
        to out: inout RowWriter
    ) throws(CopyRowError) {
        for index in contentKinds.indices {
            try CanonicalField.append(contentKinds[index], rows, fields[index], to: &out)
        }
    }
}

/// One field in its one spelling; a byte ahead of it says whether it is null.
private enum CanonicalField {
    static func append(
        _ kind: Column.Kind,
        _ rows: Span<UInt8>,
        _ field: CopyRowReader.Field,
        to out: inout RowWriter
    ) throws(CopyRowError) {
        guard !field.isNull else {
            out.append(0)
            return
        }
        out.append(1)
        switch kind {
        case .timestamp, .integer:
            guard field.length == 8 else { throw CopyRowError(at: field.start, "\(field.length) bytes, 8 expected") }
            out.append64(RowIdentity.ordered(CopyRowReader.int64(rows, field.start)))
        case .boolean:
            guard field.length == 1, rows[field.start] <= 1 else {
                throw CopyRowError(at: field.start, "not a boolean")
            }
            out.append(rows[field.start])
        case .text:
            for index in field.start..<field.end where rows[index] == 0 {
                throw CopyRowError(at: index, "NUL in text")
            }
            out.append(rows, field.start, field.end)
            out.append(0)
        case .decimal: try appendNumeric(rows, field.start, field.length, to: &out)
        case .decimals: try appendList(rows, field, to: &out)
        case .json: try appendJSON(rows, field, to: &out)
        }
    }

    /// Sign, weight, number of groups, groups: without scale, leading and trailing zero groups.
    private static func appendNumeric(
        _ rows: Span<UInt8>,
        _ start: Int,
        _ length: Int,
        to out: inout RowWriter
    ) throws(CopyRowError) {
        guard length >= 8 else { throw CopyRowError(at: start, "not a numeric") }
        let groups = Int(CopyRowReader.int16(rows, start))
        guard groups >= 0, length == 8 + 2 * groups else { throw CopyRowError(at: start, "not a numeric") }
        let end = start + length
        var first = start + 8
        var last = end
        var weight = CopyRowReader.int16(rows, start + 2)
        while first < last, CopyRowReader.int16(rows, first) == 0 {
            first += 2
            weight &-= 1
        }
        while last > first, CopyRowReader.int16(rows, last - 2) == 0 { last -= 2 }
        // NaN and the infinities have no groups; zero has neither sign nor weight.
        let sign = CopyRowReader.int16(rows, start + 4)
        let isSpecial = sign & ~0x4000 != 0
        let isZero = first == last && !isSpecial
        out.append16(isZero ? 0 : sign)
        out.append16(isZero || isSpecial ? 0 : weight)
        out.append16(Int16(truncatingIfNeeded: (last - first) / 2))
        out.append(rows, first, last)
    }

    /// Number of elements, then each, whether the list is packed, as stored, or a `numeric[]`, as read through a view.
    private static func appendList(
        _ rows: Span<UInt8>,
        _ field: CopyRowReader.Field,
        to out: inout RowWriter
    ) throws(CopyRowError) {
        guard field.length > 0, rows[field.start] == 0 else { return try appendPacked(rows, field, to: &out) }
        try appendArray(rows, field, to: &out)
    }

    private static func appendPacked(
        _ rows: Span<UInt8>,
        _ field: CopyRowReader.Field,
        to out: inout RowWriter
    ) throws(CopyRowError) {
        let list = PackedDecimals.text(rows, field.start, field.end)
        let text = list.storage.span.extracting(0..<list.count)
        let start = out.count
        out.append32(0)
        var number = RowWriter()
        var count = 0
        var position = 0
        while position < text.count {
            // 200,000: more digits than any `numeric` has.
            guard let decimal = DecimalText(startingAt: position, of: text, digits: 200_000),
                decimal.end == text.count || text[decimal.end] == PackedDecimals.comma, decimal.end != text.count - 1
            else { throw CopyRowError(at: field.start, "not a list of decimals") }
            number.removeAll()
            decimal.appendNumeric(text, to: &number)
            out.append(1)
            try appendNumeric(number.storage.span, 0, number.count, to: &out)
            count += 1
            position = decimal.end + 1
        }
        out.patch32(count, at: start)
    }

    /// Lower bounds are not content.
    private static func appendArray(
        _ rows: Span<UInt8>,
        _ field: CopyRowReader.Field,
        to out: inout RowWriter
    ) throws(CopyRowError) {
        guard field.length >= 12 else { throw CopyRowError(at: field.start, "not an array") }
        let dimensions = CopyRowReader.int32(rows, field.start)
        guard dimensions == 0 || (dimensions == 1 && field.length >= 20) else {
            throw CopyRowError(at: field.start, "not an array of one dimension")
        }
        let count = dimensions == 0 ? 0 : Int(CopyRowReader.int32(rows, field.start + 12))
        var position = field.start + (dimensions == 0 ? 12 : 20)
        guard count >= 0, count <= (field.end - position) / 4 else {
            throw CopyRowError(at: field.start, "array cut short")
        }
        out.append32(Int32(truncatingIfNeeded: count))
        for _ in 0..<count {
            guard field.end - position >= 4 else { throw CopyRowError(at: position, "array cut short") }
            let length = Int(CopyRowReader.int32(rows, position))
            position += 4
            guard length >= 0 else {
                out.append(0)
                continue
            }
            guard field.end - position >= length else { throw CopyRowError(at: position, "array cut short") }
            out.append(1)
            try appendNumeric(rows, position, length, to: &out)
            position += length
        }
        guard position == field.end else { throw CopyRowError(at: position, "bytes behind an array") }
    }

    private static func appendJSON(
        _ rows: Span<UInt8>,
        _ field: CopyRowReader.Field,
        to out: inout RowWriter
    ) throws(CopyRowError) {
        guard field.length > 1, rows[field.start] == 1 else {
            throw CopyRowError(at: field.start, "not jsonb, version 1")
        }
        var text: [UInt8] = []
        do throws(DecodeError) {
            try JSONCanonical.stored.append(rows, field.start + 1, field.end, to: &text)
        } catch {
            throw CopyRowError(at: field.start, "not jsonb: \(error)")
        }
        out.append(contentsOf: text)
        out.append(0)
    }
}

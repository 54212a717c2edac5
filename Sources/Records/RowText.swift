/// Turns the fields of a COPY row into text that a person compares: exact numbers, times with their zone.
package struct RowText: Sendable {
    /// One column's value, null as nil.
    package typealias Value = (column: String, text: String?)
    private let columns: [Column]
    private let keyColumns: Set<String>

    package init(type: RecordType) {
        columns = type.contentColumns
        keyColumns = Set(type.keyColumns)
    }

    /// The values of the row that `reader` stands at: those of the natural key, and the others.
    ///
    /// Bytes that are no value of their column's kind are shown in hexadecimal: what is compared may be damaged.
    package func values(_ reader: CopyRowReader, in rows: Span<UInt8>) -> (key: [Value], own: [Value]) {
        let values = columns.indices.map { (columns[$0].name, text($0, reader, rows)) }
        return (values.filter { keyColumns.contains($0.0) }, values.filter { !keyColumns.contains($0.0) })
    }

    private func text(_ index: Int, _ reader: CopyRowReader, _ rows: Span<UInt8>) -> String? {
        let field = reader.fields[index]
        guard !field.isNull else { return nil }
        do throws(CopyRowError) {
            return switch columns[index].kind {
            case .timestamp: try reader.timestamp(index, in: rows)?.description
            case .integer: try reader.integer(index, in: rows)?.description
            case .boolean: try reader.boolean(index, in: rows)?.description
            case .text: reader.text(index, in: rows)
            case .json: reader.text(index, in: rows).map { String($0.dropFirst()) }
            case .decimal: try Self.numeric(rows, field.start, field.length)
            case .decimals: try Self.list(rows, field)
            }
        } catch {
            return "\\x" + (field.start..<field.end).map { Self.padded(String(rows[$0], radix: 16), to: 2) }.joined()
        }
    }

    /// A list as it is stored, or as a view gives it.
    private static func list(_ rows: Span<UInt8>, _ field: CopyRowReader.Field) throws(CopyRowError) -> String {
        guard field.length > 0, rows[field.start] == 0 else {
            return String(decoding: PackedDecimals.text(rows, field.start, field.end).bytes, as: UTF8.self)
        }
        var (position, numbers) = (field.start + 20, [String]())
        while position + 4 <= field.end {
            let length = Int(CopyRowReader.int32(rows, position))
            position += 4
            guard length <= field.end - position else { throw CopyRowError(at: position, "array cut short") }
            numbers.append(length < 0 ? "null" : try numeric(rows, position, length))
            position += max(length, 0)
        }
        return numbers.joined(separator: ",")
    }

    /// Plain digits, as the sender wrote them.
    private static func numeric(_ rows: Span<UInt8>, _ start: Int, _ length: Int) throws(CopyRowError) -> String {
        guard length >= 8, length == 8 + 2 * Int(CopyRowReader.int16(rows, start)) else {
            throw CopyRowError(at: start, "not a numeric")
        }
        let count = (length - 8) / 2
        let weight = Int(CopyRowReader.int16(rows, start + 2))
        let sign = UInt16(bitPattern: CopyRowReader.int16(rows, start + 4))
        let scale = Int(CopyRowReader.int16(rows, start + 6))
        guard sign == 0 || sign == 0x4000 else {
            return [0xC000: "NaN", 0xD000: "Infinity", 0xF000: "-Infinity"][sign] ?? "\(sign)"
        }
        // A damaged weight or scale must not make us write 30,000 zeros.
        guard abs(weight) <= 64, 0...256 ~= scale else { throw CopyRowError(at: start, "not a number of ours") }
        func group(_ power: Int) -> String {
            let index = weight - power
            return padded(0..<count ~= index ? "\(CopyRowReader.int16(rows, start + 8 + 2 * index))" : "0", to: 4)
        }
        let whole = stride(from: max(weight, 0), through: 0, by: -1).map(group).joined().drop { $0 == "0" }
        let fraction = (0..<(scale + 3) / 4).map { group(-1 - $0) }.joined().prefix(scale)
        return (sign == 0 ? "" : "-") + (whole.isEmpty ? "0" : whole) + (fraction.isEmpty ? "" : "." + fraction)
    }

    private static func padded(_ digits: String, to count: Int) -> String {
        String(repeating: "0", count: max(count - digits.utf8.count, 0)) + digits
    }
}

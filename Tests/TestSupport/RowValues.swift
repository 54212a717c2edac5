package import Records

/// The fields of one COPY row as values that a test can compare.
package struct RowValues: Sendable {
    package enum Value: Hashable, Sendable {
        case null
        case text(String)
        case integer(Int64)
        /// Plain digits without exponent or needless zeros.
        case decimal(String)
        case decimals([String])
        case boolean(Bool)
        case timestamp(Timestamp)
        case json(String)
    }

    private let values: [String: Value]

    package subscript(column: String) -> Value { values[column] ?? .null }

    /// Every row of a chunk, in order.
    package static func all(_ rows: [UInt8], of type: RecordType) throws -> [RowValues] {
        var reader = CopyRowReader(type: type)
        var result: [RowValues] = []
        while try reader.next(in: rows.span) { result.append(try RowValues(reader, rows, type)) }
        return result
    }

    private init(_ reader: CopyRowReader, _ rows: [UInt8], _ type: RecordType) throws {
        var values: [String: Value] = [:]
        for (index, column) in type.allColumns.enumerated() where !reader.fields[index].isNull {
            let field = reader.fields[index]
            let bytes = Array(rows[field.start..<field.end])
            switch column.kind {
            case .timestamp: values[column.name] = try reader.timestamp(index, in: rows.span).map { .timestamp($0) }
            case .integer: values[column.name] = try reader.integer(index, in: rows.span).map { .integer($0) }
            case .boolean: values[column.name] = try reader.boolean(index, in: rows.span).map { .boolean($0) }
            case .text: values[column.name] = .text(String(decoding: bytes, as: UTF8.self))
            case .json: values[column.name] = .json(String(decoding: bytes.dropFirst(), as: UTF8.self))
            case .decimal: values[column.name] = .decimal(Self.decimal(bytes))
            case .decimals: values[column.name] = .decimals(Self.decimals(bytes))
            }
        }
        self.values = values
    }

    private static func int16(_ bytes: [UInt8], _ offset: Int) -> Int {
        Int(Int16(truncatingIfNeeded: Int(bytes[offset]) << 8 | Int(bytes[offset + 1])))
    }

    private static func int32(_ bytes: [UInt8], _ offset: Int) -> Int {
        Int(Int32(truncatingIfNeeded: int16(bytes, offset) << 16 | int16(bytes, offset + 2) & 0xFFFF))
    }

    /// The bytes of a `numeric` as text.
    private static func decimal(_ bytes: [UInt8]) -> String {
        let groups = (0..<int16(bytes, 0)).map { int16(bytes, 8 + 2 * $0) }
        let weight = int16(bytes, 2)
        let scale = int16(bytes, 6)
        func group(_ power: Int) -> String {
            let index = weight - power
            let digits = String(groups.indices.contains(index) ? groups[index] : 0)
            return String(repeating: "0", count: 4 - digits.count) + digits
        }
        let whole = stride(from: max(weight, 0), through: 0, by: -1).map(group).joined().drop { $0 == "0" }
        let fraction = (0..<(scale + 3) / 4).map { group(-1 - $0) }.joined().prefix(scale)
        let sign = int16(bytes, 4) == 0x4000 ? "-" : ""
        return sign + (whole.isEmpty ? "0" : whole) + (fraction.isEmpty ? "" : "." + fraction)
    }

    /// A list as it is stored, each character by its low half, or as a view gives it, a `numeric[]`.
    package static func decimals(_ bytes: [UInt8]) -> [String] {
        guard bytes.first == 0 else {
            let halves = bytes.flatMap { [Int($0 >> 4), Int($0 & 15)] }
            let text = halves.map { ["c": ",", "d": "-", "e": ".", "f": ""][String($0, radix: 16)] ?? "\($0)" }.joined()
            return text.split(separator: ",").map(String.init)
        }
        guard int32(bytes, 0) == 1 else { return [] }
        var position = 20
        return (0..<int32(bytes, 12)).map { _ in
            let length = int32(bytes, position)
            position += 4 + length
            return decimal(Array(bytes[position - length..<position]))
        }
    }
}

package import Records

/// The columns of a segment table, derived from a record type: what the encoder writes and what SQL reads.
///
/// Of a vector of n numbers, `<name>_base` and the planes `<name>` are kept: number i is the base plus, for each plane,
/// its byte i, the highest plane first. No planes means that all are the base. `<name>_null` is what the planes alone
/// say where a value is null.
package enum SegmentShape {
    /// What `format` says; it rises when the columns come to mean something else.
    package static let format: Int16 = 1

    /// A column of a segment table: its name and its type in SQL.
    package struct Part: Hashable, Sendable {
        package let name: String
        package let sqlType: String

        init(_ name: String, _ sqlType: String) { (self.name, self.sqlType) = (name, sqlType) }
    }

    /// Every column of the segment table, in the order of every COPY: the header, `ts`, then column by column.
    package static func parts(_ type: RecordType) -> [Part] {
        let header = [
            Part("exchange", "text COLLATE \"C\" NOT NULL"), Part("market_type", "text COLLATE \"C\" NOT NULL"),
            Part("symbol", "text COLLATE \"C\" NOT NULL"), Part("ts_min", "timestamptz NOT NULL"),
            Part("ts_max", "timestamptz NOT NULL"), Part("rows", "integer NOT NULL"), Part("digest", "text NOT NULL"),
            Part("format", "smallint NOT NULL"), Part("ts_base", "bigint NOT NULL"), Part("ts_unit", "bigint NOT NULL"),
            Part("ts", "bytea"),
        ]
        return header + packedColumns(type).flatMap(parts)
    }

    /// The columns that are not part of the header, in the order of the view.
    package static func packedColumns(_ type: RecordType) -> [Column] {
        Array(type.allColumns.dropFirst(RecordType.leading.count))
    }

    /// Whether values that fit are kept as numbers.
    package static func isNumeric(_ kind: Column.Kind) -> Bool { kind != .json }
    /// Whether values may be kept as their text.
    package static func mayBeText(_ kind: Column.Kind) -> Bool { kind != .boolean }

    private static func parts(_ column: Column) -> [Part] {
        let name = column.name
        var parts: [Part] = []
        if column.kind == .decimals {
            parts = [
                Part("\(name)_levels", "integer"), Part("\(name)_base", "bigint"), Part("\(name)_unit", "numeric"),
                Part(name, "bytea"), Part("\(name)_end_step", "bigint"), Part("\(name)_end_base", "bigint"),
                Part("\(name)_end", "bytea"),
            ]
        } else if isNumeric(column.kind) {
            parts = [Part("\(name)_base", "bigint"), Part("\(name)_null", "bigint"), Part(name, "bytea")]
            switch column.kind {
            case .timestamp: parts.append(Part("\(name)_unit", "bigint"))
            case .decimal: parts.append(Part("\(name)_unit", "numeric"))
            default: break
            }
        }
        guard mayBeText(column.kind) else { return parts }
        return parts + [
            Part("\(name)_text", "bytea"), Part("\(name)_start_base", "bigint"), Part("\(name)_start", "bytea"),
            Part("\(name)_length_base", "bigint"), Part("\(name)_length_null", "bigint"),
            Part("\(name)_length", "bytea"),
        ]
    }
}

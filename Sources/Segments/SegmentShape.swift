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
        return header + packs(type).flatMap(parts)
    }

    /// Columns whose values stand in one vector, those of a row side by side.
    ///
    /// Bids and asks go together: then a short segment has one long vector of prices, which compresses where two short
    /// ones do not. All else is alone.
    package struct Pack: Sendable {
        package let name: String
        package let columns: [Column]

        package var kind: Column.Kind { columns[0].kind }
    }

    package static func packs(_ type: RecordType) -> [Pack] {
        let lists = packedColumns(type).filter { $0.kind == .decimals }
        var packs: [Pack] = []
        for column in packedColumns(type) {
            let sides = lists.filter { column.kind == .decimals && told($0) == told(column) }
            if sides.count < 2 {
                packs.append(Pack(name: column.name, columns: [column]))
            } else if sides.first?.name == column.name {
                let name = sides.dropLast().map { $0.name.prefix { $0 != "_" } + "_" }.joined()
                packs.append(Pack(name: name + sides[sides.count - 1].name, columns: sides))
            }
        }
        return packs
    }

    /// What a list tells of its side of a book: `_price` of `bid_price`.
    private static func told(_ column: Column) -> Substring { column.name.drop { $0 != "_" } }

    /// The columns that are not part of the header, in the order of the view.
    package static func packedColumns(_ type: RecordType) -> [Column] {
        Array(type.allColumns.dropFirst(RecordType.leading.count))
    }

    /// Whether values that fit are kept as numbers.
    package static func isNumeric(_ kind: Column.Kind) -> Bool { kind != .json }
    /// Whether values may be kept as their text.
    package static func mayBeText(_ kind: Column.Kind) -> Bool { kind != .boolean }

    private static func parts(_ pack: Pack) -> [Part] {
        let name = pack.name
        let parts = numberParts(pack)
        guard mayBeText(pack.kind) else { return parts }
        return parts + [
            Part("\(name)_text", "bytea"), Part("\(name)_start_base", "bigint"), Part("\(name)_start", "bytea"),
            Part("\(name)_length_base", "bigint"), Part("\(name)_length_null", "bigint"),
            Part("\(name)_length", "bytea"),
        ]
    }

    /// What is null where values are kept as their text.
    static func numberParts(_ pack: Pack) -> [Part] {
        let name = pack.name
        let vector = [Part("\(name)_base", "bigint"), Part("\(name)_null", "bigint"), Part(name, "bytea")]
        return switch pack.kind {
        case .json: []
        case .integer, .boolean: vector
        case .text: vector + [Part("\(name)_words", "text[]")]
        case .timestamp: vector + [Part("\(name)_unit", "bigint")]
        case .decimal: vector + [Part("\(name)_unit", "numeric")]
        case .decimals:
            [
                Part("\(name)_levels", "integer"), Part("\(name)_base", "bigint"), Part("\(name)_unit", "numeric"),
                Part(name, "bytea"), Part("\(name)_paired", "boolean"),
            ] + pack.columns.map { Part("\($0.name)_sign", "smallint") } + [
                Part("\(name)_first_base", "bigint"), Part("\(name)_first", "bytea"),
                Part("\(name)_end_step", "bigint"), Part("\(name)_end_base", "bigint"), Part("\(name)_end", "bytea"),
            ]
        }
    }
}

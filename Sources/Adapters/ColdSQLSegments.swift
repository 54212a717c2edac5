import Records
import Segments

/// The tables of segments, and what reads them as rows.
extension ColdSQL {
    static func segments(_ type: RecordType) -> String { "thermocline_store.segment_\(type.name)" }
    static func rowType(_ type: RecordType) -> String { "thermocline_store.\(type.name)_row" }
    static func rows(_ type: RecordType) -> String { "thermocline.\(type.name)" }
    /// Rows of a range, of segments and plain ones, as readers see them, to follow FROM.
    static func readRows(_ type: RecordType, _ range: TimeRange) -> String {
        readRows(type, "'\(range.start)'", "'\(range.end)'")
    }
    static func readRows(_ type: RecordType, _ start: String, _ end: String) -> String {
        "\(rows(type))(\(start), \(end))"
    }
    /// What turns a row as readers see it into one as a table stores it.
    static func storedColumns(_ type: RecordType) -> String {
        type.allColumns.map { column in
            column.kind == .decimals ? "thermocline_store.packed(\(column.name)) AS \(column.name)" : column.name
        }.joined(separator: ", ")
    }

    /// Whether the tables of segments are there.
    static let hasSegments = "SELECT to_regclass('thermocline_store.segment_view') IS NOT NULL"

    static func segmentSchema(_ types: [RecordType]) -> [String] {
        [
            numberInPlanes, numberAt, pack,
            """
            CREATE TABLE IF NOT EXISTS thermocline_store.segment_view (
                type text PRIMARY KEY,
                definition text NOT NULL,
                format text
            )
            """,
            packing,
        ] + types.flatMap(segmentSchema) + types.flatMap { view($0, months: []) }
    }

    private static func segmentSchema(_ type: RecordType) -> [String] {
        let parts = SegmentShape.parts(type).map { part in
            // What compresses best, whatever the server's default is.
            "    \(part.name) \(part.sqlType)" + (part.sqlType == "bytea" ? " COMPRESSION pglz" : "")
        }
        let columns = type.allColumns.map { "\($0.name) \(readableType($0))" }.joined(separator: ", ")
        let (table, name) = (segments(type), "segment_\(type.name)")
        return [
            """
            CREATE TABLE IF NOT EXISTS \(table) (
            \(parts.joined(separator: ",\n")),
                CONSTRAINT \(name)_rows CHECK (rows > 0),
                CONSTRAINT \(name)_times CHECK (ts_max >= ts_min AND ts_max - ts_min < interval '\(longest(type))')
            )
            """,
            "CREATE UNIQUE INDEX IF NOT EXISTS \(name)_key ON \(table) (exchange, market_type, symbol, ts_min)",
            "CREATE INDEX IF NOT EXISTS \(name)_time ON \(table) USING brin (ts_min, ts_max)",
            // CREATE TYPE knows no IF NOT EXISTS.
            """
            DO $$ BEGIN
                IF to_regtype('\(rowType(type))') IS NULL THEN CREATE TYPE \(rowType(type)) AS (\(columns)); END IF;
            END $$
            """,
            """
            CREATE OR REPLACE FUNCTION \(rows(type))(lo timestamptz, hi timestamptz) RETURNS SETOF \(rowType(type))
            LANGUAGE sql STABLE PARALLEL SAFE BEGIN ATOMIC
            \(decoded(type))
            UNION ALL
            SELECT \(TierSQL.readableColumns(type)) FROM \(TierSQL.table(type)) WHERE ts >= lo AND ts < hi;
            END
            """,
            """
            CREATE OR REPLACE VIEW thermocline.\(type.name)_segments AS
            SELECT exchange, market_type, symbol, ts_min, ts_max, rows, digest, format FROM \(table)
            """,
            month(type),
        ]
    }

    private static func readableType(_ column: Column) -> String {
        column.kind == .decimals ? "numeric[]" : TierSQL.sqlType(column)
    }

    /// No segment reaches over the border of a partition, so this bounds how far before a time it may begin.
    private static func longest(_ type: RecordType) -> String { type.partition == .day ? "24 hours" : "744 hours" }

    // MARK: Decoding

    /// Number `i` (from 0) of the `n` that stand in planes of bytes, the highest plane first; 0 where there are none.
    ///
    /// One to four planes, which nearly all columns have, are read in line.
    private static let numberAt = """
        CREATE OR REPLACE FUNCTION thermocline_store.number_at(planes bytea, n integer, i integer) RETURNS bigint
        LANGUAGE sql IMMUTABLE PARALLEL SAFE
        RETURN CASE length(planes) / n
            WHEN 1 THEN get_byte(planes, i)
            WHEN 2 THEN get_byte(planes, i) * 256 + get_byte(planes, n + i)
            WHEN 3 THEN get_byte(planes, i) * 65536 + get_byte(planes, n + i) * 256 + get_byte(planes, 2 * n + i)
            WHEN 4 THEN get_byte(planes, i) * 16777216::bigint + (get_byte(planes, n + i) * 65536
                + get_byte(planes, 2 * n + i) * 256 + get_byte(planes, 3 * n + i))
            ELSE coalesce(thermocline_store.number_in_planes(planes, n, i), 0)
        END
        """
    private static let numberInPlanes = """
        CREATE OR REPLACE FUNCTION thermocline_store.number_in_planes(planes bytea, n integer, i integer) RETURNS bigint
        LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
        DECLARE
            number bigint := 0;
        BEGIN
            FOR plane IN 0..length(planes) / n - 1 LOOP
                number := number << 8 | get_byte(planes, plane * n + i);
            END LOOP;
            RETURN number;
        END $$
        """
    /// A list of decimals as hot stores it: what `thermocline_store.decimals` turns back.
    private static let pack = """
        CREATE OR REPLACE FUNCTION thermocline_store.packed(list numeric[]) RETURNS bytea
        LANGUAGE sql IMMUTABLE PARALLEL SAFE
        RETURN CASE WHEN list IS NOT NULL THEN (
            SELECT decode(CASE WHEN length(t) % 2 = 1 THEN t || 'f' ELSE t END, 'hex')
            FROM (SELECT translate(array_to_string(ARRAY(SELECT trim_scale(e) FROM unnest(list) e), ','), ',.-', 'ced'))
                AS text (t)) END
        """

    /// Each column is taken out of TOAST once a segment, and only where a query names it.
    ///
    /// `source` has the columns of the segment table.
    static func decoded(_ type: RecordType, from source: String? = nil) -> String {
        let columns = SegmentShape.packedColumns(type)
        let blobs = SegmentShape.parts(type).filter { $0.sqlType == "bytea" && $0.name != "ts" }.map(\.name)
        let values = columns.map { "    \(value($0)) AS \($0.name)" }.joined(separator: ",\n")
        return """
            SELECT x.ts, s.exchange, s.market_type, s.symbol,
            \(values)
            FROM \(source ?? segments(type)) s
            CROSS JOIN LATERAL (
                SELECT \(blobs.map { "s.\($0) || ''::bytea AS \($0)" }.joined(separator: ", ")) OFFSET 0
            ) d
            CROSS JOIN LATERAL (
                SELECT i, timestamptz 'epoch' + (s.ts_base + \(number("p", "ts", "i"))) * s.ts_unit
                    * interval '1 microsecond' AS ts
                FROM (SELECT s.ts || ''::bytea AS ts OFFSET 0) p, generate_series(0, s.rows - 1) i OFFSET 0
            ) x
            WHERE s.ts_max >= lo AND s.ts_min < hi AND s.ts_min > lo - interval '\(longest(type))'
                AND x.ts >= lo AND x.ts < hi
            """
    }

    private static func number(_ alias: String, _ name: String, _ index: String, of rows: String = "rows") -> String {
        "thermocline_store.number_at(\(alias).\(name), s.\(rows), \(index))"
    }

    private static func value(_ column: Column) -> String {
        let name = column.name
        guard column.kind != .decimals else { return list(name) }
        let number = "(s.\(name)_base + nullif(\(number("d", name, "x.i")), s.\(name)_null))"
        let text = "\(text(name))::\(TierSQL.sqlType(column).replacing(" COLLATE \"C\"", with: ""))"
        return switch column.kind {
        case .integer: "coalesce(\(number), \(text))"
        case .boolean: "\(number) = 1"
        case .decimal: "coalesce(\(number) * s.\(name)_unit, \(text))"
        case .text: "coalesce(\(number)::text, \(text))"
        case .timestamp:
            "coalesce(timestamptz 'epoch' + \(number) * s.\(name)_unit * interval '1 microsecond', \(text))"
        case .json, .decimals: text
        }
    }

    /// The text of row `x.i`, null where it has none.
    private static func text(_ name: String) -> String {
        let start = "1 + s.\(name)_start_base + \(number("d", "\(name)_start", "x.i"))"
        let length =
            "s.\(name)_length_base + nullif(\(number("d", "\(name)_length", "x.i")), s.\(name)_length_null)"
        return "convert_from(substring(d.\(name)_text FROM (\(start))::int FOR (\(length))::int), 'UTF8')"
    }

    private static func list(_ name: String) -> String {
        func end(_ index: String) -> String {
            "s.\(name)_end_step * (\(index) + 1) + s.\(name)_end_base + \(number("d", "\(name)_end", index))"
        }
        return """
            CASE WHEN s.\(name)_levels IS NOT NULL THEN ARRAY(
                SELECT (s.\(name)_base + \(number("d", name, "j::int", of: "\(name)_levels"))) * s.\(name)_unit
                FROM generate_series(CASE x.i WHEN 0 THEN 0 ELSE \(end("x.i - 1")) END, \(end("x.i")) - 1) j)
            ELSE ('{' || \(text(name)) || '}')::numeric[] END
            """
    }
}

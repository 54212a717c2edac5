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
            withoutJIT, numberInPlanes, numberAt, numberPaired, textAt, pack,
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

    /// Compiling what decodes a query's segments takes seconds, running it milliseconds; readers get this too.
    ///
    /// Who does not own the database may not say so.
    private static let withoutJIT = """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_database
                WHERE datname = current_database() AND pg_has_role(datdba, 'MEMBER')) THEN
                EXECUTE format('ALTER DATABASE %I SET jit = off', current_database());
            END IF;
        END $$
        """

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
    /// The same where the two lowest bytes of each number stand side by side behind the other planes.
    private static let numberPaired = """
        CREATE OR REPLACE FUNCTION thermocline_store.number_paired(planes bytea, n integer, i integer) RETURNS bigint
        LANGUAGE sql IMMUTABLE PARALLEL SAFE
        RETURN CASE length(planes) / n
            WHEN 2 THEN get_byte(planes, 2 * i) * 256 + get_byte(planes, 2 * i + 1)
            WHEN 3 THEN get_byte(planes, i) * 65536 + get_byte(planes, n + 2 * i) * 256
                + get_byte(planes, n + 2 * i + 1)
            ELSE thermocline_store.number_in_planes(substring(planes FOR length(planes) - 2 * n), n, i) << 16
                | get_byte(planes, length(planes) - 2 * (n - i)) * 256
                | get_byte(planes, length(planes) - 2 * (n - i) + 1)
        END
        """
    /// Text `i` of the `n` that stand in `texts`; not put in line, for it is rarely needed and would be planned always.
    private static let textAt = """
        CREATE OR REPLACE FUNCTION thermocline_store.text_at(texts bytea, starts bytea, start_base bigint,
            lengths bytea, length_base bigint, length_null bigint, n integer, i integer) RETURNS text
        LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
        BEGIN
            RETURN convert_from(substring(texts FROM (1 + start_base + thermocline_store.number_at(starts, n, i))::int
                FOR (length_base + nullif(thermocline_store.number_at(lengths, n, i), length_null))::int), 'UTF8');
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
        let toasted = SegmentShape.parts(type).compactMap { part -> String? in
            guard part.name != "ts", let nothing = ["bytea": "''", "text[]": "'{}'"][part.sqlType] else { return nil }
            return "s.\(part.name) || \(nothing)::\(part.sqlType) AS \(part.name)"
        }
        let values = columns.map { "    \(value($0, type)) AS \($0.name)" }.joined(separator: ",\n")
        return """
            SELECT x.ts, s.exchange, s.market_type, s.symbol,
            \(values)
            FROM \(source ?? segments(type)) s
            CROSS JOIN LATERAL (
                SELECT \(toasted.joined(separator: ", ")) OFFSET 0
            ) d
            CROSS JOIN LATERAL (
                SELECT i, \(time("(s.ts_base + \(number("p", "ts", "i"))) * s.ts_unit")) AS ts
                FROM (SELECT s.ts || ''::bytea AS ts OFFSET 0) p, generate_series(0, s.rows - 1) i OFFSET 0
            ) x
            WHERE s.ts_max >= lo AND s.ts_min < hi AND s.ts_min > lo - interval '\(longest(type))'
                AND x.ts >= lo AND x.ts < hi
            """
    }

    /// Exact for the years of `ColumnPacker.exactMicros`.
    private static func time(_ micros: String) -> String { "to_timestamp(\(micros) / 1000000::float8)" }

    /// Number `index` of `count` that stand in a vector.
    private static func number(_ alias: String, _ name: String, _ index: String, of count: String = "s.rows") -> String
    {
        "thermocline_store.number_at(\(alias).\(name), \(count), \(index))"
    }

    private static func value(_ column: Column, _ type: RecordType) -> String {
        let name = column.name
        guard column.kind != .decimals else { return list(column, type) }
        let number = "(s.\(name)_base + nullif(\(number("d", name, "x.i")), s.\(name)_null))"
        let text = "(\(text(name)))::\(TierSQL.sqlType(column).replacing(" COLLATE \"C\"", with: ""))"
        return switch column.kind {
        case .integer: "coalesce(\(number), \(text))"
        case .boolean: "\(number) = 1"
        case .decimal: "coalesce(\(number) * s.\(name)_unit, \(text))"
        case .text:
            """
            coalesce(CASE WHEN s.\(name)_words IS NULL THEN \(number)::text ELSE d.\(name)_words[\(number)] END,
                \(text))
            """
        case .timestamp:
            "coalesce(\(time("\(number) * s.\(name)_unit")), \(text))"
        case .json, .decimals: text
        }
    }

    /// Text `index` of `count`, null where there is none.
    private static func text(_ name: String, _ index: String = "x.i", of count: String = "s.rows") -> String {
        """
        CASE WHEN s.\(name)_text IS NOT NULL THEN thermocline_store.text_at(
            d.\(name)_text, d.\(name)_start, s.\(name)_start_base, d.\(name)_length, s.\(name)_length_base,
            s.\(name)_length_null, \(count), \(index)) END
        """
    }

    /// A list of row `x.i`; the lists of a row that go together stand side by side.
    private static func list(_ column: Column, _ type: RecordType) -> String {
        guard let pack = SegmentShape.packs(type).first(where: { $0.columns.contains(column) }),
            let place = pack.columns.firstIndex(of: column)
        else { return "NULL" }
        let (name, lists) = (pack.name, pack.columns.count)
        let (count, index) = ("\(lists) * s.rows", "\(lists) * x.i + \(place)")
        func end(_ index: String) -> String {
            "s.\(name)_end_step * (\(index) + 1) + s.\(name)_end_base + \(number("d", "\(name)_end", index, of: count))"
        }
        let before = end("\(index) - 1")
        let start = place > 0 ? before : "CASE x.i WHEN 0 THEN 0 ELSE \(before) END"
        // In a list of columns it is not kept aside, as it would be in FROM.
        let levels = "(SELECT generate_series((\(start))::int, (\(end(index)) - 1)::int) AS j) j"
        let element = number("d", name, "j", of: "s.\(name)_levels")
        let paired = element.replacing("number_at", with: "number_paired")
        let first = number("d", "\(name)_first", index, of: count)
        return """
            CASE WHEN s.\(name)_levels IS NULL THEN ('{' || (\(text(name, index, of: count))) || '}')::numeric[]
            WHEN s.\(column.name)_sign IS NOT NULL THEN ARRAY(
                SELECT ((SELECT s.\(name)_first_base + \(first))
                    + s.\(column.name)_sign * sum((\(element))::int) OVER (ROWS UNBOUNDED PRECEDING)) * s.\(name)_unit
                FROM \(levels))
            WHEN s.\(name)_paired THEN ARRAY(SELECT (s.\(name)_base + \(paired)) * s.\(name)_unit FROM \(levels))
            ELSE ARRAY(SELECT (s.\(name)_base + \(element)) * s.\(name)_unit FROM \(levels)) END
            """
    }
}

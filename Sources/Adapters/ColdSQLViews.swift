import Records

/// The views over segments: a query that bounds `ts` plans, opens and decodes the days that it asks for alone.
///
/// PostgreSQL does not conclude from `ts >= X` what a segment's header must say, but it leaves out members of a UNION
/// ALL whose bounds contradict the query's. So a view is a list of months, each put in line only where it is wanted;
/// of types with a partition a day the newest list their days in turn. To plan a day takes milliseconds and megabytes,
/// and a query without bounds plans all of them, so that not every month can. The list covers all of time, whatever
/// months there are in it: an old one costs speed.
extension ColdSQL {
    /// Months at the end of the list that list their days.
    private static let monthsOfDays = 3

    /// Makes the view anew and notes what it is; first months of UTC, ascending.
    static func view(_ type: RecordType, months: [TimeRange]) -> [String] {
        var (branches, start) = ([String](), "-infinity")
        let days = type.partition == .day ? months.suffix(monthsOfDays) : []
        for month in months {
            let (from, to) = (month.start.description, month.end.description)
            if start != from { branches.append(branch(type, "\(rows(type))('\(start)', '\(from)')", start, from)) }
            let seconds = (month.start.micros / 1_000_000, month.end.micros / 1_000_000)
            let source =
                days.contains(month)
                ? "\(monthName(type))(\(seconds.0), \(seconds.1))" : "\(rows(type))('\(from)', '\(to)')"
            branches.append(branch(type, source, from, to))
            start = to
        }
        branches.append(branch(type, "\(rows(type))('\(start)', 'infinity')", start, "infinity"))
        return [
            "CREATE OR REPLACE VIEW \(TierSQL.view(type)) AS \(branches.joined(separator: "\nUNION ALL "))",
            TierSQL.namesSchemas, recordDefinition(type), "SET LOCAL search_path TO DEFAULT",
        ]
    }

    private static func branch(_ type: RecordType, _ source: String, _ start: String, _ end: String) -> String {
        branch(type, source, from: "'\(start)'", to: "'\(end)'")
    }

    /// The member without rows makes the other one a member of a UNION ALL, which is looked at only if it is needed.
    private static func branch(_ type: RecordType, _ source: String, from: String, to: String) -> String {
        """
        SELECT \(TierSQL.columns(type.allColumns)) FROM (
            SELECT * FROM \(source) r WHERE true
            UNION ALL SELECT \(TierSQL.readableColumns(type)) FROM \(TierSQL.table(type)) WHERE false
        ) b WHERE ts >= \(from) AND ts < \(to)
        """
    }

    private static func monthName(_ type: RecordType) -> String { "thermocline_store.\(type.name)_month" }

    /// Seconds since 1970, because `to_timestamp` is computed when a query is planned.
    static func month(_ type: RecordType) -> String {
        let days = (0..<31).map { day in
            let from = "to_timestamp(start + \(day) * 86400.0::float8)"
            let to = "to_timestamp(least(stop, start + \(day + 1) * 86400.0::float8))"
            return branch(type, "\(rows(type))(\(from), \(to))", from: from, to: to)
        }
        return """
            CREATE OR REPLACE FUNCTION \(monthName(type))(start float8, stop float8) RETURNS SETOF \(rowType(type))
            LANGUAGE sql STABLE PARALLEL SAFE BEGIN ATOMIC
            \(days.joined(separator: "\nUNION ALL "));
            END
            """
    }

    // MARK: Drift

    /// What the view and the function were when they were made: drift is anything else.
    private static func recordDefinition(_ type: RecordType) -> String {
        """
        INSERT INTO thermocline_store.segment_view VALUES ('\(type.name)', \(definition(type)))
        ON CONFLICT (type) DO UPDATE SET definition = excluded.definition
        """
    }

    /// Read with an empty search path, so that it names schemas.
    private static func definition(_ type: RecordType) -> String {
        """
        md5(pg_get_viewdef(to_regclass('\(TierSQL.view(type))'))
            || pg_get_functiondef(to_regprocedure('\(rows(type))(timestamptz, timestamptz)'))
            || (SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
                FROM pg_attribute WHERE attrelid = to_regclass('\(segments(type))') AND attnum > 0))
        """
    }
    static func unchangedViews(_ types: [RecordType]) -> String {
        let definitions = types.map { "('\($0.name)', \(definition($0)))" }.joined(separator: ", ")
        return """
            SELECT v.type FROM thermocline_store.segment_view v JOIN (VALUES \(definitions)) AS now (type, definition)
            USING (type) WHERE v.definition = now.definition
            """
    }
    /// With the view goes what it reads, for a column of the tables is in its way.
    static func dropView(_ type: RecordType) -> String {
        "\(TierSQL.dropView(type)) DROP FUNCTION IF EXISTS \(monthName(type))(float8, float8); "
            + "DROP FUNCTION IF EXISTS \(rows(type))(timestamptz, timestamptz);"
    }
}

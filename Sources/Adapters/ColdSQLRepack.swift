import Postgres
import Records
import Segments

/// What writes segments: copied in, made of plain rows that came later, and turned back into plain rows.
extension ColdSQL {
    static func copySegments(_ type: RecordType) -> String {
        "COPY \(segments(type)) (\(SegmentShape.parts(type).map(\.name).joined(separator: ", "))) "
            + "FROM STDIN (FORMAT binary)"
    }

    /// Keeps apart those who write segments of one partition; blocks neither readers nor writers of rows.
    static func lockPartition(_ partition: Partition) -> String {
        "LOCK TABLE thermocline_store.\(partition.name) IN SHARE UPDATE EXCLUSIVE MODE"
    }
    /// Whether nothing but so many segments is in a range.
    static func holdsOnly(_ count: Int, _ type: RecordType, _ range: TimeRange) -> String {
        """
        SELECT count(*) = \(count) AND NOT EXISTS (SELECT FROM \(TierSQL.table(type)) WHERE \(TierSQL.inRange(range)))
        FROM \(segments(type)) WHERE \(overlaps(range))
        """
    }
    static func overlaps(_ range: TimeRange) -> String {
        "ts_max >= '\(range.start)' AND ts_min < '\(range.end)'"
    }

    /// What has to be packed together so that the plain rows of a range are in segments: series, first and last time,
    /// and number of rows.
    ///
    /// A row belongs to the last segment of its series that begins before it, else to the first one.
    static func islands(_ type: RecordType, _ range: TimeRange) -> String {
        let series = "exchange, market_type, symbol"
        return """
            SELECT \(series), \(TierSQL.micros("min(lo)")), \(TierSQL.micros("max(hi)")), sum(rows) FROM (
                SELECT *, greatest(1, sum(starts) OVER (PARTITION BY \(series) ORDER BY lo, is_plain
                    ROWS UNBOUNDED PRECEDING)) AS place
                FROM (
                    SELECT \(series), ts_min AS lo, ts_max AS hi, rows, 1 AS starts, false AS is_plain
                    FROM \(segments(type)) WHERE \(overlaps(range))
                    UNION ALL
                    SELECT \(series), ts, ts, 1, 0, true FROM \(TierSQL.table(type)) WHERE \(TierSQL.inRange(range))
                ) AS each
            ) AS placed
            GROUP BY \(series), place HAVING bool_or(is_plain) ORDER BY 4, 1, 2, 3
            """
    }

    static func readIsland(_ type: RecordType, _ series: [String], _ range: TimeRange) -> String {
        "COPY (SELECT \(storedColumns(type)) FROM \(readRows(type, range)) WHERE \(isOf(series)) ORDER BY ts) "
            + "TO STDOUT (FORMAT binary)"
    }
    static func readIslandBack(_ type: RecordType, _ series: [String], _ range: TimeRange) -> String {
        "COPY (SELECT \(TierSQL.columns(type.contentColumns)) FROM \(readRows(type, range)) WHERE \(isOf(series))) "
            + "TO STDOUT (FORMAT binary)"
    }
    /// Answers with the number of rows that went.
    static func deleteIsland(_ type: RecordType, _ series: [String], _ range: TimeRange) -> String {
        """
        WITH packed AS (
            DELETE FROM \(segments(type))
            WHERE \(isOf(series)) AND ts_min >= '\(range.start)' AND ts_max < '\(range.end)' RETURNING rows
        ), plain AS (
            DELETE FROM \(TierSQL.table(type)) WHERE \(isOf(series)) AND \(TierSQL.inRange(range)) RETURNING 1
        )
        SELECT (SELECT coalesce(sum(rows), 0) FROM packed) + (SELECT count(*) FROM plain)
        """
    }
    static func isOf(_ series: [String]) -> String {
        zip(["exchange", "market_type", "symbol"], series).map { "\($0) = \(SQLText.literal($1))" }
            .joined(separator: " AND ")
    }

    /// Turns segments that reach over the ends of a range into plain rows.
    static func unpackCrossing(_ type: RecordType, _ range: TimeRange) -> String {
        unpack(
            type,
            "\(overlaps(range)) AND NOT (ts_min >= '\(range.start)' AND ts_max < '\(range.end)')"
        )
    }
    static func unpack(_ type: RecordType, _ condition: String) -> String {
        let columns = TierSQL.columns(type.allColumns)
        let gone = "(SELECT *, '-infinity'::timestamptz AS lo, 'infinity'::timestamptz AS hi FROM gone)"
        return """
            WITH gone AS (DELETE FROM \(segments(type)) WHERE \(condition) RETURNING *)
            INSERT INTO \(TierSQL.table(type)) (\(columns))
            SELECT \(storedColumns(type)) FROM (
            \(decoded(type, from: gone))
            ) AS rows
            ON CONFLICT (\(type.keyColumns.joined(separator: ", "))) DO NOTHING
            """
    }
    static func deleteSegments(_ type: RecordType, _ range: TimeRange) -> String {
        "DELETE FROM \(segments(type)) WHERE \(overlaps(range))"
    }
}

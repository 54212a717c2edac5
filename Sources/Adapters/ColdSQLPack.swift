import Postgres
import Records
import Segments

/// What brings partitions into `cold.format`, and knows which of them wait for it.
extension ColdSQL {
    // MARK: What waits

    /// A partition is in it from the transaction that gave it something to pack to the one that packed the last of it.
    static let packing = """
        CREATE TABLE IF NOT EXISTS thermocline_store.packing (
            type text COLLATE "C" NOT NULL,
            range_start timestamptz NOT NULL,
            range_end timestamptz NOT NULL,
            due timestamptz NOT NULL,
            PRIMARY KEY (type, range_start)
        )
        """
    /// $1 = type, $2, $3 = starts and ends of partitions.
    static let markUnpacked = """
        INSERT INTO thermocline_store.packing (type, range_start, range_end, due)
        SELECT $1, start, stop, '-infinity' FROM unnest($2::timestamptz[], $3::timestamptz[]) AS p (start, stop)
        ON CONFLICT (type, range_start) DO UPDATE SET due = excluded.due
        """
    /// $1 = type, $2 = start of the partition.
    static let forgetUnpacked = "DELETE FROM thermocline_store.packing WHERE type = $1 AND range_start = $2"
    /// The same where nobody gave it more since it was last looked at.
    static let forgetPacked = "\(forgetUnpacked) AND due > '-infinity'"
    /// $3 = when it is looked at again.
    static let postponeUnpacked = """
        UPDATE thermocline_store.packing SET due = $3 WHERE type = $1 AND range_start = $2
        """
    /// $1 = type, $2 = format; touches the type where its partitions were last marked for another one.
    static let changeFormat = """
        UPDATE thermocline_store.segment_view SET format = $2 WHERE type = $1 AND format IS DISTINCT FROM $2
        """
    /// Those of types $1 that are due at $2 and of which nothing is on its way.
    static let unpacked = """
        SELECT type, \(TierSQL.micros("range_start")), \(TierSQL.micros("range_end")) FROM thermocline_store.packing p
        WHERE type = ANY ($1::text[]) AND due <= $2 AND NOT EXISTS (
            SELECT FROM thermocline_store.transfer t
            WHERE t.type = p.type AND t.range_start < p.range_end AND t.range_end > p.range_start
                AND NOT (t.state IN ('pruned', 'expired')) AND (t.state <> 'verified' OR t.staging IS NOT NULL)
        )
        ORDER BY range_start, type LIMIT 1000
        """

    // MARK: What is there

    /// Bytes that a row takes in the memory of the encoder, beside its lists.
    static let rowBytes = 128

    /// First and last time of the plain rows that are packed next: as many as may wait, and all of one time together.
    static func nextPlain(_ type: RecordType, _ range: TimeRange, _ limits: SegmentEncoder.Limits) -> String {
        let lists = type.allColumns.filter { $0.kind == .decimals }.map { " + octet_length(\($0.name))" }.joined()
        let count = max(limits.bytes / rowBytes, 1)
        let fits = "max(ts) FILTER (WHERE total <= \(limits.bytes) AND (read < \(count) OR ts < last))"
        return """
            SELECT \(TierSQL.micros("min(ts)")), \(TierSQL.micros("coalesce(\(fits), min(ts))"))
            FROM (
                SELECT ts, sum(bytes) OVER (ORDER BY ts) AS total, count(*) OVER () AS read, max(ts) OVER () AS last
                FROM (
                    SELECT ts, \(rowBytes)\(lists) + coalesce(pg_column_size(extra), 0) AS bytes
                    FROM \(TierSQL.table(type)) WHERE \(TierSQL.inRange(range)) ORDER BY ts LIMIT \(count)
                ) AS rows
            ) AS sums
            """
    }
    static func readPlain(_ type: RecordType, _ range: TimeRange) -> String {
        "COPY (SELECT \(TierSQL.columns(type.allColumns)) FROM \(TierSQL.table(type)) "
            + "WHERE \(TierSQL.inRange(range)) ORDER BY ts) TO STDOUT (FORMAT binary)"
    }
    /// Answers with the number of rows that went.
    static func deletePlain(_ type: RecordType, _ range: TimeRange) -> String {
        "WITH gone AS (\(deleteRows(type, range)) RETURNING 1) SELECT count(*) FROM gone"
    }
    static func holdsSegments(_ type: RecordType, _ range: TimeRange) -> String {
        "SELECT EXISTS (SELECT FROM \(segments(type)) WHERE \(overlaps(range)))"
    }
    /// Series that have more than one segment in a partition.
    static func splitSeries(_ type: RecordType, _ range: TimeRange) -> String {
        """
        SELECT exchange, market_type, symbol FROM \(segments(type)) WHERE \(begins(range))
        GROUP BY exchange, market_type, symbol HAVING count(*) > 1 ORDER BY 1, 2, 3
        """
    }
    /// The segments of a series in a partition: first and last time, rows, and what these take in the encoder.
    static func parts(_ type: RecordType, _ series: [String], _ range: TimeRange) -> String {
        // Planes hold a number in a quarter of the bytes that it takes in a row, or more.
        let bytes = blobs(type).map { " + 4 * coalesce(octet_length(\($0)), 0)::bigint" }.joined()
        return """
            SELECT \(TierSQL.micros("ts_min")), \(TierSQL.micros("ts_max")), rows, \(rowBytes) * rows\(bytes)
            FROM \(segments(type)) WHERE \(isOf(series)) AND \(begins(range)) ORDER BY ts_min
            """
    }
    private static func begins(_ range: TimeRange) -> String {
        "ts_min >= '\(range.start)' AND ts_min < '\(range.end)'"
    }
    private static func blobs(_ type: RecordType) -> [String] {
        SegmentShape.parts(type).filter { $0.sqlType == "bytea" }.map(\.name)
    }

    /// Bytes that the rows of a range take on disk, of one series or of all, without indexes.
    static func storedBytes(_ type: RecordType, _ range: TimeRange, _ series: [String]? = nil) -> String {
        func sum(_ columns: [String], _ table: String, _ condition: String) -> String {
            let bytes = columns.map { "coalesce(pg_column_size(\($0)), 0)" }.joined(separator: " + ")
            return "(SELECT coalesce(sum(24 + \(bytes)), 0) FROM \(table) WHERE \(condition))"
        }
        let own = series.map { isOf($0) + " AND " } ?? ""
        let packed = sum(SegmentShape.parts(type).map(\.name), segments(type), own + overlaps(range))
        let plain = sum(type.allColumns.map(\.name), TierSQL.table(type), own + TierSQL.inRange(range))
        return "SELECT \(packed) + \(plain)"
    }

    // MARK: Room

    /// Whether a partition takes room, its indexes included, though no row is left in it.
    static func isEmptied(_ partition: Partition) -> String {
        let table = "thermocline_store.\(partition.name)"
        // A fresh one takes a page for each of its indexes.
        return "SELECT pg_total_relation_size('\(table)') > 65536 AND NOT EXISTS (SELECT FROM \(table))"
    }
    /// Takes out what no session sees any more; a lock that is not to be had at once is left alone.
    static func vacuum(_ partition: Partition) -> String { "VACUUM (SKIP_LOCKED) thermocline_store.\(partition.name)" }
    static func lockWholly(_ partition: Partition) -> String {
        "LOCK TABLE thermocline_store.\(partition.name) IN ACCESS EXCLUSIVE MODE"
    }
    /// Whether there is nothing that the oldest session could still see.
    static func hasNoPages(_ partition: Partition) -> String {
        "SELECT pg_relation_size('thermocline_store.\(partition.name)') = 0"
    }
    /// Of a table without pages it takes but the indexes, which no VACUUM makes smaller.
    static func truncate(_ partition: Partition) -> String { "TRUNCATE thermocline_store.\(partition.name)" }

    // MARK: Unpack

    /// What the segments of a partition are that become plain rows next: first and last time at which one begins, and
    /// when the last of them ends.
    static func nextSegments(_ type: RecordType, _ range: TimeRange, rows: Int) -> String {
        """
        SELECT \(TierSQL.micros("min(ts_min)")), \(TierSQL.micros("max(ts_min)")), \(TierSQL.micros("max(ts_max)"))
        FROM (
            SELECT ts_min, ts_max, sum(rows) OVER (ORDER BY ts_min) AS total, min(ts_min) OVER () AS first
            FROM \(segments(type)) WHERE \(begins(range))
        ) AS each WHERE total <= \(rows) OR ts_min = first
        """
    }
    /// Rows and digest of the segments that begin in a range.
    static func summaries(_ type: RecordType, _ range: TimeRange) -> String {
        "SELECT rows, digest FROM \(segments(type)) WHERE \(begins(range))"
    }
    /// Turns the segments that begin in a range into plain rows; answers with what these are.
    static func unpackSegments(_ type: RecordType, _ range: TimeRange) -> String {
        "COPY (\(unpack(type, begins(range))) RETURNING \(TierSQL.columns(type.contentColumns))) "
            + "TO STDOUT (FORMAT binary)"
    }
}

import Records
import Tiering

/// Statements that take partitions out of hot, let them rest, drop them or give them back.
extension HotSQL {
    // MARK: Pins

    /// Against a pin that is being written: either the prune sees it, or it waits until the prune is over.
    static let lockPins = "LOCK TABLE thermocline_store.pin IN SHARE MODE"
    static let pinFields = """
        id, type, \(TierSQL.micros("range_start")), \(TierSQL.micros("range_end")), reason,
        \(TierSQL.micros("expires_at"))
        """
    static let pins = "SELECT \(pinFields) FROM thermocline_store.pin WHERE expires_at > now()"
    /// $1 = type, $2 and $3 = a range.
    static let pinsOfRange = "\(pins) AND type = $1 AND range_start < $3 AND range_end > $2 LIMIT 1"

    // MARK: Rest

    static let isResting = "SELECT EXISTS (SELECT FROM thermocline_store.resting WHERE partition = $1)"
    /// $1 = type, $2 = manifests.
    static let findPrunes = """
        SELECT manifest FROM thermocline_store.prune_log WHERE type = $1 AND manifest = ANY ($2::bigint[])
        """
    /// ONLY: partitions that stay are not locked one by one.
    static func lockTable(_ type: RecordType) -> String {
        "LOCK TABLE ONLY \(TierSQL.table(type)) IN ACCESS EXCLUSIVE MODE"
    }
    /// NOWAIT: while the parent is locked, nobody waits for a reader of this partition alone.
    static func lockPartition(_ partition: Partition) -> String {
        "LOCK TABLE thermocline_store.\(partition.name) IN ACCESS EXCLUSIVE MODE NOWAIT"
    }
    /// Not CONCURRENTLY: interrupted, that leaves a partition which can be neither written nor made again.
    static func detach(_ partition: Partition, of type: RecordType) -> String {
        """
        ALTER TABLE \(TierSQL.table(type)) DETACH PARTITION thermocline_store.\(partition.name);
        ALTER TABLE thermocline_store.\(partition.name) SET SCHEMA thermocline_pruned
        """
    }
    /// What `activity` says of the ranges ($1: their width) of one type ($2) between $3 and $4.
    static let activityOfPartition = """
        SELECT start, md5(string_agg(
                bucket::text || ' ' || writer || ' ' || stamp::text, ',' ORDER BY bucket, writer COLLATE "C")
            FILTER (WHERE stamp IS NOT NULL)), sum(rows)
        FROM (
            SELECT *, floor(extract(epoch FROM bucket) * 1000000 / $1::bigint)::bigint * $1::bigint AS start
            FROM thermocline_store.range_activity WHERE type = $2 AND bucket >= $3 AND bucket < $4
        ) AS a
        GROUP BY start
        """
    /// One statement, for the table is locked meanwhile: subtracts what activity counts between $2 and $3, by bucket;
    /// logs a prune for each range ($5 to $10); $4 rests, as of the same instant.
    static let rest = """
        WITH counted AS (
            SELECT bucket, sum(rows) AS rows FROM thermocline_store.range_activity
            WHERE type = $1 AND bucket >= $2 AND bucket < $3 GROUP BY bucket HAVING sum(rows) <> 0
        ), subtracted AS (
            INSERT INTO thermocline_store.range_activity (type, bucket, writer, rows)
            SELECT $1, bucket, 'prune', -rows FROM counted ORDER BY bucket
            ON CONFLICT (type, bucket, writer) DO UPDATE SET rows = range_activity.rows + excluded.rows
        ), logged AS (
            INSERT INTO thermocline_store.prune_log (type, range_start, range_end, manifest, sha256, rows, digest)
            SELECT $1, l.* FROM unnest($5::timestamptz[], $6::timestamptz[], $7::bigint[], $8::text[], $9::bigint[],
                $10::text[]) AS l
        )
        INSERT INTO thermocline_store.resting (partition, type, range_start, range_end, rows)
        SELECT $4, $1, $2, $3, coalesce(sum(rows), 0) FROM counted RETURNING rows
        """

    static let bytes = "SELECT pg_total_relation_size(to_regclass($1))"

    // MARK: Drop

    /// $1 = at least so old, in microseconds; with each, what was logged in the transaction that let it rest.
    static let resting = """
        SELECT r.partition, r.type, \(TierSQL.micros("r.range_start")), \(TierSQL.micros("r.range_end")), r.rows,
            \(TierSQL.micros("r.at")), \(TierSQL.micros("l.range_start")), \(TierSQL.micros("l.range_end")), l.manifest,
            l.rows, l.digest
        FROM thermocline_store.resting r
        LEFT JOIN thermocline_store.prune_log l
            ON l.type = r.type AND l.at = r.at AND l.range_start >= r.range_start AND l.range_end <= r.range_end
        WHERE r.at <= now() - $1::bigint * interval '1 microsecond' AND NOT EXISTS (
            SELECT FROM thermocline_store.pin p WHERE p.expires_at > now() AND p.type = r.type
                AND p.range_start < r.range_end AND p.range_end > r.range_start)
        ORDER BY r.range_start, r.type, l.range_start
        """
    static func readResting(_ name: String, _ type: RecordType, _ range: TimeRange?) -> String {
        "COPY (SELECT \(TierSQL.columns(type.allColumns)) FROM thermocline_pruned.\(name)"
            + (range.map { " WHERE \(TierSQL.inRange($0))" } ?? "") + ") TO STDOUT (FORMAT binary)"
    }
    /// $1 = partition, $2 = since when; whoever else would take it away waits, and then finds nothing.
    static let lockResting = "SELECT 1 FROM thermocline_store.resting WHERE partition = $1 AND at = $2 FOR UPDATE"
    static let forgetResting = "DELETE FROM thermocline_store.resting WHERE partition = $1"
    /// What was logged ($1 = type, $2 and $3 = range) when it came to rest ($4): it was not pruned after all.
    static let forgetPrunes = """
        DELETE FROM thermocline_store.prune_log
        WHERE type = $1 AND range_start >= $2 AND range_end <= $3 AND at = $4
        """
    static func dropResting(_ name: String) -> String { "DROP TABLE thermocline_pruned.\(name)" }

    /// Appends the resting rows by key and counts what went in by bucket ($2: its width in microseconds); $1 = type.
    static func giveBack(_ name: String, _ type: RecordType) -> String {
        append(from: "thermocline_pruned.\(name)", type, writer: "undo")
    }
    static func append(from table: String, _ type: RecordType, writer: String) -> String {
        let columns = TierSQL.columns(type.allColumns)
        let conflict =
            type.dedupe == .key ? "ON CONFLICT (\(type.keyColumns.joined(separator: ", "))) DO NOTHING" : ""
        return """
            WITH added AS (
                INSERT INTO \(TierSQL.table(type)) (\(columns)) SELECT \(columns) FROM \(table)
                \(conflict) RETURNING ts
            )
            INSERT INTO thermocline_store.range_activity (type, bucket, writer, rows, stamp, min_ts, max_ts)
            SELECT $1, date_bin($2::bigint * interval '1 microsecond', ts, 'epoch') AS bucket, '\(writer)', count(*),
                gen_random_uuid(), min(ts), max(ts)
            FROM added GROUP BY 2 ORDER BY 2
            \(addToActivity)
            """
    }
    static let addToActivity = """
        ON CONFLICT (type, bucket, writer) DO UPDATE
        SET rows = range_activity.rows + excluded.rows, stamp = excluded.stamp,
            min_ts = least(range_activity.min_ts, excluded.min_ts),
            max_ts = greatest(range_activity.max_ts, excluded.max_ts)
        """
    /// Resting rows that hot does not hold with equal content.
    static func countNotBack(_ name: String, _ type: RecordType) -> String {
        countNotHeld("thermocline_pruned.\(name)", type)
    }
    static func countNotHeld(_ table: String, _ type: RecordType) -> String {
        """
        SELECT count(*) FROM \(table) s
        WHERE NOT EXISTS (SELECT FROM \(TierSQL.table(type)) c WHERE \(TierSQL.sameContent(type)))
        """
    }
}

import Records

/// Statements that pin ranges and bring rows back to hot.
extension HotSQL {
    // MARK: Pins

    /// $1 = type, $2 and $3 = a range, $4 = why, $5 = for how long, in microseconds.
    static let addPin = """
        INSERT INTO thermocline_store.pin (type, range_start, range_end, reason, expires_at)
        VALUES ($1, $2, $3, $4, now() + $5::bigint * interval '1 microsecond')
        RETURNING \(pinFields)
        """
    static let removePin = "DELETE FROM thermocline_store.pin WHERE id::text = $1"

    // MARK: Undo

    /// What rests of a type ($1) and meets a range ($2, $3), pinned or not.
    static let restingOfRange = """
        SELECT partition, \(TierSQL.micros("range_start")), \(TierSQL.micros("range_end")), rows,
            \(TierSQL.micros("at"))
        FROM thermocline_store.resting WHERE type = $1 AND range_start < $3 AND range_end > $2 ORDER BY range_start
        """

    // MARK: Restore

    /// Appends the staged rows by key and counts what went in by bucket; parameters as `giveBack`.
    static func mergeRestored(_ type: RecordType) -> String {
        append(from: "pg_temp.staging_\(type.name)", type, writer: "restore")
    }
    /// Staged rows that hot does not hold with equal content: it holds another row under their key.
    static func countNotRestored(_ type: RecordType) -> String {
        countNotHeld("pg_temp.staging_\(type.name)", type)
    }
    /// Rows that were copied straight in, by bucket ($2, $3); $1 = type, $4 = a bucket's width in microseconds.
    static func countRestored(_ type: RecordType) -> String {
        """
        INSERT INTO thermocline_store.range_activity (type, bucket, writer, rows, stamp, min_ts, max_ts)
        SELECT $1, b.bucket, 'restore', b.rows, gen_random_uuid(), e.min_ts, e.max_ts
        FROM unnest($2::timestamptz[], $3::bigint[]) AS b (bucket, rows), LATERAL (
            SELECT min(ts), max(ts) FROM \(TierSQL.table(type))
            WHERE ts >= b.bucket AND ts < b.bucket + $4::bigint * interval '1 microsecond'
        ) AS e (min_ts, max_ts)
        ORDER BY b.bucket
        \(addToActivity)
        """
    }
}

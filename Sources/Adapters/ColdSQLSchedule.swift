/// Statements behind the archive's schedule.
extension ColdSQL {
    static let recordedPass = "SELECT \(TierSQL.micros("last_pass")) FROM thermocline_store.archive_lease WHERE id = 1"
    /// $1 = token, $2 = holder, $3 = when the pass began.
    static let recordPass = """
        UPDATE thermocline_store.archive_lease SET last_pass = $3 WHERE id = 1 AND token = $1 AND holder = $2
        """
    /// Offsets of time zone $1 from two days before $2 to a year after it, each with the instant from which it counts.
    ///
    /// PostgreSQL knows every time zone, whatever is installed where this runs. Offsets change at quarters of an hour.
    static let offsets = """
        SELECT \(TierSQL.micros("at")), ahead FROM (
            SELECT at, ahead, lag(ahead) OVER (ORDER BY at) AS before FROM (
                SELECT at,
                    (extract(epoch FROM (at AT TIME ZONE $1) - (at AT TIME ZONE 'UTC')) * 1000000)::bigint AS ahead
                FROM generate_series(date_trunc('hour', $2::timestamptz) - interval '2 days',
                    $2::timestamptz + interval '1 year', interval '15 minutes') AS at
            ) AS each
        ) AS compared
        WHERE before IS DISTINCT FROM ahead ORDER BY at
        """
}

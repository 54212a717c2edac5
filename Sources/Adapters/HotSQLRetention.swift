import Records

/// What cold's retention asks of hot.
extension HotSQL {
    /// Whether hot holds nothing of a range ($1 start, $2 end, $3 type): no row, none counted, none resting, no pin.
    static func isGone(_ type: RecordType, _ range: TimeRange) -> String {
        """
        SELECT coalesce(sum(rows), 0) = 0
            AND NOT EXISTS (SELECT FROM \(TierSQL.table(type)) WHERE \(TierSQL.inRange(range)))
            AND NOT EXISTS (SELECT FROM thermocline_store.resting
                WHERE type = $3 AND range_start < $2::timestamptz AND range_end > $1::timestamptz)
            AND NOT EXISTS (SELECT FROM thermocline_store.pin WHERE type = $3 AND range_start < $2::timestamptz
                AND range_end > $1::timestamptz AND expires_at > now())
        FROM thermocline_store.range_activity WHERE bucket >= $1 AND bucket < $2 AND type = $3
        """
    }
}

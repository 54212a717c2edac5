import Records

/// What reading cold again needs of its tables.
extension ColdSQL {
    /// `Transfer.isProved` in SQL: what a range in cold must be is known.
    static let isProved = """
        filter = '' AND state IN ('planned', 'verified', 'pruned', 'unaccounted', 'failed') AND manifest IS NOT NULL
            AND cold_digest IS NOT NULL AND staging IS NULL
        """
    static let readProved = "\(readTransfers) WHERE type = $1 AND range_start = $2 AND range_end = $3 AND \(isProved)"
    /// $4 = the manifest that was compared with, $5 = mismatched or the state it had, $6 = error.
    static let recordScrubbed = """
        UPDATE thermocline_store.transfer SET
            state = CASE $5 WHEN 'mismatched' THEN $5 ELSE state END,
            error = CASE $5 WHEN 'mismatched' THEN $6 ELSE error END,
            scrubbed_at = CASE $5 WHEN 'mismatched' THEN scrubbed_at ELSE $7::timestamptz END,
            updated_at = CASE $5 WHEN 'mismatched' THEN now() ELSE updated_at END
        WHERE type = $1 AND range_start = $2 AND range_end = $3 AND manifest = $4 AND \(isProved)
        """

    static func readConflicts(_ type: RecordType, _ range: TimeRange) -> String {
        "COPY (SELECT \(TierSQL.columns(type.contentColumns)) FROM \(conflict(type)) "
            + "WHERE \(TierSQL.inRange(range))) TO STDOUT (FORMAT binary)"
    }

    // MARK: Chain

    static let readChain = """
        SELECT number, type, \(TierSQL.micros("range_start")), \(TierSQL.micros("range_end")), hot_rows, hot_digest,
            cold_rows, cold_digest, schema_hash, previous, filter, sha256
        FROM thermocline_store.manifest WHERE number > $1 ORDER BY number LIMIT 10000
        """
}

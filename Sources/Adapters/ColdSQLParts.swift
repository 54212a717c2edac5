/// What a transfer of a part does to the range that it is a part of.
extension ColdSQL {
    static let readOpenParts = "\(readTransfers) WHERE filter <> '' AND state <> 'verified'"
    /// Nobody changes the range until the transaction ends.
    static let lockWhole = """
        \(readLedger) AND type = $1 AND range_start = $2 AND range_end = $3 FOR UPDATE
        """
    /// What the range must now be in cold, not proved while $7, the staged rows of the part, is there.
    static let addPart = """
        INSERT INTO thermocline_store.transfer (id, type, range_start, range_end,
            state, cold_rows, cold_digest, staging)
        VALUES ($1, $2, $3, $4, 'planned', $5, $6, $7)
        ON CONFLICT (type, range_start, range_end, filter) DO UPDATE SET
            cold_rows = excluded.cold_rows, cold_digest = excluded.cold_digest, staging = excluded.staging,
            updated_at = now()
        """
    /// Only where the part had inserted rows: $4 = its staged rows, $5 = its manifest.
    static let proveWhole = """
        UPDATE thermocline_store.transfer SET manifest = $5, staging = NULL, scrubbed_at = $6, updated_at = now()
        WHERE type = $1 AND range_start = $2 AND range_end = $3 AND filter = '' AND staging = $4
        """
}

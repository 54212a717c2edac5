import Records
import Tiering

/// What each pass asks of the ledger, so that it costs what is to be done and not what was done over the years.
extension ColdSQL {
    private static let isSettled = "state IN ('pruned', 'expired')"
    /// What a range was proved by last.
    private static let provedAt = "greatest(verified_at, scrubbed_at)"
    private static let oldestFirst = "ORDER BY \(provedAt) NULLS FIRST, range_start LIMIT 1"

    static let ledgerIndexes = [
        "unsettled ON thermocline_store.transfer (type, range_start) WHERE NOT (\(isSettled))",
        "held ON thermocline_store.transfer (type, range_start) WHERE state = 'pruned'",
        "parts ON thermocline_store.transfer (type, range_start) WHERE filter <> '' AND state <> 'verified'",
        "changed ON thermocline_store.transfer (updated_at)",
        "proved ON thermocline_store.transfer (type, \(provedAt) NULLS FIRST, range_start) WHERE \(isProved)",
    ].map { "CREATE INDEX IF NOT EXISTS transfer_\($0)" }

    /// What is not settled, and what begins where something is touched: $1 = types, $2 = starts.
    static let selectLedger = """
        \(readLedger) AND NOT (\(isSettled))
        UNION ALL
        SELECT \(fields) FROM unnest($1::text[], $2::timestamptz[]) AS touched (name, start)
        JOIN thermocline_store.transfer ON type = touched.name AND range_start = touched.start
        WHERE filter = '' AND \(isSettled)
        """
    /// What cold holds of a type ($1) and began before an instant ($2), of the settled ranges.
    static let selectHeld = "\(readLedger) AND type = $1 AND range_start < $2 AND state = 'pruned'"
    static let lastChange = "SELECT \(TierSQL.micros("max(updated_at)")) FROM thermocline_store.transfer"
    /// Of parts of ranges only the number counts, and only until they are verified.
    static let sumLedger = """
        SELECT type, state, count(*), \(TierSQL.micros("max(range_end) FILTER (WHERE filter = '')")),
            \(TierSQL.micros("max(verified_at) FILTER (WHERE filter = '')")),
            coalesce(sum(cold_rows) FILTER (WHERE filter = '' AND manifest IS NOT NULL AND state <> 'expired'), 0)
        FROM thermocline_store.transfer WHERE filter = '' OR state <> 'verified' GROUP BY type, state
        """

    // MARK: Scrub

    /// $1 = types.
    private static let oldestOfEach = """
        FROM unnest($1::text[]) AS wanted (name), LATERAL (
            SELECT * FROM thermocline_store.transfer WHERE type = wanted.name AND \(isProved) \(oldestFirst)
        ) AS oldest
        """
    static let oldestProved = "SELECT \(fields) \(oldestOfEach) \(oldestFirst)"
    static let oldestProofs = "SELECT type, \(TierSQL.micros(provedAt)) \(oldestOfEach)"
}

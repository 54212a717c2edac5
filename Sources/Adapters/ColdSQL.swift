import Records

/// Every statement that names a table of the cold tier.
enum ColdSQL {
    static func schema(_ types: [RecordType], bucketMicros: Int64) -> [String] {
        TierSQL.base(tier: "cold", bucketMicros: bucketMicros)
            + types.flatMap { TierSQL.recordTable($0, isKeyed: true) }
            + types.map(conflictTable) + ledger + ledgerIndexes
    }

    /// Late rows whose key cold holds with other content: whole and typed, counted as held by cold.
    private static func conflictTable(_ type: RecordType) -> String {
        """
        CREATE TABLE IF NOT EXISTS \(conflict(type)) (
        \(TierSQL.columnDefinitions(type))
        )
        """
    }

    static func conflict(_ type: RecordType) -> String { "thermocline_store.conflict_\(type.name)" }

    private static let ledger = [
        """
        CREATE TABLE IF NOT EXISTS thermocline_store.transfer (
            id uuid PRIMARY KEY,
            type text COLLATE "C" NOT NULL,
            range_start timestamptz NOT NULL,
            range_end timestamptz NOT NULL,
            filter text COLLATE "C" NOT NULL DEFAULT '',
            state text NOT NULL,
            request uuid,
            prunes boolean NOT NULL DEFAULT false,
            attempt integer NOT NULL DEFAULT 0,
            stamp text,
            hot_rows bigint,
            hot_digest text,
            cold_rows bigint,
            cold_digest text,
            staging text,
            manifest bigint,
            rows_pruned bigint NOT NULL DEFAULT 0,
            error text,
            updated_at timestamptz NOT NULL DEFAULT now(),
            verified_at timestamptz,
            pruned_at timestamptz,
            scrubbed_at timestamptz,
            UNIQUE (type, range_start, range_end, filter)
        )
        """,
        """
        CREATE TABLE IF NOT EXISTS thermocline_store.manifest (
            number bigint PRIMARY KEY,
            type text COLLATE "C" NOT NULL,
            range_start timestamptz NOT NULL,
            range_end timestamptz NOT NULL,
            filter text COLLATE "C" NOT NULL,
            hot_rows bigint NOT NULL,
            hot_digest text NOT NULL,
            cold_rows bigint NOT NULL,
            cold_digest text NOT NULL,
            schema_hash text NOT NULL,
            previous text NOT NULL,
            sha256 text NOT NULL,
            at timestamptz NOT NULL
        )
        """,
        """
        CREATE TABLE IF NOT EXISTS thermocline_store.archive_lease (
            id integer PRIMARY KEY CHECK (id = 1),
            token bigint NOT NULL,
            holder text,
            holder_host text,
            expires_at timestamptz NOT NULL,
            last_pass timestamptz
        )
        """,
        """
        INSERT INTO thermocline_store.archive_lease (id, token, expires_at) VALUES (1, 0, '-infinity')
        ON CONFLICT (id) DO NOTHING
        """,
    ]

    // MARK: Lease

    /// $1 = holder, $2 = host, $3 = length in milliseconds.
    ///
    /// An expiry further ahead than a lease lasts counts as past.
    static let acquireLease = """
        UPDATE thermocline_store.archive_lease
        SET token = token + CASE WHEN holder = $1 AND expires_at > now() THEN 0 ELSE 1 END,
            holder = $1, holder_host = $2, expires_at = now() + $3 * interval '1 ms'
        WHERE id = 1 AND (holder = $1 OR expires_at <= now() OR expires_at > now() + 2 * $3 * interval '1 ms')
        RETURNING token
        """
    static let raiseLease = """
        UPDATE thermocline_store.archive_lease SET token = $3 WHERE id = 1 AND token = $1 AND holder = $2
        """
    static let readLease = "SELECT holder, holder_host FROM thermocline_store.archive_lease WHERE id = 1"
    static let renewLease = """
        UPDATE thermocline_store.archive_lease SET expires_at = now() + $3 * interval '1 ms'
        WHERE id = 1 AND token = $1 AND holder = $2
        """
    static let releaseLease = """
        UPDATE thermocline_store.archive_lease SET expires_at = '-infinity' WHERE id = 1 AND token = $1 AND holder = $2
        """

    // MARK: Ledger

    static let fields = """
        id, type, \(TierSQL.micros("range_start")), \(TierSQL.micros("range_end")), state, request, prunes, attempt,
        stamp, hot_rows, hot_digest, cold_rows, cold_digest, staging, manifest, rows_pruned, error,
        \(TierSQL.micros("updated_at")), \(TierSQL.micros("verified_at")), \(TierSQL.micros("pruned_at")),
        \(TierSQL.micros("scrubbed_at")), filter
        """
    /// Whole ranges and parts of them.
    static let readTransfers = "SELECT \(fields) FROM thermocline_store.transfer"
    static let readLedger = "\(readTransfers) WHERE filter = ''"
    /// $1 = the id of a transfer or of a request.
    static let readTransferOrRequest = """
        \(readTransfers) WHERE id::text = $1 OR request::text = $1 ORDER BY range_start, type, filter
        """
    /// What moved last comes first.
    static let readNewest = "\(readTransfers) ORDER BY updated_at DESC, range_start DESC LIMIT 1000"
    /// What an operator asked for (`request`, `prunes`) is written at the first insert only.
    ///
    /// A mismatch, which the scrub may have found meanwhile, stays one until an operator asks for the range again.
    static let record = """
        INSERT INTO thermocline_store.transfer (id, type, range_start, range_end, state, request, prunes, attempt,
            stamp, hot_rows, hot_digest, cold_rows, cold_digest, staging, manifest, rows_pruned, error, verified_at,
            pruned_at, filter)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
        ON CONFLICT (type, range_start, range_end, filter) DO UPDATE SET
            state = CASE transfer.state WHEN 'mismatched' THEN transfer.state ELSE excluded.state END,
            error = CASE WHEN transfer.state = 'mismatched' AND excluded.state <> 'mismatched' THEN transfer.error
                ELSE excluded.error END,
            attempt = excluded.attempt, stamp = excluded.stamp, hot_rows = excluded.hot_rows,
            hot_digest = excluded.hot_digest, cold_rows = excluded.cold_rows, cold_digest = excluded.cold_digest,
            staging = excluded.staging, manifest = excluded.manifest, rows_pruned = excluded.rows_pruned,
            verified_at = excluded.verified_at, pruned_at = excluded.pruned_at,
            updated_at = now()
        """
    /// Whatever state the ledger has: the COMMIT whose answer was lost may have succeeded.
    static let recordFailure = """
        INSERT INTO thermocline_store.transfer (id, type, range_start, range_end, filter, state, attempt, error)
        VALUES ($1, $2, $3, $4, $5, 'failed', 1, $6)
        ON CONFLICT (type, range_start, range_end, filter) DO UPDATE SET
            state = CASE WHEN transfer.state = 'planned' THEN 'failed' ELSE transfer.state END,
            attempt = transfer.attempt + 1, error = excluded.error, updated_at = now()
        """
    /// An operator's request: a range that failed starts over, and one that hot, whose stamp is $8, changed since; one
    /// that was found mismatched is proved again as it is; any other keeps its state.
    ///
    /// Copying a mismatched range again would merge what is missing and count it twice: it could never be proved.
    static let request = """
        INSERT INTO thermocline_store.transfer (id, type, range_start, range_end, filter, state, request, prunes)
        VALUES ($1, $2, $3, $4, $5, 'planned', $6, $7)
        ON CONFLICT (type, range_start, range_end, filter) DO UPDATE SET
            request = excluded.request, prunes = transfer.prunes OR excluded.prunes, updated_at = now(),
            attempt = 0,
            error = NULL,
            state = CASE
                WHEN transfer.state = 'mismatched' THEN 'copied'
                WHEN transfer.state IN ('failed', 'unaccounted') THEN 'planned'
                WHEN \(isChanged) AND transfer.state IN ('verified', 'pruned', 'expired') THEN 'planned'
                ELSE transfer.state END,
            -- What an expired range held is gone: the rows that came since are the first of it.
            cold_rows = CASE WHEN transfer.state = 'expired' AND \(isChanged) THEN NULL ELSE transfer.cold_rows END,
            cold_digest = CASE WHEN transfer.state = 'expired' AND \(isChanged) THEN NULL
                ELSE transfer.cold_digest END,
            manifest = CASE WHEN transfer.state = 'expired' AND \(isChanged) THEN NULL ELSE transfer.manifest END
        RETURNING \(fields)
        """

    private static let isChanged = "$8::text <> coalesce(transfer.stamp, '')"

    // MARK: Manifests

    /// Serializes those who append to the chain; blocks neither readers nor writers of anything else.
    static let lockManifests = "LOCK TABLE thermocline_store.manifest IN SHARE UPDATE EXCLUSIVE MODE"
    static let lastManifest = """
        SELECT number, sha256 FROM thermocline_store.manifest ORDER BY number DESC LIMIT 1
        """
    static let addManifest = """
        INSERT INTO thermocline_store.manifest (number, type, range_start, range_end, hot_rows, hot_digest, cold_rows,
            cold_digest, schema_hash, previous, filter, sha256, at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        """
    static let readManifests = """
        SELECT number, sha256 FROM thermocline_store.manifest WHERE number = ANY ($1::bigint[])
        """
}

import Records
import Tiering

/// Every statement that names a table of the hot tier.
enum HotSQL {
    static func schema(_ types: [RecordType], bucketMicros: Int64) -> [String] {
        TierSQL.base(tier: "hot", bucketMicros: bucketMicros) + types.flatMap(recordTable) + ingest + archive
            + [deduplication] + types.map(recordDeduplication)
    }

    private static let ingest = [
        """
        CREATE TABLE IF NOT EXISTS thermocline_store.ingest_position (
            stream text COLLATE "C" NOT NULL,
            filter text COLLATE "C" NOT NULL,
            stream_created timestamptz,
            stream_epoch bigint NOT NULL DEFAULT 0,
            last_seq bigint NOT NULL DEFAULT 0,
            last_msg_time timestamptz,
            newest_event timestamptz,
            owner text,
            owner_host text,
            backend_pid integer,
            backend_start timestamptz,
            consumer text,
            claimed_at timestamptz,
            seen_at timestamptz,
            PRIMARY KEY (stream, filter)
        )
        """,
        """
        CREATE TABLE IF NOT EXISTS thermocline_store.range_activity (
            type text COLLATE "C" NOT NULL,
            bucket timestamptz NOT NULL,
            writer text COLLATE "C" NOT NULL,
            rows bigint NOT NULL,
            stamp uuid,
            min_ts timestamptz,
            max_ts timestamptz,
            PRIMARY KEY (type, bucket, writer)
        )
        """,
        """
        CREATE TABLE IF NOT EXISTS thermocline_store.quarantine (
            stream text COLLATE "C" NOT NULL,
            seq bigint NOT NULL,
            message_time timestamptz NOT NULL,
            subject text NOT NULL,
            headers bytea NOT NULL,
            payload bytea NOT NULL,
            reason text NOT NULL,
            detail text NOT NULL,
            sqlstate text,
            at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (stream, seq, message_time)
        )
        """,
        "CREATE OR REPLACE VIEW thermocline.quarantine AS SELECT * FROM thermocline_store.quarantine",
        """
        CREATE TABLE IF NOT EXISTS thermocline_store.gap (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            type text COLLATE "C" NOT NULL,
            stream text COLLATE "C" NOT NULL,
            filter text COLLATE "C" NOT NULL,
            stream_epoch bigint NOT NULL,
            cause text NOT NULL,
            first_seq bigint,
            last_seq bigint,
            suspected boolean NOT NULL,
            at timestamptz NOT NULL DEFAULT now()
        )
        """,
        "CREATE OR REPLACE VIEW thermocline.gap AS SELECT * FROM thermocline_store.gap",
    ]

    private static let archive = [
        """
        CREATE TABLE IF NOT EXISTS thermocline_store.prune_log (
            type text COLLATE "C" NOT NULL,
            range_start timestamptz NOT NULL,
            range_end timestamptz NOT NULL,
            manifest bigint NOT NULL,
            sha256 text NOT NULL,
            rows bigint NOT NULL,
            digest text NOT NULL,
            at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (type, range_start, range_end, manifest)
        )
        """,
        "CREATE INDEX IF NOT EXISTS prune_log_manifest ON thermocline_store.prune_log (manifest)",
        """
        CREATE TABLE IF NOT EXISTS thermocline_store.pin (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            type text COLLATE "C" NOT NULL,
            range_start timestamptz NOT NULL,
            range_end timestamptz NOT NULL,
            reason text NOT NULL,
            at timestamptz NOT NULL DEFAULT now(),
            expires_at timestamptz NOT NULL
        )
        """,
        "CREATE SCHEMA IF NOT EXISTS thermocline_pruned",
        """
        CREATE TABLE IF NOT EXISTS thermocline_store.resting (
            partition text COLLATE "C" PRIMARY KEY,
            type text COLLATE "C" NOT NULL,
            range_start timestamptz NOT NULL,
            range_end timestamptz NOT NULL,
            rows bigint NOT NULL,
            at timestamptz NOT NULL DEFAULT now()
        )
        """,
    ]

    // MARK: Claim and position

    static let insertPosition = """
        INSERT INTO thermocline_store.ingest_position (stream, filter) VALUES ($1, $2) ON CONFLICT DO NOTHING
        """
    /// $3 = `ingest.takeover` in milliseconds.
    ///
    /// An owner in a long transaction shows in what its session does: in statements, or in one that the server works on
    /// or holds up. A time in the future counts as old.
    static let readOwner = """
        SELECT p.owner, p.owner_host, p.backend_pid, p.seen_at,
            a.pid IS NOT NULL AND (
                p.seen_at BETWEEN now() - $3 * interval '1 ms' AND now()
                OR coalesce(a.state_change BETWEEN now() - $3 * interval '1 ms' AND now(), false)
                OR coalesce(a.state = 'active' AND a.wait_event_type IS DISTINCT FROM 'Client', false)) AS live
        FROM thermocline_store.ingest_position p
        LEFT JOIN pg_stat_activity a ON a.pid = p.backend_pid AND a.backend_start = p.backend_start
        WHERE p.stream = $1 AND p.filter = $2
        """
    /// $3 = the owner that was read: one who has come since is not ended.
    static let terminateOwner = """
        SELECT count(pg_terminate_backend(a.pid)) FROM thermocline_store.ingest_position p
        JOIN pg_stat_activity a ON a.pid = p.backend_pid AND a.backend_start = p.backend_start
        WHERE p.stream = $1 AND p.filter = $2 AND a.pid <> pg_backend_pid()
            AND p.owner IS NOT DISTINCT FROM $3
        """
    static let countOwner = """
        SELECT count(*) FROM thermocline_store.ingest_position p
        JOIN pg_stat_activity a ON a.pid = p.backend_pid AND a.backend_start = p.backend_start
        WHERE p.stream = $1 AND p.filter = $2 AND a.pid <> pg_backend_pid()
            AND p.owner IS NOT DISTINCT FROM $3
        """
    static let claim = """
        UPDATE thermocline_store.ingest_position
        SET owner = $3, owner_host = $4, backend_pid = pg_backend_pid(),
            backend_start = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()),
            claimed_at = clock_timestamp(), seen_at = clock_timestamp()
        WHERE stream = $1 AND filter = $2 AND owner IS NOT DISTINCT FROM $5
        """
    static let readPosition = """
        SELECT \(TierSQL.micros("stream_created")), stream_epoch, last_seq, \(TierSQL.micros("last_msg_time")),
            consumer, owner, owner_host
        FROM thermocline_store.ingest_position WHERE stream = $1 AND filter = $2
        """
    /// Whether the stream was read whole before and is now read by a pattern, or the other way round.
    static let wasReadOtherwise = """
        SELECT EXISTS (SELECT FROM thermocline_store.ingest_position
            WHERE stream = $1 AND stream_epoch > 0
                AND (filter = '\(SourceID.everything)') <> ($2 = '\(SourceID.everything)'))
        """
    static let recordConsumer = """
        UPDATE thermocline_store.ingest_position SET consumer = $4, seen_at = clock_timestamp()
        WHERE stream = $1 AND filter = $2 AND owner = $3
        """
    static let heartbeat = """
        UPDATE thermocline_store.ingest_position SET seen_at = clock_timestamp()
        WHERE stream = $1 AND filter = $2 AND owner = $3
        """
    static let startEpoch = """
        UPDATE thermocline_store.ingest_position
        SET stream_epoch = $4, stream_created = $5, last_seq = $6, last_msg_time = NULL, seen_at = clock_timestamp()
        WHERE stream = $1 AND filter = $2 AND owner = $3 AND stream_epoch < $4
        """

    // MARK: One batch

    static let fence = """
        UPDATE thermocline_store.ingest_position
        SET last_seq = $6, last_msg_time = $7, newest_event = greatest(newest_event, $8), seen_at = clock_timestamp()
        WHERE stream = $1 AND filter = $2 AND owner = $3 AND stream_epoch = $4 AND last_seq = $5
        """

    static func copy(_ type: RecordType) -> String {
        "COPY \(TierSQL.table(type)) (\(TierSQL.columns(type.allColumns))) FROM STDIN (FORMAT binary)"
    }

    /// The session's own staging table; its rows live as long as the transaction.
    static func makeStaging(_ type: RecordType) -> String {
        """
        CREATE TEMP TABLE IF NOT EXISTS staging_\(type.name)
        (LIKE \(TierSQL.table(type)) INCLUDING COMPRESSION INCLUDING DEFAULTS INCLUDING GENERATED)
        ON COMMIT DELETE ROWS
        """
    }
    static func copyToStaging(_ type: RecordType) -> String {
        "COPY pg_temp.staging_\(type.name) (\(TierSQL.columns(type.allColumns))) FROM STDIN (FORMAT binary)"
    }
    /// Not TRUNCATE: that makes another file each time, thousands in the one transaction that looks for bad rows.
    static func emptyStaging(_ type: RecordType) -> String { "DELETE FROM pg_temp.staging_\(type.name)" }

    /// Answers with the sequences of the rows that went in, the first of each key in the order of the stream.
    ///
    /// With our key as the target: without one it would swallow rows that break a constraint of the user's.
    static func appendStaging(_ type: RecordType) -> String {
        """
        INSERT INTO \(TierSQL.table(type)) (\(TierSQL.columns(type.allColumns)))
        SELECT \(TierSQL.columns(type.allColumns)) FROM pg_temp.staging_\(type.name)
        ORDER BY \(type.keyColumns.joined(separator: ", ")), stream_seq
        ON CONFLICT (\(type.keyColumns.joined(separator: ", "))) DO NOTHING
        RETURNING stream_seq
        """
    }

    /// The staged rows ($1: their sequences, $2 and $3: first and last event time) that the table holds with other
    /// content or not at all: sequence, sequence of the row that is held, whether one is, the key, what differs.
    ///
    /// LATERAL with LIMIT, so that no plan reads more of the table than one row a key.
    static func compareStaging(_ type: RecordType) -> String {
        let key = type.contentColumns.filter { type.keyColumns.contains($0.name) }
        let own = type.contentColumns.filter { !type.keyColumns.contains($0.name) }
        let match = key.map {
            $0.isNullable ? "h.\($0.name) IS NOT DISTINCT FROM s.\($0.name)" : "h.\($0.name) = s.\($0.name)"
        }
        let names = key.map { "'\($0.name) ' || coalesce(s.\($0.name)::text, 'null')" }
        let other = own.map { "CASE WHEN t.\($0.name) IS DISTINCT FROM s.\($0.name) THEN '\($0.name)' END" }
        return """
            SELECT * FROM (
                SELECT s.stream_seq, t.stream_seq, t.is_held, concat_ws(', ', \(names.joined(separator: ", "))) AS key,
                    concat_ws(', ', \(other.joined(separator: ", "))) AS differing
                FROM pg_temp.staging_\(type.name) s LEFT JOIN LATERAL (
                    SELECT true AS is_held, h.* FROM \(TierSQL.table(type)) h
                    WHERE \(match.joined(separator: " AND ")) AND h.ts >= $2 AND h.ts <= $3 LIMIT 1
                ) t ON true
                WHERE s.stream_seq = ANY ($1::bigint[])
            ) AS compared (seq, held_seq, is_held, key, differing)
            WHERE is_held IS NULL OR differing <> '' ORDER BY seq
            """
    }

    static let addActivity = """
        INSERT INTO thermocline_store.range_activity (type, bucket, writer, rows, stamp, min_ts, max_ts)
        SELECT $1, b.bucket, $2, b.rows, gen_random_uuid(), b.min_ts, b.max_ts
        FROM unnest($3::timestamptz[], $4::bigint[], $5::timestamptz[], $6::timestamptz[])
            AS b (bucket, rows, min_ts, max_ts)
        ORDER BY b.bucket
        \(addToActivity)
        """
    static let addGap = """
        INSERT INTO thermocline_store.gap (type, stream, filter, stream_epoch, cause, first_seq, last_seq, suspected)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """

    // MARK: Archive

    /// $1 = width of a range in microseconds, $2 = types.
    ///
    /// Rows of a null stamp count, and change nothing.
    static let activity = """
        SELECT type, start, md5(string_agg(
                bucket::text || ' ' || writer || ' ' || stamp::text, ',' ORDER BY bucket, writer COLLATE "C")
            FILTER (WHERE stamp IS NOT NULL)), sum(rows)
        FROM (
            SELECT *, floor(extract(epoch FROM bucket) * 1000000 / $1::bigint)::bigint * $1::bigint AS start
            FROM thermocline_store.range_activity WHERE type = ANY ($2::text[])
        ) AS a
        GROUP BY type, start
        """
    /// The same for one range ($1 start, $2 end, $3 type), inside a snapshot or a prune.
    static let activityOfRange = """
        SELECT md5(string_agg(
                bucket::text || ' ' || writer || ' ' || stamp::text, ',' ORDER BY bucket, writer COLLATE "C")
            FILTER (WHERE stamp IS NOT NULL)), coalesce(sum(rows), 0)
        FROM thermocline_store.range_activity WHERE bucket >= $1 AND bucket < $2 AND type = $3
        """
    /// Buckets by type ($1) and start ($2), with the start of their range ($3) and its stamp ($4).
    ///
    /// SKIP LOCKED: what a lane has in hand changes, and a lane that waits for these rows makes them anew.
    static let forgetActivity = """
        WITH locked AS (
            SELECT a.type, a.bucket, a.writer, a.rows, a.stamp, r.range_start, r.settled
            FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::text[])
                AS r (type, bucket, range_start, settled)
            JOIN thermocline_store.range_activity a ON a.type = r.type AND a.bucket = r.bucket
            FOR UPDATE OF a SKIP LOCKED
        ), emptied AS (
            SELECT type, unnest(array_agg(bucket)) AS bucket, unnest(array_agg(writer)) AS writer
            FROM locked GROUP BY type, range_start, settled
            HAVING sum(rows) = 0 AND md5(string_agg(
                    bucket::text || ' ' || writer || ' ' || stamp::text, ',' ORDER BY bucket, writer COLLATE "C")
                FILTER (WHERE stamp IS NOT NULL)) = settled
        )
        DELETE FROM thermocline_store.range_activity a USING emptied e
        WHERE a.type = e.type AND a.bucket = e.bucket AND a.writer = e.writer
        """
    /// Never later than hot's own clock: a stream and a feed that run ahead together make no row old.
    static let newestEvent = """
        SELECT \(TierSQL.micros("least(max(newest_event), now())")) FROM thermocline_store.ingest_position
        HAVING max(newest_event) IS NOT NULL
        """
    static let pruneRecords = """
        SELECT type, \(TierSQL.micros("range_start")), \(TierSQL.micros("range_end")), manifest, sha256
        FROM thermocline_store.prune_log
        """
    static let newestPrune = "\(pruneRecords) ORDER BY manifest DESC LIMIT 1"
    static let findPrune = """
        SELECT rows FROM thermocline_store.prune_log
        WHERE type = $1 AND range_start = $2 AND range_end = $3 AND manifest = $4
        """
    static let logPrune = """
        INSERT INTO thermocline_store.prune_log (type, range_start, range_end, manifest, sha256, rows, digest)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """
    /// What a prune took away, by bucket, under a writer of its own and without a stamp: it plans nothing.
    static let subtractActivity = """
        INSERT INTO thermocline_store.range_activity (type, bucket, writer, rows)
        SELECT $1, b.bucket, 'prune', -b.rows FROM unnest($2::timestamptz[], $3::bigint[]) AS b (bucket, rows)
        ORDER BY b.bucket
        ON CONFLICT (type, bucket, writer) DO UPDATE SET rows = range_activity.rows + excluded.rows
        """

    /// Reads partitions, never the parent: a partition detached meanwhile would read as empty there.
    ///
    /// Oldest first where they are to be packed: a unique key begins with `ts`, so there is an index to go by.
    static func readRows(
        _ type: RecordType,
        partitions: [String],
        _ range: TimeRange,
        _ filter: TransferFilter?,
        isOrdered: Bool
    ) -> String {
        let columns = TierSQL.columns(type.allColumns)
        let isMeant = filter.map { " AND \(TierSQL.inPart($0))" } ?? ""
        let parts = partitions.map {
            "SELECT \(columns) FROM thermocline_store.\($0) WHERE \(TierSQL.inRange(range))\(isMeant)"
        }
        return "COPY (\(parts.joined(separator: " UNION ALL "))\(isOrdered ? " ORDER BY ts" : "")) "
            + "TO STDOUT (FORMAT binary)"
    }

    /// Rows of a range that a filter leaves out.
    static func countLeftOut(partitions: [String], _ range: TimeRange, _ filter: TransferFilter) -> String {
        let parts = partitions.map {
            "SELECT FROM thermocline_store.\($0) WHERE \(TierSQL.inRange(range)) AND NOT (\(TierSQL.inPart(filter)))"
        }
        return "SELECT count(*) FROM (\(parts.joined(separator: " UNION ALL "))) AS left_out"
    }

    static func deleteRange(_ type: RecordType, _ range: TimeRange) -> String {
        "COPY (DELETE FROM \(TierSQL.table(type)) WHERE \(TierSQL.inRange(range)) "
            + "RETURNING \(TierSQL.columns(type.contentColumns))) TO STDOUT (FORMAT binary)"
    }
}

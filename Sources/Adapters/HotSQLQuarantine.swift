/// Statements on the messages kept aside.
extension HotSQL {
    static let addQuarantine = """
        INSERT INTO thermocline_store.quarantine
            (stream, seq, message_time, subject, headers, payload, reason, detail, sqlstate)
        SELECT $1, q.* FROM unnest($2::bigint[], $3::timestamptz[], $4::text[], $5::bytea[], $6::bytea[],
            $7::text[], $8::text[], $9::text[]) AS q
        ON CONFLICT (stream, seq, message_time) DO NOTHING
        """
    /// What the table takes on disk: what was deleted and not vacuumed yet counts too, and costs nothing to ask.
    static let quarantineBytes = "SELECT pg_total_relation_size('thermocline_store.quarantine')"
    /// What its messages take, 200 bytes each for short columns and index included: a scan that reads no payload.
    static let quarantineLiveBytes = """
        SELECT coalesce(sum(200 + pg_column_size(headers) + pg_column_size(payload)), 0)::bigint
        FROM thermocline_store.quarantine
        """
    static let vacuumQuarantine = "VACUUM thermocline_store.quarantine"

    /// $1 = first tokens of subjects, $2 = whether these or the others, $3 = reason, $4 = stream, $5 = since.
    private static let selected = """
        ($1::text[] IS NULL OR (split_part(subject, '.', 1) = ANY ($1::text[])) = $2::boolean)
            AND ($3::text IS NULL OR reason = $3) AND ($4::text IS NULL OR stream = $4)
            AND ($5::timestamptz IS NULL OR at >= $5)
        """
    private static let fields = """
        stream, seq, \(TierSQL.micros("message_time")), subject, reason, detail, sqlstate, octet_length(payload),
        \(TierSQL.micros("at"))
        """
    /// $6 = at most so many, the newest first.
    static let listQuarantine = """
        SELECT \(fields) FROM thermocline_store.quarantine WHERE \(selected)
        ORDER BY at DESC, stream, seq DESC, message_time DESC LIMIT $6
        """
    static let countQuarantine = """
        SELECT count(*), coalesce(sum(octet_length(payload)), 0)::bigint FROM thermocline_store.quarantine
        WHERE \(selected)
        """
    static let dropQuarantine = "DELETE FROM thermocline_store.quarantine WHERE \(selected)"
    static let showQuarantine = """
        SELECT \(fields), headers, payload FROM thermocline_store.quarantine
        WHERE stream = $1 AND seq = $2 ORDER BY at, message_time
        """
    /// The next page behind ($6, $7, $8), at most $9 messages.
    static let pageQuarantine = """
        SELECT \(fields) FROM thermocline_store.quarantine
        WHERE \(selected) AND ($6::text IS NULL OR (stream, seq, message_time) > ($6, $7::bigint, $8::timestamptz))
        ORDER BY stream, seq, message_time LIMIT $9
        """

    /// Messages of stream $1 by their sequences ($2) and times ($3).
    private static let named = """
        stream = $1 AND (seq, message_time) IN (SELECT * FROM unnest($2::bigint[], $3::timestamptz[]))
        """
    static let readQuarantine = "SELECT seq, payload FROM thermocline_store.quarantine WHERE \(named)"
    /// What another session replays or drops at this moment is left to it.
    static let lockQuarantine = """
        SELECT seq FROM thermocline_store.quarantine WHERE \(named) FOR UPDATE SKIP LOCKED
        """
    static let releaseQuarantine = "DELETE FROM thermocline_store.quarantine WHERE \(named)"
    /// Why messages stay: reasons ($4), details ($5), SQLSTATEs ($6).
    static let explainQuarantine = """
        UPDATE thermocline_store.quarantine q SET reason = n.reason, detail = n.detail, sqlstate = n.sqlstate
        FROM unnest($2::bigint[], $3::timestamptz[], $4::text[], $5::text[], $6::text[])
            AS n (seq, message_time, reason, detail, sqlstate)
        WHERE q.stream = $1 AND q.seq = n.seq AND q.message_time = n.message_time
            AND (q.reason, q.detail, q.sqlstate) IS DISTINCT FROM (n.reason, n.detail, n.sqlstate)
        """
}

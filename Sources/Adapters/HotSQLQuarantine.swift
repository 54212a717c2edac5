/// Statements on the messages kept aside.
extension HotSQL {
    static let addQuarantine = """
        INSERT INTO thermocline_store.quarantine
            (stream, seq, message_time, subject, headers, payload, reason, detail, sqlstate)
        SELECT $1, q.* FROM unnest($2::bigint[], $3::timestamptz[], $4::text[], $5::bytea[], $6::bytea[],
            $7::text[], $8::text[], $9::text[]) AS q
        ON CONFLICT (stream, seq, message_time) DO NOTHING
        """
    static let quarantineBytes = "SELECT pg_total_relation_size('thermocline_store.quarantine')"
}

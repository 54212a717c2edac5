import Records

/// What makes hot store a message once, by type: chosen by configuration, kept by `schema apply`.
extension HotSQL {
    static func recordTable(_ type: RecordType) -> [String] {
        TierSQL.recordTable(type, isKeyed: type.dedupe == .key)
    }

    static let deduplication = """
        CREATE TABLE IF NOT EXISTS thermocline_store.deduplication (
            type text COLLATE "C" PRIMARY KEY,
            dedupe text NOT NULL
        )
        """
    static func recordDeduplication(_ type: RecordType) -> String {
        """
        INSERT INTO thermocline_store.deduplication VALUES ('\(type.name)', '\(type.dedupe.rawValue)')
        ON CONFLICT (type) DO NOTHING
        """
    }
    /// Absent in a schema that an older program applied: there every type has its key.
    static let hasDeduplication = "SELECT to_regclass('thermocline_store.deduplication') IS NOT NULL"
    static let readDeduplication = "SELECT type, dedupe FROM thermocline_store.deduplication"
    static let changeDeduplication = """
        INSERT INTO thermocline_store.deduplication VALUES ($1, $2)
        ON CONFLICT (type) DO UPDATE SET dedupe = excluded.dedupe
        """
    /// Fences the lanes that run: each claims anew, and finds that its configuration is another.
    static let releaseLanes = "UPDATE thermocline_store.ingest_position SET owner = NULL WHERE owner IS NOT NULL"
    /// Takes those of the partitions with it.
    static func dropKey(_ type: RecordType) -> String {
        "DROP INDEX IF EXISTS thermocline_store.\(type.name)_key"
    }
    static func makeKey(_ type: RecordType, ofPartition name: String) -> String {
        TierSQL.uniqueKey(type, named: "\(name)_key", on: "thermocline_store.\(name)")
    }
    /// One key that a partition holds more than once, and how often.
    static func findRepeat(_ type: RecordType, in partition: String) -> String {
        let names = type.keyColumns.map { "'\($0) ' || coalesce(\($0)::text, 'null')" }
        return """
            SELECT concat_ws(', ', \(names.joined(separator: ", "))), count(*) FROM thermocline_store.\(partition)
            GROUP BY \(type.keyColumns.joined(separator: ", ")) HAVING count(*) > 1 LIMIT 1
            """
    }
}

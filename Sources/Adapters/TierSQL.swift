import Postgres
import Records
import Tiering

/// SQL that both tiers share: schemas, the tables behind the views, partitions, the archiver's fence.
///
/// Everything is idempotent, so that `schema apply` may run again. Portable: no triggers, domains, advisory locks,
/// `ctid`, and no sequence as identity.
enum TierSQL {
    /// What `schema_version` says where this program may work; it rises when the tables change shape.
    static let version = 3

    static func base(tier: String, bucketMicros: Int64) -> [String] {
        [
            "CREATE SCHEMA IF NOT EXISTS thermocline",
            "CREATE SCHEMA IF NOT EXISTS thermocline_store",
            """
            CREATE TABLE IF NOT EXISTS thermocline_store.schema_version (
                tier text PRIMARY KEY,
                version integer NOT NULL,
                bucket_micros bigint NOT NULL,
                applied_at timestamptz NOT NULL DEFAULT now()
            )
            """,
            """
            INSERT INTO thermocline_store.schema_version (tier, version, bucket_micros)
            VALUES ('\(tier)', \(version), \(bucketMicros)) ON CONFLICT (tier) DO NOTHING
            """,
            """
            CREATE TABLE IF NOT EXISTS thermocline_store.archive_fence (
                id integer PRIMARY KEY CHECK (id = 1),
                token bigint NOT NULL
            )
            """,
            "INSERT INTO thermocline_store.archive_fence VALUES (1, 0) ON CONFLICT (id) DO NOTHING",
            unpack,
            """
            CREATE TABLE IF NOT EXISTS thermocline_store.archive_session (
                token bigint NOT NULL,
                pid integer NOT NULL,
                backend_start timestamptz NOT NULL,
                PRIMARY KEY (pid, backend_start)
            )
            """,
        ]
    }

    static let readVersion = "SELECT tier, version, bucket_micros FROM thermocline_store.schema_version"
    /// Present only where `schema apply` ran: asked before anything else, so that its absence is no SQL error.
    static let hasSchema = "SELECT to_regclass('thermocline_store.schema_version') IS NOT NULL"

    // MARK: Record tables

    static func table(_ type: RecordType) -> String { "thermocline_store.\(type.name)" }
    static func view(_ type: RecordType) -> String { "thermocline.\(type.name)" }
    static func columns(_ columns: [Column]) -> String { columns.map(\.name).joined(separator: ", ") }

    /// Turns a list of decimals as it is stored (`PackedDecimals`) into what people read.
    ///
    /// Its body is parsed once, here, so that no search path changes what it does; and it is not called IMMUTABLE, as
    /// reading an array from text is not, so that PostgreSQL puts it in line.
    private static let unpack = """
        CREATE OR REPLACE FUNCTION thermocline_store.decimals(packed bytea) RETURNS numeric[]
        LANGUAGE sql STABLE PARALLEL SAFE
        RETURN ('{' || replace(replace(replace(rtrim(encode(packed, 'hex'), 'f'), 'c', ','), 'e', '.'), 'd', '-')
            || '}')::numeric[]
        """

    static func recordTable(_ type: RecordType, isKeyed: Bool) -> [String] {
        [
            """
            CREATE TABLE IF NOT EXISTS \(table(type)) (
            \(columnDefinitions(type))
            ) PARTITION BY RANGE (ts)
            """
        ] + (isKeyed ? [uniqueKey(type, named: "\(type.name)_key", on: table(type))] : []) + [
            "CREATE OR REPLACE VIEW \(view(type)) AS SELECT \(readableColumns(type)) FROM \(table(type))"
        ] + compression(type)
    }

    static func readableColumns(_ type: RecordType) -> String {
        type.allColumns.map { column in
            column.kind == .decimals ? "thermocline_store.decimals(\(column.name)) AS \(column.name)" : column.name
        }.joined(separator: ", ")
    }

    /// lz4 for what may be long, where the server was built with it: 2 to 9 times faster than its own method.
    private static func compression(_ type: RecordType) -> [String] {
        let columns = type.allColumns.filter { $0.kind == .decimals || $0.kind == .json }.map(\.name)
        let names = columns.map { "'\($0)'" }.joined(separator: ", ")
        // Once: the lock that it needs would make every lane wait.
        return [
            """
            DO $$ BEGIN
                IF EXISTS (SELECT FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals))
                    AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = '\(table(type))'::regclass
                        AND attname IN (\(names)) AND attcompression <> 'l')
                THEN
                    ALTER TABLE \(table(type))
                        \(columns.map { "ALTER \($0) SET COMPRESSION lz4" }.joined(separator: ", "));
                END IF;
            END $$
            """
        ]
    }

    static func columnDefinitions(_ type: RecordType) -> String {
        type.allColumns.map { "    \($0.name) \(sqlType($0))\($0.isNullable ? "" : " NOT NULL")" }
            .joined(separator: ",\n")
    }

    /// `ts` first: appends to the right edge cost half of what a key that starts with the exchange does.
    static func uniqueKey(_ type: RecordType, named name: String, on table: String) -> String {
        "CREATE UNIQUE INDEX IF NOT EXISTS \(name) ON \(table) (\(type.keyColumns.joined(separator: ", "))) "
            + "NULLS NOT DISTINCT"
    }

    static func sqlType(_ column: Column) -> String {
        switch column.kind {
        case .timestamp: "timestamptz"
        case .text: "text COLLATE \"C\""
        case .decimal: "numeric"
        case .decimals: "bytea"
        case .integer: "bigint"
        case .boolean: "boolean"
        case .json: "jsonb"
        }
    }

    /// A timestamp column as microseconds since 1970, so that no text form of a time is ever parsed.
    static func micros(_ column: String) -> String { "(extract(epoch FROM \(column)) * 1000000)::bigint" }

    // MARK: Partitions

    static func partitions(of type: RecordType) -> String {
        """
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = '\(table(type))'::regclass
        """
    }

    /// LIKE, CHECK, ATTACH: `PARTITION OF` would wait for every reader of the parent, and every writer for it.
    static func makePartition(_ partition: Partition, of type: RecordType, isKeyed: Bool) -> [String] {
        let name = "thermocline_store.\(partition.name)"
        let (start, end) = (partition.range.start, partition.range.end)
        return [
            """
            CREATE TABLE \(name) (LIKE \(table(type)) INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE
                INCLUDING COMPRESSION,
                CONSTRAINT \(partition.name)_range CHECK (ts >= '\(start)' AND ts < '\(end)'))
            """
        ] + (isKeyed ? [uniqueKey(type, named: "\(partition.name)_key", on: name)] : []) + [
            "ALTER TABLE \(table(type)) ATTACH PARTITION \(name) FOR VALUES FROM ('\(start)') TO ('\(end)')"
        ]
    }

    /// Serializes those who make partitions of one table; blocks neither readers nor writers.
    ///
    /// ONLY: without it every partition is locked too, and a VACUUM of any of them is waited for.
    static func lockForPartitions(_ type: RecordType) -> String {
        "LOCK TABLE ONLY \(table(type)) IN SHARE UPDATE EXCLUSIVE MODE"
    }

    // MARK: The archiver's fence

    static let fence = "SELECT 1 FROM thermocline_store.archive_fence WHERE token = $1 FOR SHARE"
    static let recordSession = """
        INSERT INTO thermocline_store.archive_session (token, pid, backend_start)
        SELECT $1, pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()
        ON CONFLICT (pid, backend_start) DO UPDATE SET token = excluded.token
        """
    static let terminateEarlierSessions = """
        SELECT count(pg_terminate_backend(a.pid)) FROM thermocline_store.archive_session s
        JOIN pg_stat_activity a ON a.pid = s.pid AND a.backend_start = s.backend_start
        WHERE s.token < $1
        """
    static let countEarlierSessions = """
        SELECT count(*) FROM thermocline_store.archive_session s
        JOIN pg_stat_activity a ON a.pid = s.pid AND a.backend_start = s.backend_start
        WHERE s.token < $1
        """
    static let forgetEarlierSessions = "DELETE FROM thermocline_store.archive_session WHERE token < $1"
    static let raiseFence = "UPDATE thermocline_store.archive_fence SET token = $1 WHERE token < $1"
    static let readFence = "SELECT token FROM thermocline_store.archive_fence"

    /// Rows of a range, content columns only, as readers see them.
    static func readContent(_ type: RecordType, _ range: TimeRange) -> String {
        "COPY (SELECT \(columns(type.contentColumns)) FROM \(view(type)) WHERE \(inRange(range))) "
            + "TO STDOUT (FORMAT binary)"
    }

    /// Whether rows `c` and `s` say the same.
    ///
    /// The required key columns by `=`, so that the index is used; the rest where null equals null.
    static func sameContent(_ type: RecordType) -> String { same(type.contentColumns) }
    static func sameKey(_ type: RecordType) -> String {
        same(type.contentColumns.filter { type.keyColumns.contains($0.name) })
    }
    private static func same(_ columns: [Column]) -> String {
        columns.map {
            $0.isNullable ? "c.\($0.name) IS NOT DISTINCT FROM s.\($0.name)" : "c.\($0.name) = s.\($0.name)"
        }.joined(separator: " AND ")
    }

    static func holdsAny(_ type: RecordType, _ range: TimeRange) -> String {
        "SELECT EXISTS (SELECT FROM \(table(type)) WHERE \(inRange(range)))"
    }

    static func inRange(_ range: TimeRange) -> String {
        "ts >= '\(range.start)' AND ts < '\(range.end)'"
    }

    /// Whether a row is of the part that a filter means; no value in it is null.
    static func inPart(_ filter: TransferFilter) -> String {
        let names = filter.names.map { "\($0.column) = \(SQLText.literal($0.value))" }
        return ((filter.time.map { [inRange($0)] } ?? []) + names).joined(separator: " AND ")
    }
}

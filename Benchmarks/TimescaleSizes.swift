import Postgres
import Records

/// What hot's rows take in TimescaleDB's compression, on a server that somebody else runs.
struct TimescaleSizes: Sendable {
    let conninfo: String

    init(_ conninfo: String) { self.conninfo = conninfo }

    private static let schema = "thermocline_bench"

    /// Copies the tables `once.<type>` of hot there, compresses them, and leaves nothing behind.
    func measure(_ hot: BenchDatabase, _ types: [RecordType]) async throws -> [RecordType: Double] {
        let connection = try await PostgresConnection(conninfo, applicationName: "bench")
        let drop = "DROP SCHEMA IF EXISTS \(Self.schema) CASCADE"
        let result = await Result {
            _ = try await connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
            _ = try await connection.execute(drop)
            _ = try await connection.execute("CREATE SCHEMA \(Self.schema)")
            var sizes: [RecordType: Double] = [:]
            for type in types { sizes[type] = try await measure(type, hot, connection) }
            return sizes
        }
        _ = try await connection.execute(drop)
        await connection.close()
        return try result.get()
    }

    /// In one chunk, as everything that is compared stands in one table; by series and time, as it advises.
    private func measure(
        _ type: RecordType,
        _ hot: BenchDatabase,
        _ connection: PostgresConnection
    ) async throws -> Double {
        let (source, table) = ("once.\(type.name)", "\(Self.schema).\(type.name)")
        let columns =
            try await hot.connection.execute(
                """
                SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
                FROM pg_attribute WHERE attrelid = '\(source)'::regclass AND attnum > 0 AND NOT attisdropped
                """
            ).scalar ?? ""
        let order = (["ts"] + type.key).joined(separator: ", ")
        _ = try await connection.execute("CREATE TABLE \(table) (\(columns))")
        _ = try await connection.execute(
            """
            SELECT create_hypertable('\(table)', 'ts', create_default_indexes => false,
                chunk_time_interval => interval '36500 days')
            """
        )
        _ = try await connection.execute(
            """
            ALTER TABLE \(table) SET (timescaledb.compress, timescaledb.compress_orderby = '\(order)',
                timescaledb.compress_segmentby = 'exchange, market_type, symbol')
            """
        )
        let names = type.allColumns.map(\.name).joined(separator: ", ")
        try await hot.connection.beginCopyOut(
            "COPY (SELECT \(names) FROM \(source)) TO STDOUT (FORMAT binary)"
        )
        try await connection.beginCopyIn("COPY \(table) (\(names)) FROM STDIN (FORMAT binary)")
        while let rows = try await hot.connection.nextCopyChunk(atMost: 1 << 20) {
            try await connection.writeCopy(rows)
        }
        _ = try await connection.endCopyIn()
        _ = try await connection.execute("SELECT count(compress_chunk(c)) FROM show_chunks('\(table)') c")
        let bytes = try await connection.execute("SELECT hypertable_size('\(table)')").scalar
        return bytes.flatMap(Double.init) ?? 0
    }
}

import Adapters
import Platform
import Postgres
import PrivateServers
import Records

/// The servers that everything is measured on, durable as in production, gone without a trace after `remove`.
struct BenchServers: Sendable {
    let nats: PrivateNATS
    let postgres: PrivatePostgres
    let directory: PrivateDirectory

    /// What differs from PostgreSQL's defaults, and why.
    ///
    /// No checkpoint and no autovacuum falls into a run by chance: a checkpoint is taken before each.
    static let parameters = [
        "shared_buffers": "512MB", "max_wal_size": "2GB", "checkpoint_timeout": "30min", "autovacuum": "off",
        "synchronous_commit": "on",
    ]
    static let bucketMicros: Int64 = 3_600_000_000

    static func start() async throws -> BenchServers {
        let directory = try PrivateDirectory("bench")
        let settings = PrivatePostgres.Settings(listensOnTCP: true, isDurable: true, parameters: parameters)
        let nats = try await PrivateNATS()
        do {
            return BenchServers(nats: nats, postgres: try await PrivatePostgres(settings), directory: directory)
        } catch {
            await nats.remove()
            directory.remove()
            throw error
        }
    }

    func remove() async {
        await nats.remove()
        await postgres.remove()
        directory.remove()
    }

    /// CPU seconds that both servers have used so far.
    func cpuSeconds() async -> ServerCPU {
        let (nats, postgres) = (await nats.pid ?? 0, await postgres.pid ?? 0)
        return ServerCPU(
            nats: ProcessFigures.cpuSeconds(ofTree: nats),
            postgres: ProcessFigures.cpuSeconds(ofTree: postgres)
        )
    }

    /// Runs `body` on an empty database, with the hot schema or without, and drops it afterwards.
    func withDatabase<R: Sendable>(
        schema: Bool = true,
        _ body: (BenchDatabase) async throws -> R
    ) async throws -> R {
        try await postgres.withDatabase(schema: schema ? .hot : nil, body)
    }
}

extension PrivatePostgres {
    /// Runs `body` on an empty database, with the schema of a tier or without, and drops it afterwards.
    ///
    /// What the run before left to be written is written first.
    nonisolated func withDatabase<R: Sendable>(
        schema: Tier?,
        format: ColdFormat = .rows,
        _ body: (BenchDatabase) async throws -> R
    ) async throws -> R {
        let name = try await freshDatabase()
        let result = await Result {
            let database = BenchDatabase(
                name: name,
                conninfo: conninfo(name),
                connection: try await PostgresConnection(conninfo(name), applicationName: "bench")
            )
            let result = await Result {
                if let schema { try await database.apply(schema, format) }
                _ = try await database.connection.execute("CHECKPOINT")
                return try await body(database)
            }
            await database.connection.close()
            return try result.get()
        }
        let admin = try await PostgresConnection(conninfo(), applicationName: "bench")
        _ = try await admin.execute("DROP DATABASE \(name) WITH (FORCE)")
        await admin.close()
        return try result.get()
    }
}

/// CPU seconds of the two servers.
struct ServerCPU: Sendable {
    var nats: Double
    var postgres: Double

    static func - (a: ServerCPU, b: ServerCPU) -> ServerCPU {
        ServerCPU(nats: a.nats - b.nats, postgres: a.postgres - b.postgres)
    }
}

/// One database for one run.
struct BenchDatabase: Sendable {
    let name: String
    let conninfo: String
    let connection: PostgresConnection

    func apply(_ tier: Tier, _ format: ColdFormat = .rows) async throws {
        try await SchemaKeeper(tier: tier, catalog: .standard, format: format)
            .apply(on: connection, bucketMicros: BenchServers.bucketMicros)
    }

    func number(_ sql: String) async throws -> Double {
        let answer = try await connection.execute(sql).scalar
        guard let number = answer.flatMap(Double.init) else { throw BenchError("\(sql): no number") }
        return number
    }

    /// Bytes on disk of a type's table with its partitions, indexes and TOAST.
    func tableBytes(_ type: RecordType) async throws -> Double {
        try await number(
            """
            SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('thermocline_store.\(type.name)')
            WHERE isleaf
            """
        )
    }
}

extension Result where Failure == any Error {
    /// Keeps what `body` returned or threw.
    init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}

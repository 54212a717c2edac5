import Adapters
import Platform
import Postgres
import PrivateServers
import Records
import Simulation

/// Bytes of a row of each type, in hot and in whatever may keep it for years.
///
/// What is compared stands in one table, written once: partitions of few rows would count pages of 8 KiB.
struct ColdSizes: Sendable {
    /// Where the rows come from.
    enum Origin: String, Sendable, CaseIterable { case recorded, simulated }

    /// How they are kept.
    enum Kept: String, Sendable, CaseIterable { case hot, dump, rows, segments, packed, timescale }

    /// Bytes of all rows of a type.
    typealias Sizes = [RecordType: Double]

    let options: BenchOptions
    let servers: BenchServers
    let say: @Sendable (String) -> Void

    private static let types = Catalog.standard.types

    static func name(_ type: RecordType, _ origin: Origin) -> String { "size \(type.name) \(origin)" }

    func run(into figures: inout Figures) async throws {
        for origin in Origin.allCases {
            let rows: [String: RowBatch]
            switch origin {
            case .simulated: rows = try simulated()
            case .recorded where Files.exists(options.recorded):
                rows = try SeedDecoding.recorded(options.recorded, Self.types)
            case .recorded:
                figures.note("no recorded sizes: \(options.recorded) is not there")
                continue
            }
            try await servers.withDatabase { hot in
                for type in Self.types { try await fill(hot.connection, type, rows[type.name] ?? RowBatch()) }
                try await measure(hot, origin, &figures)
            }
        }
    }

    /// The messages of a quiet market, of a month that is over, so that all of it is packed.
    private func simulated() throws -> [String: RowBatch] {
        var feedOptions = Feed.Options()
        (feedOptions.rate, feedOptions.poisonShare) = (100, 0)
        let ago = Int64(options.mix) * 10_000 + 40 * ArchiveLoad.dayMicros
        let start = Timestamp(micros: WallClock.now() - ago)
        var feed = Feed(seed: 6, start: start, options: feedOptions)
        var decoding = SeedDecoding(Self.types)
        for _ in 0..<options.mix {
            let message = feed.next()
            try decoding.add(message.subject, message.payload, at: message.at)
        }
        return decoding.rows
    }

    /// Each key once, in the partitions that the rows need.
    private func fill(_ connection: PostgresConnection, _ type: RecordType, _ rows: RowBatch) async throws {
        let columns = Self.columns(type)
        _ = try await connection.execute("CREATE TEMP TABLE seed_\(type.name) (LIKE thermocline_store.\(type.name))")
        _ = try await connection.copyIn(
            "COPY seed_\(type.name) (\(columns)) FROM STDIN (FORMAT binary)",
            rows: rows.copyBytes()
        )
        let width = type.partition == .day ? "day" : "month"
        let edges = try await connection.execute(
            """
            SELECT extract(epoch FROM t)::bigint, extract(epoch FROM t + interval '1 \(width)')::bigint
            FROM (SELECT DISTINCT date_trunc('\(width)', ts) FROM seed_\(type.name)) AS starts (t)
            """
        )
        for edge in edges.rows {
            let times = edge.compactMap { $0.flatMap(Int64.init) }.map { Timestamp(micros: $0 * 1_000_000) }
            try await connection.makePartition(of: type, from: times[0], to: times[1])
        }
        _ = try await connection.execute(
            """
            INSERT INTO thermocline_store.\(type.name) (\(columns))
            SELECT \(columns) FROM seed_\(type.name) ORDER BY ts ON CONFLICT DO NOTHING
            """
        )
        try await connection.noteActivity(of: type)
    }

    private func measure(_ hot: BenchDatabase, _ origin: Origin, _ figures: inout Figures) async throws {
        var counts: Sizes = [:]
        for type in Self.types { counts[type] = try await hot.number("SELECT count(*) FROM thermocline.\(type.name)") }
        func add(_ kept: Kept, _ sizes: Sizes) {
            for (type, bytes) in sizes {
                guard let rows = counts[type], rows > 0 else { continue }
                figures.add(bytes / rows, Self.name(type, origin), "\(kept)", .bytesPerRow)
                if kept == .hot { figures.add(rows, Self.name(type, origin), "\(kept)", .rows) }
            }
            // The first two are most of what anybody keeps; the report has all.
            let texts = Self.types.prefix(2).map { "\($0.name) \(((sizes[$0] ?? 0) / max(1, counts[$0] ?? 0)).brief)" }
            say("bytes a row, \(origin), \(kept): \(texts.joined(separator: ", "))")
        }
        add(.hot, try await sizes(hot))
        try await addEmpty(hot, .hot, origin, &figures)
        add(.dump, try await dumps(hot))
        if let server = options.timescale { add(.timescale, try await TimescaleSizes(server).measure(hot, Self.types)) }
        let cold = try await PrivatePostgres(
            PrivatePostgres.Settings(listensOnTCP: true, isDurable: true, parameters: BenchServers.parameters)
        )
        let result = await Result {
            for format in ColdFormat.allCases {
                let service = ArchiveService(
                    servers: servers,
                    hot: hot,
                    cold: cold,
                    format: format,
                    rows: Int(counts.values.reduce(0, +)),
                    options: options
                )
                _ = try await service.archive { database, _ in
                    add(format == .rows ? .rows : .segments, try await sizes(database, format))
                    guard format == .segments else { return }
                    try await service.pack(database)
                    add(.packed, try await sizes(database, format))
                    try await addEmpty(database, .packed, origin, &figures)
                }
            }
        }
        await cold.remove()
        try result.get()
    }

    /// What the tables of hot and of segments take before there is a row.
    private func addEmpty(
        _ database: BenchDatabase,
        _ kept: Kept,
        _ origin: Origin,
        _ figures: inout Figures
    ) async throws {
        for type in Self.types {
            let table = "thermocline_store.\(kept == .hot ? "" : "segment_")\(type.name)"
            _ = try await database.connection.execute("CREATE TABLE once.empty (LIKE \(table) INCLUDING ALL)")
            let bytes = try await database.number("SELECT pg_total_relation_size('once.empty')")
            _ = try await database.connection.execute("DROP TABLE once.empty")
            figures.add(bytes, Self.name(type, origin), "\(kept)", .emptyBytes)
        }
    }

    // MARK: One way of keeping

    private static func columns(_ type: RecordType) -> String {
        type.allColumns.map(\.name).joined(separator: ", ")
    }

    /// Of the rows, in a table of the same columns and key; of the segments, and of what no segment took.
    private func sizes(_ database: BenchDatabase, _ format: ColdFormat = .rows) async throws -> Sizes {
        var sizes: Sizes = [:]
        _ = try await database.connection.execute("CREATE SCHEMA IF NOT EXISTS once")
        for type in Self.types {
            let (table, copy) = ("thermocline_store.\(type.name)", "once.\(type.name)")
            _ = try await database.connection.executeScript(
                """
                DROP TABLE IF EXISTS \(copy);
                CREATE TABLE \(copy) (LIKE \(table) INCLUDING ALL);
                INSERT INTO \(copy) (\(Self.columns(type))) SELECT \(Self.columns(type)) FROM \(table) ORDER BY ts
                """
            )
            let isEmpty = try await database.number("SELECT count(*) FROM \(copy)") == 0
            let rows = isEmpty ? 0 : try await database.number("SELECT pg_total_relation_size('\(copy)')")
            guard format == .segments else {
                sizes[type] = rows
                continue
            }
            let segments = "thermocline_store.segment_\(type.name)"
            _ = try await database.connection.execute("VACUUM FULL \(segments)")
            sizes[type] = rows + (try await database.number("SELECT pg_total_relation_size('\(segments)')"))
        }
        return sizes
    }

    /// Of the tables that `sizes` left in hot, each in a file of its own.
    private func dumps(_ hot: BenchDatabase) async throws -> Sizes {
        var sizes: Sizes = [:]
        for type in Self.types {
            let file = "\(servers.directory.path)/dump-\(RandomID.hex(digits: 8))"
            let process = try await ChildProcess(
                try Program.dump.path(),
                ["-Fc", "-t", "once.\(type.name)", "-f", file, "-d", hot.conninfo]
            )
            let status = await process.waitForExit(within: .seconds(300))
            if status == nil { await process.stop() }
            guard status == .exited(0) else { throw BenchError("pg_dump of \(type.name) failed") }
            sizes[type] = Double(try File(reading: file, limit: 1 << 32).bytes.count)
            Files.remove(file)
        }
        return sizes
    }
}

extension ArchiveService {
    /// Lets the background join the segments of hours, until nothing waits for it.
    func pack(_ database: BenchDatabase) async throws {
        let settings = ["THERMOCLINE_COLD_PACK_ROWS": "1000000000", "THERMOCLINE_ARCHIVE_INTERVAL": "1s"]
        try await withService(on: database, settings.merging(Self.copyOnly) { $1 }) { process, log in
            let clock = ContinuousClock()
            let deadline = clock.now + .seconds(1_800)
            while try await database.number("SELECT count(*) FROM thermocline_store.packing") > 0 {
                guard process.isRunning, clock.now < deadline else {
                    throw BenchError("not everything was packed:\n\(ProcessFigures.text(log).suffix(2_000))")
                }
                try await clock.sleep(for: .milliseconds(100))
            }
        }
    }
}

import Adapters
import Platform
import Postgres
import PrivateServers
import Records

/// The real binary between a full hot database and an empty cold one, in one of cold's formats.
struct ArchiveService: Sendable {
    let servers: BenchServers
    let hot: BenchDatabase
    let cold: PrivatePostgres
    let format: ColdFormat
    /// All that hot holds.
    let rows: Int
    let options: BenchOptions

    static let copyOnly = ["THERMOCLINE_ARCHIVE_PRUNE": "false"]

    /// The real binary in its cold role, from its start until the ledger calls every range verified; `then` has the
    /// databases as they are afterwards, and the time that it took, in seconds.
    func archive<R: Sendable>(
        then: (BenchDatabase, Double) async throws -> R
    ) async throws -> (ArchiveCost, R) {
        _ = try await hot.connection.executeScript(
            """
            UPDATE thermocline_store.archive_fence SET token = 0;
            DELETE FROM thermocline_store.archive_session
            """
        )
        let ranges = try await hot.number(
            "SELECT count(DISTINCT (type, bucket)) FROM thermocline_store.range_activity"
        )
        return try await withCold(format) { database in
            let cost = try await measure { () async throws -> (Double, Int) in
                try await withService(on: database, Self.copyOnly) { process, log in
                    try await awaitVerified(Int(ranges), database, process, log)
                    return (
                        ProcessFigures.cpuSeconds(ofTree: process.pid),
                        ProcessFigures.peakResidentBytes(process.pid)
                    )
                }
            }
            return (cost, try await then(database, cost.seconds))
        }
    }

    /// What a process of ours is told of where the tiers are.
    func environment(_ database: BenchDatabase) -> [String: String] {
        [
            "THERMOCLINE_HOT_POSTGRES": hot.conninfo, "THERMOCLINE_COLD_POSTGRES": database.conninfo,
            "THERMOCLINE_COLD_LISTEN": "127.0.0.1:0", "THERMOCLINE_COLD_FORMAT": "\(format)",
        ]
    }

    /// The binary in its cold role, while `body` waits for what it does.
    func withService<R: Sendable>(
        on database: BenchDatabase,
        _ settings: [String: String],
        _ body: (_ process: ChildProcess, _ log: String) async throws -> R
    ) async throws -> R {
        let log = "\(servers.directory.path)/cold-\(RandomID.hex(digits: 16))"
        let process = try await ChildProcess(
            options.thermocline,
            ["cold"],
            environment: environment(database).merging(settings) { $1 },
            logFile: log
        )
        let result = await Result { try await body(process, log) }
        await process.stop(grace: .seconds(40))
        return try result.get()
    }

    private func awaitVerified(
        _ ranges: Int,
        _ database: BenchDatabase,
        _ process: ChildProcess,
        _ log: String
    ) async throws {
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(1_800)
        let sql =
            "SELECT count(*), count(*) FILTER (WHERE state NOT IN ('planned', 'copied', 'verified')), "
            + "count(*) FILTER (WHERE state = 'verified'), "
            + "sum(cold_rows) FILTER (WHERE state = 'verified') FROM thermocline_store.transfer"
        while clock.now < deadline {
            let row = try await database.connection.execute(sql).rows.first ?? []
            if row[1] != "0" { throw BenchError("ranges went wrong:\n\(ProcessFigures.text(log).suffix(2_000))") }
            if row[2] == "\(ranges)" {
                guard row[3] == "\(rows)" else { throw BenchError("\(row[3] ?? "no") rows verified of \(rows)") }
                return
            }
            guard process.isRunning else {
                throw BenchError("thermocline ended by itself:\n\(ProcessFigures.text(log).suffix(2_000))")
            }
            try await clock.sleep(for: .milliseconds(20))
        }
        throw BenchError("not everything was archived within 30 minutes")
    }

    /// Runs `body` on an empty cold database of this format.
    func withCold<R: Sendable>(
        _ format: ColdFormat,
        _ body: (BenchDatabase) async throws -> R
    ) async throws -> R {
        try await cold.withDatabase(schema: .cold, format: format, body)
    }

    private func serverSeconds() async -> Double {
        let (hot, cold) = (await servers.postgres.pid ?? 0, await cold.pid ?? 0)
        return ProcessFigures.cpuSeconds(ofTree: hot) + ProcessFigures.cpuSeconds(ofTree: cold)
    }

    /// What `body` takes of the servers, and what it says of its client.
    func measure(_ body: () async throws -> (client: Double, resident: Int)) async throws -> ArchiveCost {
        let clock = ContinuousClock()
        let before = await serverSeconds()
        let start = clock.now
        let outcome = try await body()
        let seconds = (clock.now - start) / .seconds(1)
        let million = Double(rows) / 1e6
        return ArchiveCost(
            seconds: seconds,
            rowsPerSecond: Double(rows) / seconds,
            serverSeconds: (await serverSeconds() - before) / million,
            clientSeconds: outcome.client / million,
            peakResidentBytes: outcome.resident
        )
    }
}

/// What moving all rows took; CPU is for a million rows.
struct ArchiveCost: Sendable {
    var seconds: Double
    var rowsPerSecond: Double
    var serverSeconds: Double
    var clientSeconds = 0.0
    var peakResidentBytes = 0
}

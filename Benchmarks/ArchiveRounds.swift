import Adapters
import Platform
import Postgres
import PrivateServers
import Records

/// From a full hot tier to a proved cold one in each of its formats, beside two `psql` that copy the same rows and
/// prove nothing.
struct ArchiveRounds: Sendable {
    let options: BenchOptions
    let servers: BenchServers
    let say: @Sendable (String) -> Void

    static let name = "archive"

    func run(into figures: inout Figures) async throws {
        let seed = try ArchiveSeed(recorded: options.recorded)
        let load = ArchiveLoad(trades: options.archiveTrades, seed: seed, now: Timestamp(micros: WallClock.now()))
        let rows = ArchiveSeed.types.map { "\(load.rows(of: $0).grouped) \($0.name)" }.joined(separator: ", ")
        say("archive: filling hot with \(rows), \(load.days) days of \(seed.origin)")
        figures.note("archive: \(rows), \(load.days) days, made of \(seed.origin)")
        // The cold tier is a server of its own, as in life; both share the cores.
        let cold = try await PrivatePostgres(
            PrivatePostgres.Settings(listensOnTCP: true, isDurable: true, parameters: BenchServers.parameters)
        )
        let result = await Result {
            // A hot of its own for each format: the last round prunes it.
            try await servers.withDatabase { first in
                try await servers.withDatabase { second in
                    let runs = zip(ColdFormat.allCases, [first, second]).map { format, hot in
                        ArchiveRun(servers: servers, hot: hot, cold: cold, format: format, load: load, options: options)
                    }
                    for run in runs { try await load.fill(run.hot.connection) }
                    for number in 1...options.archiveRounds { try await round(runs, number, &figures) }
                }
            }
        }
        await cold.remove()
        try result.get()
    }

    private func round(_ runs: [ArchiveRun], _ number: Int, _ figures: inout Figures) async throws {
        let title = "archive, round \(number) of \(options.archiveRounds)"
        let ceiling = try await runs[0].copy()
        figures.add(ceiling.rowsPerSecond, Self.name, "psql", .rowRate)
        figures.add(ceiling.serverSeconds, Self.name, "psql", .serverCPU)
        say("\(title): psql \(ceiling.rowsPerSecond.fixed(0)) rows/s in \(ceiling.seconds.fixed(1)) s")
        for run in runs {
            let isLast = number == options.archiveRounds
            let (own, way) = try await run.archive { cold, seconds in
                guard isLast else { return nil as (ArchiveReturn.Outcome, [ColdQueries.Time])? }
                let times = try await ColdQueries(run: run, cold: cold).run(say)
                return (try await ArchiveReturn(run: run, cold: cold).run(archivedIn: seconds), times)
            }
            add(own, of: run.format, v: ceiling, title, &figures)
            guard let (way, times) = way else { continue }
            figures.add(way.lockedMillis, Self.name, run.format.names("prune"), .lock)
            figures.add(way.restoredRows, Self.name, run.format.names("restore"), .rowRate)
            figures.add(way.restoredRows / ceiling.rowsPerSecond, Self.name, run.format.names("restore"), .rateRatio)
            say("archive, \(run.format): \(way)")
            for time in times { time.add(to: &figures) }
        }
    }

    private func add(
        _ own: ArchiveCost,
        of format: ColdFormat,
        v ceiling: ArchiveCost,
        _ title: String,
        _ figures: inout Figures
    ) {
        let (subject, ratio) = (format.names("thermocline"), own.rowsPerSecond / ceiling.rowsPerSecond)
        figures.add(own.rowsPerSecond, Self.name, subject, .rowRate)
        figures.add(own.serverSeconds, Self.name, subject, .serverCPU)
        figures.add(own.clientSeconds, Self.name, subject, .clientCPU)
        figures.add(Double(own.peakResidentBytes), Self.name, subject, .resident)
        figures.add(ratio, Self.name, subject, .rateRatio)
        say(
            "\(title): thermocline, \(format), \(own.rowsPerSecond.fixed(0)) rows/s in \(own.seconds.fixed(1)) s, "
                + "\(ratio.percent), \(own.peakResidentBytes >> 20) MiB"
        )
        say(
            "\(title): CPU a million rows: client \(own.clientSeconds.brief) s, servers "
                + "\(own.serverSeconds.brief) s, for psql \(ceiling.serverSeconds.brief) s"
        )
    }
}

extension ColdFormat {
    /// The name of what was measured with this format.
    func names(_ subject: String) -> String { self == .rows ? subject : "\(subject) \(self)" }
}

/// What moving all rows took; CPU is for a million rows.
struct ArchiveCost: Sendable {
    var seconds: Double
    var rowsPerSecond: Double
    var serverSeconds: Double
    var clientSeconds = 0.0
    var peakResidentBytes = 0
}

/// One way from hot into an empty cold database with the product's own keyed tables.
struct ArchiveRun: Sendable {
    let servers: BenchServers
    let hot: BenchDatabase
    let cold: PrivatePostgres
    let format: ColdFormat
    let load: ArchiveLoad
    let options: BenchOptions

    var rows: Int { ArchiveSeed.types.reduce(0) { $0 + load.rows(of: $1) } }

    /// `psql COPY TO | psql COPY FROM`, binary, one type after the other.
    func copy() async throws -> ArchiveCost {
        try await withCold { database in
            for type in ArchiveSeed.types { try await load.makePartitions(of: type, on: database.connection) }
            return try await measure { () async throws -> (Double, Int) in
                for type in ArchiveSeed.types { try await pipe(type, into: database) }
                return (0, 0)
            }
        }
    }

    private func pipe(_ type: RecordType, into database: BenchDatabase) async throws {
        let psql = try Program.psql.path()
        let table = "thermocline_store.\(type.name)"
        let columns = type.allColumns.map(\.name).joined(separator: ", ")
        let script = """
            set -e -o pipefail
            \(psql) "$HOT" -Xqc "COPY (SELECT \(columns) FROM \(table)) TO STDOUT (FORMAT binary)" \
            | \(psql) "$COLD" -Xqc "COPY \(table) (\(columns)) FROM STDIN (FORMAT binary)"
            """
        let process = try await ChildProcess(
            "/bin/bash",
            ["-c", script],
            environment: ["HOT": hot.conninfo, "COLD": database.conninfo]
        )
        let status = await process.waitForExit(within: .seconds(1_800))
        if status == nil { await process.stop() }
        guard status == .exited(0) else { throw BenchError("psql | psql did not copy \(type.name)") }
        let copied = Int(try await database.number("SELECT count(*) FROM \(table)"))
        guard copied == load.rows(of: type) else { throw BenchError("psql copied \(copied) rows of \(type.name)") }
    }

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
        let hours = ArchiveSeed.types.map(\.name).map { "'\($0)'" }.joined(separator: ", ")
        let ranges = try await hot.number(
            "SELECT count(DISTINCT (type, bucket)) FROM thermocline_store.range_activity WHERE type IN (\(hours))"
        )
        return try await withCold { database in
            let cost = try await measure { () async throws -> (Double, Int) in
                try await withService(on: database, ["THERMOCLINE_ARCHIVE_PRUNE": "false"]) { process, log in
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

    private func withCold<R: Sendable>(_ body: (BenchDatabase) async throws -> R) async throws -> R {
        try await cold.withDatabase(schema: .cold, format: format, body)
    }

    private func serverSeconds() async -> Double {
        let (hot, cold) = (await servers.postgres.pid ?? 0, await cold.pid ?? 0)
        return ProcessFigures.cpuSeconds(ofTree: hot) + ProcessFigures.cpuSeconds(ofTree: cold)
    }

    private func measure(_ body: () async throws -> (client: Double, resident: Int)) async throws -> ArchiveCost {
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

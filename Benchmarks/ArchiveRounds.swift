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
                        let service = ArchiveService(
                            servers: servers,
                            hot: hot,
                            cold: cold,
                            format: format,
                            rows: load.rows,
                            options: options
                        )
                        return ArchiveRun(service: service, load: load)
                    }
                    for run in runs { try await load.fill(run.service.hot.connection) }
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
            let format = run.service.format
            let isLast = number == options.archiveRounds
            let (own, way) = try await run.service.archive { cold, seconds in
                guard isLast else { return nil as (ArchiveReturn.Outcome, [ColdQueries.Time])? }
                let times = try await ColdQueries(run: run, cold: cold).run(say)
                return (try await ArchiveReturn(run: run, cold: cold).run(archivedIn: seconds), times)
            }
            add(own, of: format, v: ceiling, title, &figures)
            guard let (way, times) = way else { continue }
            figures.add(way.lockedMillis, Self.name, format.names("prune"), .lock)
            figures.add(way.restoredRows, Self.name, format.names("restore"), .rowRate)
            figures.add(way.restoredRows / ceiling.rowsPerSecond, Self.name, format.names("restore"), .rateRatio)
            say("archive, \(format): \(way)")
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

/// One way from hot into an empty cold database with the product's own keyed tables.
struct ArchiveRun: Sendable {
    let service: ArchiveService
    let load: ArchiveLoad

    /// `psql COPY TO | psql COPY FROM`, binary, one type after the other.
    func copy() async throws -> ArchiveCost {
        try await service.withCold(.rows) { database in
            for type in ArchiveSeed.types { try await load.makePartitions(of: type, on: database.connection) }
            return try await service.measure { () async throws -> (Double, Int) in
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
            environment: ["HOT": service.hot.conninfo, "COLD": database.conninfo]
        )
        let status = await process.waitForExit(within: .seconds(1_800))
        if status == nil { await process.stop() }
        guard status == .exited(0) else { throw BenchError("psql | psql did not copy \(type.name)") }
        let copied = Int(try await database.number("SELECT count(*) FROM \(table)"))
        guard copied == load.rows(of: type) else { throw BenchError("psql copied \(copied) rows of \(type.name)") }
    }
}

import Glibc
import Platform
import Postgres
import PrivateServers
import Records

/// The real binary in its hot role, on the servers of the benchmark and with every option at its default.
struct ThermoclineProcess: Sendable {
    private let process: ChildProcess
    private let logFile: String

    var pid: Int32 { process.pid }
    var cpuSeconds: Double { ProcessFigures.cpuSeconds(ofTree: pid) }

    /// Starts it; `acknowledges` is `nats.ack: all`, else none; `existing` is a type that has its stream.
    init(
        _ binary: String,
        _ servers: BenchServers,
        _ database: BenchDatabase,
        acknowledges: Bool = true,
        existing: String = "trade"
    ) async throws {
        logFile = "\(servers.directory.path)/thermocline-\(RandomID.hex(digits: 16))"
        let environment = [
            "THERMOCLINE_NATS_URL": servers.nats.url, "THERMOCLINE_HOT_POSTGRES": database.conninfo,
            "THERMOCLINE_HOT_LISTEN": "127.0.0.1:0", "THERMOCLINE_NATS_ACK": acknowledges ? "all" : "none",
            // Its stream is there, so that none is made for types that are not published.
            "THERMOCLINE_NATS_CREATE_STREAMS": existing,
        ]
        process = try await ChildProcess(binary, ["hot"], environment: environment, logFile: logFile)
    }

    /// Stops it as an operator does.
    func stop() async { await process.stop(SIGTERM, grace: .seconds(40)) }

    func kill() async { await process.stop(SIGKILL) }

    /// Throws where it has ended by itself, with the end of what it said.
    func checkRunning() throws(BenchError) {
        if process.isRunning { return }
        throw BenchError("thermocline ended by itself:\n\(ProcessFigures.text(logFile).suffix(2_000))")
    }
}

/// Runs of the real binary from a full stream to the last committed row.
struct EndToEndRun: Sendable {
    struct Outcome: Sendable {
        var cost: RunCost
        /// On disk, with index and TOAST, for a workload of one type.
        var bytesPerRow: Double?
    }

    let servers: BenchServers
    let prepared: Prepared
    let binary: String

    /// Runs it once on an empty database.
    ///
    /// The time begins when the first lane is claimed and ends when the last position is seen committed; the CPU time
    /// is that of the whole life of the process until then.
    func run(acknowledges: Bool, in database: BenchDatabase) async throws -> Outcome {
        let before = await servers.cpuSeconds()
        let process = try await ThermoclineProcess(
            binary,
            servers,
            database,
            acknowledges: acknowledges,
            existing: prepared.workload.type?.name ?? "trade"
        )
        do {
            let end = try await awaitStored(process, database)
            let used = await servers.cpuSeconds() - before
            let begin = try await database.number(
                "SELECT extract(epoch FROM min(claimed_at)) FROM thermocline_store.ingest_position"
            )
            let cost = RunCost(
                messages: prepared.messages,
                seconds: Double(end) / 1e6 - begin,
                servers: used,
                client: process.cpuSeconds,
                peakResidentBytes: ProcessFigures.peakResidentBytes(process.pid)
            )
            await process.stop()
            return Outcome(cost: cost, bytesPerRow: try await bytesPerRow(database))
        } catch {
            await process.kill()
            throw error
        }
    }

    /// Speed counts only where every row is there.
    private func bytesPerRow(_ database: BenchDatabase) async throws -> Double? {
        var rows = 0
        for type in Set(prepared.batches.map(\.type)) {
            rows += Int(try await database.number("SELECT count(*) FROM thermocline.\(type)"))
        }
        guard rows == prepared.rows else { throw BenchError("\(rows) rows stored of \(prepared.rows)") }
        guard let type = prepared.workload.type else { return nil }
        return try await database.tableBytes(type) / Double(rows)
    }

    /// Waits until every lane stands at the end of what was published for it; returns the wall clock then.
    private func awaitStored(_ process: ThermoclineProcess, _ database: BenchDatabase) async throws -> Int64 {
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(300)
        while clock.now < deadline {
            let rows = try await database.connection.execute(Self.positions).rows
            if isStored(rows) { return WallClock.now() }
            try process.checkRunning()
            // Often enough for a run of seconds, too seldom to cost the database anything.
            try await clock.sleep(for: .milliseconds(10))
        }
        throw BenchError("not everything was stored within 300 s")
    }

    private static let positions = "SELECT stream, filter, last_seq FROM thermocline_store.ingest_position"

    private func isStored(_ rows: [[String?]]) -> Bool {
        var positions: [String: UInt64] = [:]
        for row in rows {
            guard let stream = row[0], let filter = row[1] else { continue }
            positions["\(stream)/\(filter.prefix { $0 != "." })"] = row[2].flatMap { UInt64($0) }
        }
        return prepared.ends.allSatisfy { place, end in
            let stream = place.prefix { $0 != "/" }
            return max(positions[place] ?? 0, positions["\(stream)/>"] ?? 0) >= end
        }
    }
}

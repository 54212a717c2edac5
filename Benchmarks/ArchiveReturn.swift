import Platform
import Postgres
import PrivateServers
import Records

/// The way out of hot and back, of rows that are archived: every day is pruned, and one of trades restored.
struct ArchiveReturn: Sendable {
    struct Outcome: Sendable, CustomStringConvertible {
        /// Rows of the largest day.
        var prunedRows: Int
        /// The longest that a prune held its exclusive lock, in milliseconds.
        var lockedMillis: Double
        /// Restored, proved and pinned, in rows a second.
        var restoredRows: Double

        var description: String {
            "a prune of up to \(prunedRows.grouped) rows locked for \(lockedMillis.fixed(0)) ms; "
                + "restored \(restoredRows.fixed(0)) rows/s"
        }
    }

    let run: ArchiveRun
    let cold: BenchDatabase

    func run(archivedIn seconds: Double) async throws -> Outcome {
        let (rows, locked) = try await prune()
        let day = "\(run.load.start)"
        let end = "\(run.load.start.advanced(byMicros: ArchiveLoad.dayMicros))"
        let start = ContinuousClock.now
        let process = try await ChildProcess(
            run.service.options.thermocline,
            ["restore", "--type", "trade", "--from", day, "--to", end],
            environment: run.service.environment(cold)
        )
        let status = await process.waitForExit(within: .seconds(1_800))
        let took = start.duration(to: .now) / .seconds(1)
        if status == nil { await process.stop() }
        guard status == .exited(0) else { throw BenchError("a day was not restored") }
        let table = "thermocline.trade WHERE ts >= '\(day)' AND ts < '\(end)'"
        let back = try await run.service.hot.number("SELECT count(*) FROM \(table)")
        guard back == (try await cold.number("SELECT count(*) FROM \(table)")), back > 0 else {
            throw BenchError("hot holds \(back) rows of the day that was restored")
        }
        return Outcome(prunedRows: rows, lockedMillis: locked, restoredRows: back / took)
    }

    /// Lets every partition rest, and reads in the log what the largest held and the longest that one was locked.
    private func prune() async throws -> (rows: Int, lockedMillis: Double) {
        // Nothing is pruned before an event tells that time went on.
        _ = try await run.service.hot.connection.execute(
            "INSERT INTO thermocline_store.ingest_position (stream, filter, newest_event) VALUES ('bench', '>', now())"
        )
        let settings = ["THERMOCLINE_ARCHIVE_PRUNE": "true", "THERMOCLINE_HOT_RETENTION": "1h"]
        return try await run.service.withService(on: cold, settings) { process, log in
            let clock = ContinuousClock()
            let deadline = clock.now + .seconds(600)
            let left = "SELECT count(*) FROM thermocline_store.transfer WHERE state <> 'pruned'"
            while try await cold.number(left) > 0 {
                guard process.isRunning, clock.now < deadline else {
                    throw BenchError("not everything was pruned:\n\(ProcessFigures.text(log).suffix(2_000))")
                }
                try await clock.sleep(for: .milliseconds(50))
            }
            let rests = try ProcessFigures.text(log).split(separator: "\n")
                .filter { $0.contains("\"partition rests\"") }.map { try JSONValue(parsing: Array($0.utf8)) }
            let rows = rests.compactMap { $0["rows"]?.double }
            let locked = rests.compactMap { $0["duration_ms"]?.double }
            guard locked.count == ArchiveSeed.types.count * Int(run.load.days), let longest = locked.max(),
                let largest = rows.max()
            else { throw BenchError("\(rests.count) partitions rest") }
            return (Int(largest), longest)
        }
    }
}

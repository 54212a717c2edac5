import Foundation
import PrivateServers
import TestSupport
import Testing
import Postgres

/// `thermocline demo` as a person runs it, its output going into a file.
@Suite(.serialized, .slow, .timeLimit(.minutes(5)))
struct DemoTests {
    @Test(.enabled(if: DemoRun.canRun)) func `it accounts for every message and leaves nothing behind`() async throws {
        let run = try await DemoRun("--seconds", "5")
        #expect(await run.process.waitForExit(within: .seconds(120)) == .exited(0), "\(run.output)")
        let figures = try run.figures()
        #expect(figures["published"].map { $0 > 1_000 } == true)
        #expect(
            figures["quarantined"] != 0 && figures["repeated"] != 0,
            "poison and duplicates are published on purpose"
        )
        #expect(figures["duplicated"] == 0 && figures["lost"] == 0)
        #expect(figures["ranges_verified"] != 0 && figures["ranges_pruned"] != 0)
        #expect(try run.leftovers() == [])
    }

    @Test(.enabled(if: DemoRun.canRun)) func `Ctrl-C ends the feed, and everything is audited all the same`()
        async throws
    {
        let run = try await DemoRun("--seconds", "0")
        try await poll("rows are stored", within: .seconds(60)) { run.output.contains(/stored=[1-9]/) }
        run.process.send(SIGINT)
        #expect(await run.process.waitForExit(within: .seconds(120)) == .exited(0), "\(run.output)")
        let figures = try run.figures()
        #expect(figures["duplicated"] == 0 && figures["lost"] == 0 && figures["published"] != 0)
        #expect(try run.leftovers() == [])
    }

    @Test(.enabled(if: DemoRun.canRun)) func `a second Ctrl-C ends it at once, and leaves nothing behind`() async throws
    {
        let run = try await DemoRun("--seconds", "0")
        try await poll("rows are stored", within: .seconds(60)) { run.output.contains(/stored=[1-9]/) }
        run.process.send(SIGINT)
        run.process.send(SIGTERM)
        #expect(await run.process.waitForExit(within: .seconds(60)) == .exited(1))
        #expect(run.output.hasSuffix("not audited\n"), "\(run.output)")
        #expect(try run.leftovers() == [])
    }

    @Test(.enabled(if: DemoRun.canRun)) func `a row that somebody deletes from cold is missed`() async throws {
        let run = try await DemoRun("--seconds", "0")
        let ports = try await poll("the address of the databases", within: .seconds(60)) {
            run.output.firstMatch(of: /-p (\d+) \(hot\), (\d+) \(cold\)/)
        }
        let hot = try await PostgresConnection(Self.conninfo(ports.1), applicationName: "vandal")
        let cold = try await PostgresConnection(Self.conninfo(ports.2), applicationName: "vandal")
        try await poll("a trade is in cold alone, and gone", within: .seconds(60)) {
            let oldest = try await hot.execute("SELECT min(ts) FROM thermocline.trade").scalar
            return try await cold.execute(
                """
                DELETE FROM thermocline_store.trade WHERE (ts, trade_id) = (
                    SELECT ts, trade_id FROM thermocline.trade WHERE ts < $1
                    ORDER BY ts LIMIT 1)
                """,
                [oldest]
            ).affected == 1
        }
        await hot.close()
        await cold.close()
        run.process.send(SIGINT)
        #expect(await run.process.waitForExit(within: .seconds(120)) == .exited(1), "\(run.output)")
        #expect(try run.figures()["lost"] == 1)
        #expect(run.output.contains("lost: trade/"))
        #expect(try run.leftovers() == [])
    }

    private static func conninfo(_ port: Substring) -> String {
        "host=127.0.0.1 port=\(port) user=\(PrivatePostgres.user) dbname=postgres"
    }
}

/// One run of the program that was built with these tests.
private final class DemoRun: Sendable {
    let process: ChildProcess
    private let file = FileManager.default.temporaryDirectory.appending(path: "demo-\(UUID().uuidString).out")

    static var canRun: Bool { Program.areInstalled(PrivateNATS.programs + PrivatePostgres.programs) }

    /// Beside the test bundle, which on Linux is the program that runs.
    private static let program = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        .appending(path: "thermocline").path()

    init(_ arguments: String...) async throws {
        process = try await ChildProcess(Self.program, ["demo"] + arguments, logFile: file.path())
    }

    deinit { unlink(file.path()) }

    var output: String { (try? String(contentsOf: file, encoding: .utf8)) ?? "" }

    /// The figures of the last line, which is the one line that begins with `demo: `.
    func figures() throws -> [String: Int] {
        let lines = output.split(separator: "\n").filter { $0.hasPrefix("demo: ") }
        #expect(lines.count == 1 && output.hasSuffix("\(lines.last ?? "")\n"), "\(output)")
        let line = try #require(lines.last)
        let names = [
            "published", "stored", "quarantined", "repeated", "duplicated", "lost", "ranges_verified", "ranges_pruned",
        ]
        let pattern = try Regex("demo: " + names.map { "\($0)=[0-9]+" }.joined(separator: " "))
        #expect(line.wholeMatch(of: pattern) != nil, "\(line)")
        let pairs = line.matches(of: /([a-z_]+)=(\d+)/).map { (String($0.1), Int($0.2) ?? -1) }
        let figures = Dictionary(pairs) { $1 }
        let parts = ["stored", "quarantined", "repeated", "lost"].compactMap { figures[$0] }
        #expect(figures["published"] == parts.reduce(0, +), "\(line)")
        return figures
    }

    /// Directories and processes that bear the run's pid in their names.
    func leftovers() throws -> [String] {
        let mark = "-\(process.pid)-"
        let files = try FileManager.default.contentsOfDirectory(atPath: "/tmp").filter {
            $0.hasPrefix("thermocline-") && $0.contains(mark)
        }
        let commands = try FileManager.default.contentsOfDirectory(atPath: "/proc").filter { Int($0) != nil }.compactMap
        {
            // Processes come and go while we look.
            (try? Data(contentsOf: URL(filePath: "/proc/\($0)/cmdline"))).map { String(decoding: $0, as: UTF8.self) }
        }
        return files + commands.filter { $0.contains("/tmp/thermocline-") && $0.contains(mark) }
    }
}

import Foundation
import Platform
import PrivateServers
import TestSupport
import Testing

/// `bench` with counts so small that its figures mean nothing: it must run to its end and say everything.
@Suite(.serialized, .slow, .timeLimit(.minutes(5)))
struct BenchTests {
    /// It lies beside the program, and is built with all other targets.
    private static let path = URL(filePath: Daemon.path).deletingLastPathComponent().appending(path: "bench").path
    private static let canRun =
        Program.areInstalled(PrivateNATS.programs + PrivatePostgres.programs)
        && FileManager.default.isExecutableFile(atPath: path)

    @Test(.enabled(if: canRun, "needs the servers and the built bench"))
    func `a small benchmark measures everything and writes its figures into the document`() async throws {
        let directory = try PrivateDirectory("bench-test")
        let document = "\(directory.path)/benchmarks.md"
        try FileManager.default.copyItem(
            atPath: DeployFiles.root.appending(path: "docs/benchmarks.md").path,
            toPath: document
        )
        let environment = [
            "BENCH_ROUNDS": "1", "BENCH_TRADES": "3000", "BENCH_BOOKS": "100", "BENCH_MIX": "3000",
            "BENCH_SECONDS": "1",
            "BENCH_KILLS": "1", "ROWS": "2000", "BENCH_JSON": "\(directory.path)/bench.json",
            // Without recorded data: years of them are thousands of ranges.
            "THERMOCLINE_BENCH_PEERS": "none", "THERMOCLINE_TEST_DATA": directory.path,
        ]
        let output = try await run([], environment, in: directory)
        let json = try JSONValue(parsing: Array(Data(contentsOf: URL(filePath: "\(directory.path)/bench.json"))))
        let measured = (json["figures"]?.array ?? []).filter { $0["median"]?.double.map { $0 > 0 } ?? false }
        let subjects = Set(measured.map { "\($0["workload"]?.string ?? "") \($0["subject"]?.string ?? "")" })
        for workload in ["trades", "books", "mix"] {
            for subject in ["fetch all", "fetch none", "copy", "thermocline all", "thermocline none"] {
                #expect(subjects.contains("\(workload) \(subject)"), "\(output)")
            }
        }
        #expect(subjects.contains("books copy numeric[]"))
        #expect(subjects.contains("archive psql") && subjects.contains("archive thermocline"))
        #expect(subjects.contains("archive thermocline segments") && subjects.contains("archive restore segments"))
        for source in ["rows", "view", "function"] { #expect(subjects.contains("query hour \(source)"), "\(output)") }
        for kept in ["hot", "dump", "rows", "segments"] {
            #expect(subjects.contains("size trade simulated \(kept)"), "\(output)")
        }
        #expect(
            subjects.contains("latency 5000 thermocline all") && subjects.contains("recovery 10000 thermocline all")
        )
        #expect(output.split(separator: "\n").filter { $0.count > 100 } == [])

        _ = try await run(["--markdown", document], environment, in: directory)
        let text = try String(contentsOfFile: document, encoding: .utf8)
        #expect(text.contains("### trades") && text.contains("## What loses"))
        #expect(FileManager.default.contents(atPath: document).map { $0.count < 40_000 } ?? false)
    }

    private func run(
        _ arguments: [String],
        _ environment: [String: String],
        in directory: PrivateDirectory
    ) async throws -> String {
        let log = "\(directory.path)/bench-\(UUID().uuidString)"
        let process = try await ChildProcess(Self.path, arguments, environment: environment, logFile: log)
        let status = await process.waitForExit(within: .seconds(200))
        await process.stop(SIGKILL)
        let output = try String(contentsOfFile: log, encoding: .utf8)
        #expect(status == .exited(0), "\(output)")
        return output
    }
}

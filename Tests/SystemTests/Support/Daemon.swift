import Foundation
import Platform
import PrivateServers
import TestSupport

/// One process of the program that was built beside these tests.
final class Daemon: Sendable {
    let process: ChildProcess
    let logFile: String

    /// The program lies where the test executable does, whatever the scratch path.
    static let path: String = {
        let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let directory = URL(filePath: own ?? CommandLine.arguments[0]).deletingLastPathComponent()
        return directory.appending(path: "thermocline").path
    }()

    /// Starts `thermocline` with `arguments`; everything it writes goes to a file of its own in `directory`.
    init(_ arguments: [String], environment: [String: String] = [:], in directory: PrivateDirectory) async throws {
        logFile = "\(directory.path)/\(arguments.first ?? "thermocline")-\(UUID().uuidString)"
        process = try await ChildProcess(Self.path, arguments, environment: environment, logFile: logFile)
    }

    /// What it has written so far.
    var output: String { String(decoding: FileManager.default.contents(atPath: logFile) ?? Data(), as: UTF8.self) }

    /// Its log lines so far; what is no JSON is left out.
    var log: [JSONValue] {
        output.split(separator: "\n").compactMap { try? JSONValue(parsing: Array($0.utf8)) }
    }

    /// Log lines with this message.
    func lines(_ message: String) -> [JSONValue] { log.filter { $0["message"]?.string == message } }

    /// Runs it to its end, for commands that end by themselves.
    func status(within limit: Duration = .seconds(30)) async throws -> ChildProcess.ExitStatus {
        guard let status = await process.waitForExit(within: limit) else {
            await process.stop(SIGKILL)
            throw PollTimeout(description: "not within \(limit): the end of the program\n\(output)")
        }
        return status
    }

    func kill() async { await process.stop(SIGKILL) }

    /// Asks it to stop and waits until it has.
    @discardableResult
    func stop() async -> ChildProcess.ExitStatus { await process.stop(SIGTERM, grace: .seconds(40)) }

    // MARK: HTTP

    /// The port that the pages of a role were given; waits until they are there.
    func port(_ role: String) async throws -> UInt16 {
        try await poll("\(role) pages", within: .seconds(20)) {
            guard process.isRunning else { throw PollTimeout(description: "it ended: \(output.suffix(2_000))") }
            let line = lines("listening").first { $0["service"]?.string == "\(role) pages" }
            return line?["address"]?.string?.split(separator: ":").last.flatMap { UInt16($0) }
        }
    }

    func get(_ role: String, _ path: String) async throws -> RawClient.Response {
        try await RawClient.request(try await port(role), "GET", path)
    }

    /// `GET` of a page that answers with JSON.
    func json(_ role: String, _ path: String) async throws -> JSONValue {
        try JSONValue(parsing: Array(try await get(role, path).body.utf8), limits: JSONLimits(bytes: 64 << 20))
    }

    /// Status code, `status` and the findings of `/health`.
    func health(_ role: String) async throws -> (code: Int, status: String, trouble: String) {
        let response = try await get(role, "/health")
        let json = try JSONValue(parsing: Array(response.body.utf8))
        let trouble = json["trouble"]?.array?.compactMap(\.string).joined(separator: "\n") ?? ""
        return (response.status, json["status"]?.string ?? "", trouble)
    }

    /// Waits until a role is degraded, or unhealthy, and says so in these words.
    func awaitTrouble(
        _ words: [String],
        _ role: String = "hot",
        status: String = "degraded",
        within limit: Duration = .seconds(30)
    ) async throws {
        var last = ""
        do {
            try await poll("trouble", within: limit) {
                let health = try await health(role)
                last = "\(health)"
                return health.code == (status == "unhealthy" ? 503 : 200) && health.status == status
                    && words.allSatisfy(health.trouble.contains)
            }
        } catch is PollTimeout {
            throw PollTimeout(description: "not within \(limit): \(role) \(status), saying \(words); it says \(last)")
        }
    }

    func awaitHealthy(_ role: String = "hot", within limit: Duration = .seconds(60)) async throws {
        try await poll("\(role) is healthy again", within: limit) { try await health(role).status == "healthy" }
    }
}

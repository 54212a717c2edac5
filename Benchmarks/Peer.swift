import Glibc
import Platform
import PrivateServers

/// Another program for the same job, kept beside the project and never copied into it.
protocol Peer: Sendable {
    var name: String { get }
    /// Makes its Python environment where there is none.
    ///
    /// Throws: `BenchError` where that fails, for example without a network.
    func prepare() async throws
    /// Runs it once; nil for a workload that it cannot do.
    func run(_ prepared: Prepared, _ servers: BenchServers) async throws -> RunCost?
}

/// A peer's script and the Python environment that it runs in.
struct PeerProgram: Sendable {
    let script: String
    let environment: String
    let packages: [String]

    var python: String { "\(environment)/bin/python" }

    /// `python3 -m venv` and `pip install`, once; the environment stays for the next run.
    func prepare() async throws {
        let done = "\(environment)/installed"
        guard !Files.exists(done) else { return }
        Files.makeDirectory(environment)
        guard Files.exists(environment) else { throw BenchError("\(environment) cannot be made") }
        try await run(["python3", "-m", "venv", environment], within: .seconds(120))
        try await run(["\(environment)/bin/pip", "install", "-q"] + packages, within: .seconds(600))
        try Files.write(packages.joined(separator: "\n"), to: done)
    }

    private func run(_ command: [String], within limit: Duration) async throws {
        let log = "\(environment)/install.log"
        let process = try await ChildProcess(Program.env.path(), command, logFile: log)
        guard try await process.end(within: limit) == .exited(0) else {
            throw BenchError("\(command.joined(separator: " ")): \(ProcessFigures.text(log).suffix(500))")
        }
    }

    /// Writes the script with other names for keys, addresses and columns, as its README asks, and returns its path.
    ///
    /// Throws: `BenchError` where a text to replace is not there: another version of the peer.
    func patched(_ substitutions: [(String, String)], in directory: PrivateDirectory) throws -> String {
        var text = String(decoding: try File(reading: script).bytes, as: UTF8.self)
        for (old, new) in substitutions {
            guard text.contains(old) else { throw BenchError("\(script) does not hold: \(old)") }
            text = text.replacing(old, with: new)
        }
        let path = "\(directory.path)/peer-\(RandomID.hex(digits: 8)).py"
        try Files.write(text, to: path)
        return path
    }
}

extension ChildProcess {
    /// Waits for its end, and brings it about after `limit` or when the task is cancelled; nil if it had to.
    func end(within limit: Duration) async throws -> ExitStatus? {
        let deadline = ContinuousClock.now + limit
        do {
            while isRunning, ContinuousClock.now < deadline {
                try await ContinuousClock().sleep(for: .milliseconds(20))
            }
        } catch {
            await stop(SIGKILL)
            throw error
        }
        defer { send(SIGKILL) }
        return exitStatus
    }
}

import Foundation
import PrivateServers
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(1)))
struct ChildProcessTests {
    @Test func `the exit status is kept`() async throws {
        let child = try await ChildProcess("/bin/sh", ["-c", "exit 7"])
        #expect(await child.waitForExit(within: .seconds(10)) == .exited(7))
        #expect(child.exitStatus == .exited(7))
        #expect(!child.send(SIGTERM), "an ended child gets no signal: its pid may be another's")
    }

    @Test func `output goes to the log file and variables are added to the environment`() async throws {
        let directory = try PrivateDirectory("child")
        let child = try await ChildProcess(
            "/bin/sh",
            ["-c", "pwd; echo $GREETING; echo $PATH | wc -w; echo oops >&2"],
            environment: ["GREETING": "a b=c"],
            directory: directory.path,
            logFile: "\(directory.path)/log"
        )
        #expect(await child.waitForExit(within: .seconds(10)) == .exited(0))
        #expect(directory.tail(of: "log") == "\(directory.path)\na b=c\n1\noops\n")
    }

    @Test func `a child that ignores SIGTERM is killed after its grace`() async throws {
        let directory = try PrivateDirectory("child")
        let child = try await ChildProcess(
            "/bin/sh",
            ["-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"],
            logFile: "\(directory.path)/log"
        )
        try await poll("the trap is set") { directory.tail(of: "log") == "ready\n" }
        #expect(await child.stop(grace: .milliseconds(200)) == .signalled(SIGKILL))
    }

    @Test func `a stopped child is alive and ends after it continues`() async throws {
        let child = try await ChildProcess("/bin/sleep", ["60"])
        try await poll("the child runs sleep") { commandLine(child.pid).hasPrefix("/bin/sleep") }
        child.send(SIGSTOP)
        #expect(await child.waitForExit(within: .milliseconds(100)) == nil)
        child.send(SIGCONT)
        #expect(await child.stop() == .signalled(SIGTERM))
    }

    @Test func `a child inherits no descriptor of ours and default signals`() async throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        let child = try await ChildProcess("/bin/sleep", ["60"])
        try await poll("the child runs sleep") { commandLine(child.pid).hasPrefix("/bin/sleep") }
        let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(child.pid)/fd").sorted()
        #expect(open == ["0", "1", "2"])
        let status = try String(contentsOfFile: "/proc/\(child.pid)/status", encoding: .utf8)
        for set in ["SigIgn:", "SigBlk:"] {
            let line = try #require(status.split(separator: "\n").first { $0.hasPrefix(set) })
            // Signals 32 and 33 belong to glibc, which leaves them ignored.
            let signals = try #require(UInt64(line.split(separator: "\t")[1], radix: 16)) & ~(3 << 31)
            #expect(signals == 0, "\(line)")
        }
        await child.stop()
    }

    /// The kernel kills a child when the *thread* that started it ends, so a child outlives the queues it was made on.
    @Test func `a child outlives the thread that asked for it`() async throws {
        let asked = try await withThrowingTaskGroup(of: ChildProcess.self) { group in
            for _ in 0..<20 { group.addTask { try await ChildProcess("/bin/sleep", ["60"]) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        try await Task.sleep(for: .milliseconds(300))  // tidy:allow that nothing happens meanwhile is the point
        #expect(asked.filter(\.isRunning).count == asked.count)
        for child in asked { await child.stop(SIGKILL) }
    }

    @Test func `no grandchild outlives a process that is killed`() async throws {
        let directory = try PrivateDirectory("child")
        // The shell stands for a test process: a server started through setpriv dies with it.
        let parent = try await ChildProcess(
            "/bin/sh",
            ["-c", "\(try Program.setpriv.path()) --pdeathsig KILL -- sleep 60 & echo $!; wait"],
            logFile: "\(directory.path)/log"
        )
        let pid = try await poll("the server started") {
            Int32(directory.tail(of: "log").dropLast()).flatMap { commandLine($0).hasPrefix("sleep") ? $0 : nil }
        }
        await parent.stop(SIGKILL)
        try await poll("the server is gone") { commandLine(pid).isEmpty }
    }

    @Test func `a missing program is an error that says so`() async throws {
        let child = try await ChildProcess("/nonexistent", diesWithUs: false)
        #expect(await child.waitForExit(within: .seconds(10)) == .exited(127))
        #expect(Program.postgres.debianPackage == "postgresql")
        #expect(Program.missing(of: Program.allCases) == nil)
    }

    @Test func `a directory is removed with all it holds, and a link in it is not followed`() throws {
        let kept = try PrivateDirectory("kept")
        try Data().write(to: URL(filePath: "\(kept.path)/file"))
        let directory = try PrivateDirectory("gone")
        try FileManager.default.createDirectory(atPath: "\(directory.path)/a/b", withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: "\(directory.path)/a/link", withDestinationPath: kept.path)
        directory.remove()
        #expect(!FileManager.default.fileExists(atPath: directory.path))
        #expect(FileManager.default.fileExists(atPath: "\(kept.path)/file"))
    }
}

/// The command line of a process; empty once it is gone or a zombie.
private func commandLine(_ pid: Int32) -> String {
    // Not through FileManager: it leaks its buffer when a process ends between open and read.
    guard let file = fopen("/proc/\(pid)/cmdline", "r") else { return "" }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 4_096)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes[0..<count], as: UTF8.self)
}

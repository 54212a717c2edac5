internal import Dispatch
internal import Glibc
internal import Synchronization

/// A program started by us in the foreground: no shell, own log file, and dead at the latest when we are.
///
/// `setpriv --pdeathsig KILL` makes the kernel kill it with us, however we end. The kernel means by "parent" the
/// *thread* that started it (prctl(2)), and the threads of a pool come and go; so each child has a thread that starts
/// it, waits for it and reaps it. The child leads a process group of its own: Ctrl-C in a terminal reaches us, not our
/// servers.
package final class ChildProcess: Sendable {
    package enum ExitStatus: Sendable, Equatable {
        case exited(Int32)
        case signalled(Int32)
    }

    /// What the waiting thread and we share.
    ///
    /// A signal is sent only under the lock, so never to a reused pid.
    private final class Life: Sendable {
        let ended = Mutex<ExitStatus?>(nil)
    }

    package let pid: Int32
    private let life: Life

    /// Starts `program` with `arguments`; standard output and error are appended to `logFile`, else discarded.
    ///
    /// `environment` is added to ours. With `user` the program gets that account's rights (only root may ask).
    /// `diesWithUs` false leaves it alive when we are killed.
    /// Throws: `.missingProgram`, `.refused`.
    package init(
        _ program: String,
        _ arguments: [String] = [],
        environment: [String: String] = [:],
        directory: String = "/",
        logFile: String = "/dev/null",
        user: String? = nil,
        diesWithUs: Bool = true
    ) async throws(ServerError) {
        var command: [String] = []
        if user != nil || diesWithUs {
            command.append(try Program.setpriv.path())
            if let user { command += ["--reuid=\(user)", "--regid=\(user)", "--clear-groups"] }
            if diesWithUs { command += ["--pdeathsig", "KILL"] }
        }
        // Each of these replaces itself by the next (execve), so the pid is the program's and no shell reads anything.
        command += [try Program.env.path(), "-C", directory] + environment.map { "\($0.key)=\($0.value)" }
        let spawn = Spawn(command: command + [program] + arguments, logFile: logFile)
        let life = Life()
        let started: Result<pid_t, ServerError> = await withCheckedContinuation { continuation in
            DispatchQueue(label: "child \(program)").async {
                let started = Result { () throws(ServerError) in try spawn.run() }
                continuation.resume(returning: started)
                if case .success(let pid) = started { Self.reap(pid, life) }
            }
        }
        self.life = life
        pid = try started.get()
    }

    deinit { send(SIGKILL) }

    /// How the program ended; nil while it runs.
    package var exitStatus: ExitStatus? { life.ended.withLock { $0 } }
    package var isRunning: Bool { exitStatus == nil }

    /// Sends a signal (`SIGSTOP` and `SIGCONT` too); false if the program has ended.
    @discardableResult
    package func send(_ signal: Int32) -> Bool {
        life.ended.withLock { $0 == nil && Glibc.kill(pid, signal) == 0 }
    }

    /// Waits for the end, at most `limit`; nil if the program still runs then.
    ///
    /// Cancellation does not shorten the wait.
    package func waitForExit(within limit: Duration) async -> ExitStatus? {
        let deadline = ContinuousClock.now + limit
        while true {
            if let status = exitStatus { return status }
            if ContinuousClock.now >= deadline { return nil }
            await pause(.milliseconds(5))
        }
    }

    /// Sends `signal`, waits at most `grace`, then kills; returns how the program ended.
    @discardableResult
    package func stop(_ signal: Int32 = SIGTERM, grace: Duration = .seconds(10)) async -> ExitStatus {
        send(signal)
        if let status = await waitForExit(within: grace) { return status }
        send(SIGKILL)
        while true {
            // A killed process ends at once, unless the kernel is busy with its memory or a disk.
            if let status = await waitForExit(within: .seconds(60)) { return status }
        }
    }

    /// Waits for the end of `pid` without taking it, then takes its status under the lock.
    private static func reap(_ pid: pid_t, _ life: Life) {
        var info = siginfo_t()
        while waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT) != 0, errno == EINTR {}
        life.ended.withLock { ended in
            var status: Int32 = 0
            _ = waitpid(pid, &status, 0)
            // WIFEXITED and WEXITSTATUS are macros that Swift does not import: the low 7 bits are the signal.
            ended = status & 0x7f == 0 ? .exited((status >> 8) & 0xff) : .signalled(status & 0x7f)
        }
    }
}

/// Waits without a thread; unlike `Task.sleep` also in a cancelled task, where a server still has to be stopped.
func pause(_ duration: Duration) async {
    let (seconds, attoseconds) = duration.components
    let wait = DispatchTimeInterval.nanoseconds(Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000))
    await withCheckedContinuation { continuation in
        DispatchQueue.global().asyncAfter(deadline: .now() + wait) { continuation.resume() }
    }
}

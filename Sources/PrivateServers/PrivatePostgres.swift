internal import Glibc
internal import Synchronization

/// A PostgreSQL server of our own: fresh cluster in its own directory, Unix socket there, gone at the end.
///
/// Nobody but this machine's users reach it; it trusts them. `fsync` is off unless asked for: a `kill -9` of the
/// processes loses nothing then either, only a power cut would.
package actor PrivatePostgres {
    package struct Settings: Sendable {
        /// Listens on a free port of 127.0.0.1 as well, for a `FaultProxy` or a reader outside.
        package var listensOnTCP = false
        /// Waits for the disk at each commit, as a real server does.
        package var isDurable = false
        /// Further settings, as of `postgres -c name=value`.
        package var parameters: [String: String] = [:]
        /// Further variables in the server's environment.
        package var environment: [String: String] = [:]

        package init(
            listensOnTCP: Bool = false,
            isDurable: Bool = false,
            parameters: [String: String] = [:],
            environment: [String: String] = [:]
        ) {
            self.listensOnTCP = listensOnTCP
            self.isDurable = isDurable
            self.parameters = parameters
            self.environment = environment
        }
    }

    /// The programs that a private PostgreSQL runs.
    package static let programs: [Program] = [.setpriv, .initdb, .postgres, .createdb]
    /// The superuser of the cluster.
    package static let user = "thermocline"
    /// The account that runs the server if we are root, which PostgreSQL refuses to run as.
    private static let account: String? = getuid() == 0 ? "postgres" : nil
    /// initdb and start take half a second; a loaded machine takes longer.
    private static let startLimit = Duration.seconds(60)

    /// The port on 127.0.0.1, if it listens on TCP, and of the socket file.
    package nonisolated var port: UInt16 { chosenPort.load(ordering: .relaxed) }
    package nonisolated let settings: Settings
    private let directory: PrivateDirectory
    private var server: ChildProcess?
    private var wasKilled = false
    private var hasStarted = false
    private let chosenPort = Atomic<UInt16>(5432)
    private let databases = Atomic<Int>(0)

    /// Makes a cluster and starts it; with `primary` a standby of that, which takes no writes until it is promoted.
    ///
    /// Throws: `.missingProgram`, `.refused`, `.ended` or `.notReady` with the end of the log.
    package init(
        _ settings: Settings = Settings(),
        standbyOf primary: PrivatePostgres? = nil
    ) async throws(ServerError) {
        if let missing = Program.missing(of: Self.programs) { throw missing }
        self.settings = settings
        directory = try PrivateDirectory("postgres", owner: Self.account)
        if settings.listensOnTCP { chosenPort.store(try LoopbackPort.free(), ordering: .relaxed) }
        if let primary {
            let source = ["-h", primary.socketDirectory, "-p", "\(primary.port)", "-U", Self.user]
            try await run(
                .basebackup,
                ["-D", "data", "--write-recovery-conf", "--checkpoint=fast", "--no-sync"] + source,
                asServer: true
            )
        } else {
            try await run(
                .initdb,
                ["-D", "data", "-U", Self.user, "-A", "trust", "--no-sync", "--no-locale", "-E", "UTF8"],
                asServer: true
            )
        }
        try await start()
    }

    /// The directory that holds the socket.
    package nonisolated var socketDirectory: String { directory.path }
    /// The server's log.
    package nonisolated var logFile: String { "\(directory.path)/log" }
    /// Pid of the postmaster; nil while it is stopped.
    package var pid: Int32? { server?.isRunning == true ? server?.pid : nil }

    /// Connection string of a database over the Unix socket.
    package nonisolated func conninfo(_ database: String = "postgres") -> String {
        "host=\(directory.path) port=\(port) user=\(Self.user) dbname=\(database)"
    }

    /// Connection string over 127.0.0.1, at the server's own port or at that of a proxy in front of it.
    package nonisolated func conninfoTCP(_ database: String = "postgres", port proxy: UInt16? = nil) -> String {
        "host=127.0.0.1 port=\(proxy ?? port) user=\(Self.user) dbname=\(database)"
    }

    /// Creates a database with a name of its own and returns the name: empty, or a copy of one that nobody uses.
    package func freshDatabase(copying template: String = "template0") async throws(ServerError) -> String {
        let name = "test_\(databases.add(1, ordering: .relaxed).newValue)"
        try await run(
            .createdb,
            ["-h", directory.path, "-p", "\(port)", "-U", Self.user, "-T", template, name],
            asServer: false
        )
        return name
    }

    /// Starts the server and waits until it accepts connections; does nothing while it runs.
    ///
    /// Throws: `.refused`, `.ended`, `.notReady`.
    package func start() async throws(ServerError) {
        guard pid == nil else { return }
        let deadline = ContinuousClock.now + Self.startLimit
        while true {
            let server = try await launch()
            self.server = server
            while server.isRunning, ContinuousClock.now < deadline {
                if isReady(server.pid) {
                    hasStarted = true
                    return
                }
                await pause(.milliseconds(10))
            }
            let code: ServerError.Code = server.isRunning ? .notReady : .ended
            await server.stop(SIGQUIT)
            // After a kill the old sessions may hold the shared memory for a moment: again.
            let isWorthAnother = wasKilled ? true : try takesAnotherPort()
            guard code == .ended, isWorthAnother, ContinuousClock.now < deadline else {
                throw ServerError(code, "postgres", directory.tail(of: "log"))
            }
            await pause(.milliseconds(100))
        }
    }

    /// Whether somebody took the port between our choice and the first start: then it starts on another one.
    private func takesAnotherPort() throws(ServerError) -> Bool {
        guard !hasStarted, directory.tail(of: "log").contains("Address already in use") else { return false }
        chosenPort.store(try LoopbackPort.free(), ordering: .relaxed)
        return true
    }

    /// Stops the server: sessions are ended, transactions rolled back, a checkpoint written (`SIGINT`, "fast").
    ///
    /// `immediately`: without any of that (`SIGQUIT`); the next start recovers from the log.
    package func stop(immediately: Bool = false) async {
        await server?.stop(immediately ? SIGQUIT : SIGINT)
        server = nil
    }

    package func restart() async throws(ServerError) {
        await stop()
        try await start()
    }

    /// Ends server and sessions at once, as a power cut would: `SIGKILL` to the postmaster and all its processes.
    package func kill() async {
        guard let server else { return }
        // Stopped first, so that it starts no new process while we look for the old ones.
        server.send(SIGSTOP)
        let sessions = Self.children(of: server.pid)
        await server.stop(SIGKILL)
        for session in sessions { Glibc.kill(session, SIGKILL) }
        self.server = nil
        wasKilled = true
    }

    /// Stops (`SIGSTOP`) or continues (`SIGCONT`) the postmaster and all its sessions: a server that hangs.
    package func signalAll(_ signal: Int32) {
        guard let server, server.send(signal) else { return }
        for session in Self.children(of: server.pid) { Glibc.kill(session, signal) }
    }

    /// Stops the server and removes its directory; it cannot be started again.
    package func remove() async {
        await stop()
        directory.remove()
    }

    private func launch() async throws(ServerError) -> ChildProcess {
        var parameters = [
            "unix_socket_directories": directory.path, "listen_addresses": settings.listensOnTCP ? "127.0.0.1" : "",
            "port": "\(port)", "fsync": settings.isDurable ? "on" : "off",
            // Half of what is left unset would be tuned for a machine that it has to itself.
            "shared_buffers": "64MB", "max_wal_size": "512MB",
        ]
        parameters.merge(settings.parameters) { $1 }
        return try await ChildProcess(
            Program.postgres.path(),
            ["-D", "data"] + parameters.sorted { $0.key < $1.key }.flatMap { ["-c", "\($0.key)=\($0.value)"] },
            environment: ["LC_ALL": "C", "HOME": directory.path].merging(settings.environment) { $1 },
            directory: directory.path,
            logFile: logFile,
            user: Self.account
        )
    }

    /// Line 1 of `postmaster.pid` is the pid, line 8 the status: a file that a killed server left has another pid.
    private func isReady(_ pid: Int32) -> Bool {
        let text = String(decoding: directory.contents(of: "data/postmaster.pid") ?? [], as: UTF8.self)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        return lines.count >= 8 && lines[0] == "\(pid)" && lines[7].hasPrefix("ready")
    }

    /// Runs one of PostgreSQL's tools to its end.
    private func run(_ program: Program, _ arguments: [String], asServer: Bool) async throws(ServerError) {
        let log = "\(program.rawValue).log"
        let tool = try await ChildProcess(
            program.path(),
            arguments,
            environment: ["LC_ALL": "C", "HOME": directory.path],
            directory: directory.path,
            logFile: "\(directory.path)/\(log)",
            user: asServer ? Self.account : nil
        )
        guard let status = await tool.waitForExit(within: Self.startLimit) else {
            await tool.stop(SIGKILL)
            throw ServerError(.notReady, program.rawValue, directory.tail(of: log))
        }
        guard status == .exited(0) else { throw ServerError(.ended, program.rawValue, directory.tail(of: log)) }
    }

    private static func children(of pid: Int32) -> [Int32] {
        guard let file = fopen("/proc/\(pid)/task/\(pid)/children", "r") else { return [] }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 16 << 10)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[0..<count], as: UTF8.self).split(separator: " ").compactMap { Int32($0) }
    }
}

internal import Glibc
internal import Platform

/// A nats-server of our own with JetStream: free loopback port, own store, both kept over a restart, gone at the end.
package actor PrivateNATS {
    /// The programs that a private nats-server runs.
    package static let programs: [Program] = [.setpriv, .nats]
    /// The server is ready in 50 ms; with a large store, or on a loaded machine, later.
    private static let startLimit = Duration.seconds(60)

    /// The port on 127.0.0.1.
    package nonisolated let port: UInt16
    private let executor: BlockingExecutor
    private let directory: PrivateDirectory
    private let configuration: String
    private var server: ChildProcess?
    private var copies = 0

    // The readiness check blocks for up to a second in `recv`.
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Starts a server; `configuration` is appended to its configuration file, which sets port and store.
    ///
    /// Throws: `.missingProgram`, `.refused`, `.ended` or `.notReady` with the end of the log.
    package init(configuration: String = "") async throws(ServerError) {
        if let missing = Program.missing(of: Self.programs) { throw missing }
        executor = BlockingExecutor(label: "private nats")
        directory = try PrivateDirectory("nats")
        port = try LoopbackPort.free()
        self.configuration = configuration
        try await start()
    }

    package nonisolated var url: String { Self.url(port: port) }
    package nonisolated var logFile: String { "\(directory.path)/log" }
    /// Pid of the server; nil while it is stopped.
    package var pid: Int32? { server?.isRunning == true ? server?.pid : nil }

    /// The address of a server, or of a proxy in front of it, on this machine.
    package static func url(port: UInt16) -> String { "nats://127.0.0.1:\(port)" }

    /// Starts the server on its port and store and waits until it greets; does nothing while it runs.
    ///
    /// Throws: `.refused`, `.ended`, `.notReady`.
    package func start() async throws(ServerError) {
        guard pid == nil else { return }
        let text = """
            listen: "127.0.0.1:\(port)"
            jetstream { store_dir: "\(directory.path)/store" }
            \(configuration)

            """
        try directory.write(text, to: "nats.conf")
        let server = try await ChildProcess(
            Program.nats.path(),
            ["-c", "\(directory.path)/nats.conf"],
            directory: directory.path,
            logFile: logFile
        )
        self.server = server
        let deadline = ContinuousClock.now + Self.startLimit
        while server.isRunning, ContinuousClock.now < deadline {
            if LoopbackPort.greeting(port, seconds: 1)?.hasPrefix("INFO ") == true { return }
            await pause(.milliseconds(10))
        }
        let code: ServerError.Code = server.isRunning ? .notReady : .ended
        await server.stop(SIGKILL)
        throw ServerError(code, "nats-server", directory.tail(of: "log"))
    }

    /// Stops the server; its store is written out (`SIGTERM`).
    package func stop() async {
        await server?.stop(SIGTERM)
        server = nil
    }

    package func restart() async throws(ServerError) {
        await stop()
        try await start()
    }

    /// Ends the server at once (`SIGKILL`).
    package func kill() async {
        await server?.stop(SIGKILL)
        server = nil
    }

    /// Stops the server, copies its store and starts it again; returns the name of the copy.
    ///
    /// Throws: as `start`, and `.refused`.
    package func copyStore() async throws(ServerError) -> String {
        copies += 1
        let copy = "store-\(copies)"
        await stop()
        try directory.copy("store", to: copy)
        try await start()
        return copy
    }

    /// Ends the server at once and starts it with a copy in the place of its store: what came after that never was.
    ///
    /// Throws: as `start`, and `.refused`.
    package func restoreStore(_ copy: String) async throws(ServerError) {
        await kill()
        try directory.copy(copy, to: "store")
        try await start()
    }

    /// Sends `SIGSTOP` (a server that hangs) or `SIGCONT`.
    package func signal(_ signal: Int32) { server?.send(signal) }

    /// Stops the server and removes its directory; it cannot be started again.
    package func remove() async {
        await stop()
        directory.remove()
    }
}

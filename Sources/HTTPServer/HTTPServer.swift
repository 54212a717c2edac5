internal import CMicroHTTPD
@preconcurrency internal import Dispatch
package import Platform

/// A small HTTP/1.1 server: one thread that polls, handlers that never block it.
///
/// A handler runs on that thread and answers at once, or hands back a `PendingResponse`. `stop`, or the end of the last
/// reference, answers 503 to everybody who waits, lets what is being sent finish, and closes.
/// Source: https://www.gnu.org/software/libmicrohttpd/manual/libmicrohttpd.html
package final class HTTPServer: Sendable {
    package typealias Handler = @Sendable (HTTPRequest) -> HTTPReply

    /// What a stop must give back.
    private struct Running: ~Copyable {
        let daemon: Daemon
        let watchdog: any DispatchSourceTimer
    }

    /// Where it listens; the port is the real one where 0 was asked for.
    package let address: ListenAddress
    private let context: ServerContext
    private let running: Locked<Running?>

    /// Binds `address` and starts to answer.
    package init(
        _ address: ListenAddress,
        limits: HTTPLimits = HTTPLimits(),
        handler: @escaping Handler
    ) throws(HTTPServerError) {
        let socket = try ListenSocket.open(address)
        let port = socket.port
        let context = ServerContext(limits: limits, handler: handler)
        guard let daemon = Daemon(adopting: socket, context: context) else {
            let detail = "the server could not start its thread"
            throw HTTPServerError(code: .system, address: address.description, detail: detail)
        }
        self.address = ListenAddress(host: address.host, port: port)
        self.context = context
        let watchdog = Self.watch(context.connections)
        running = Locked(Running(daemon: daemon, watchdog: watchdog))
    }

    deinit { stop() }

    /// Answers everybody with 503, and returns when the server's thread is gone and its port is free.
    ///
    /// Blocks for up to `HTTPLimits.drainTimeout`, so not from a handler. A second call does nothing.
    package func stop() {
        guard let running = running.withLock({ $0.take() }) else { return }
        context.connections.stop()
        _ = context.inFlight.wait(timeout: .now() + context.limits.drainTimeout.inSeconds)
        running.watchdog.cancel()
        running.daemon.stop()
    }

    private static func watch(_ connections: Connections) -> any DispatchSourceTimer {
        let timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "http-watchdog"))
        timer.setEventHandler { @Sendable in connections.sweep() }
        // Four times a second: deadlines are seconds, and a sweep is microseconds.
        timer.schedule(deadline: .now(), repeating: .milliseconds(250), leeway: .milliseconds(50))
        timer.activate()
        return timer
    }
}

/// Owns one running libmicrohttpd daemon.
private struct Daemon: ~Copyable {
    private let pointer: OpaquePointer

    /// The socket is libmicrohttpd's from here on, also where it fails to start.
    init?(adopting socket: consuming ListenSocket, context: ServerContext) {
        let limits = context.limits
        let pointer = thermocline_http_start(
            socket.release(),
            httpHandle,
            httpComplete,
            httpConnect,
            // Unretained: `HTTPServer` keeps the context until the daemon is gone.
            Unmanaged.passUnretained(context).toOpaque(),
            UInt32(limits.connections),
            UInt32(limits.connectionsPerAddress),
            UInt32(max(1, limits.idleTimeout.components.seconds)),
            // Holds the request line and the headers of one request; larger ones are answered with 431.
            32 << 10
        )
        guard let pointer else { return nil }
        self.pointer = pointer
    }

    /// Joins the thread and closes the socket; no connection may be suspended any more.
    ///
    /// Without MHD_quiesce_daemon before it: in 0.9.75 that races with the polling thread over the socket and aborts.
    consuming func stop() { MHD_stop_daemon(pointer) }
}

extension Duration {
    fileprivate var inSeconds: Double { self / .seconds(1) }
}

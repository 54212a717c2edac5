internal import CPostgres
internal import Dispatch
internal import Glibc
internal import Platform

/// Ends what a connection is doing from outside its thread.
///
/// Each blocking call runs under a ticket. An interruption asks the server to cancel the statement, again and again
/// until the call has returned, because a request that arrives before the statement is ignored; when `patience` is
/// over, the socket is shut, so that a cancelled task returns even from a server that no longer answers. A request
/// never reaches the statement after the one it was meant for.
final class Interrupter: Sendable {
    /// 100 ms: a cancel takes about 3 ms, and a lost one may cost no more than a blink.
    private static let repeatInterval = DispatchTimeInterval.milliseconds(100)

    private let running = Locked<UInt64?>(nil)
    /// Locked while a request is on its way, which `leave` waits for; this is why I/O happens under it.
    private let key: Locked<CancelKey>
    /// A descriptor of our own for the connection's socket: libpq's may be closed and used anew at any moment.
    private let socket: Locked<Socket>
    private let patience: DispatchTimeInterval

    init(_ key: consuming CancelKey, _ socket: consuming Socket, patience: Duration) {
        self.key = Locked(key)
        self.socket = Locked(socket)
        self.patience = .milliseconds(Int(patience / .milliseconds(1)))
    }

    func enter(_ ticket: UInt64) { running.withLock { $0 = ticket } }

    /// Ends a call; on return no request for its ticket is on its way any more.
    ///
    /// A broken connection does not wait: there is no later statement to protect.
    func leave(connected: Bool) {
        running.withLock { $0 = nil }
        if connected { key.withLock { _ in } }
    }

    /// Cancels the call that runs under this ticket; returns at once, from any thread.
    func interrupt(_ ticket: UInt64) {
        DispatchQueue.global().async { self.requestCancel(ticket) }
        limit(ticket)
    }

    /// Gives the call under this ticket no longer than `patience`, then cuts the connection.
    func limit(_ ticket: UInt64) {
        DispatchQueue.global().asyncAfter(deadline: .now() + patience) { [weak self] in
            guard let self, isRunning(ticket) else { return }
            cut()
        }
    }

    /// Breaks the connection at once, whatever it is doing.
    func cut() { socket.withLock { $0.shut() } }

    /// Gives the descriptor back; the connection has been closed.
    func close() { socket.withLock { $0.close() } }

    private func requestCancel(_ ticket: UInt64) {
        let sent = key.withLock { key in
            guard isRunning(ticket) else { return false }
            key.requestCancel()
            return true
        }
        guard sent else { return }
        DispatchQueue.global().asyncAfter(deadline: .now() + Self.repeatInterval) { self.requestCancel(ticket) }
    }

    private func isRunning(_ ticket: UInt64) -> Bool { running.withLock { $0 == ticket } }
}

/// Owns one `PGcancel*`: what a cancel request needs to know, independent of the connection it came from.
struct CancelKey: ~Copyable, @unchecked Sendable {
    // @unchecked: a PGcancel never changes after PQgetCancel; "PQcancel" is safe from any thread.
    // Source: https://www.postgresql.org/docs/15/libpq-cancel.html
    private let raw: OpaquePointer

    init?(of connection: OpaquePointer?) {
        guard let raw = PQgetCancel(connection) else { return nil }
        self.raw = raw
    }

    deinit { PQfreeCancel(raw) }

    /// Asks the server to cancel what the session runs; waits until the request is delivered.
    ///
    /// A failure is of no interest: the caller asks again until the statement has ended.
    func requestCancel() {
        var reason = [CChar](repeating: 0, count: 256)
        _ = PQcancel(raw, &reason, Int32(reason.count))
    }
}

/// Owns one more descriptor for the socket of a connection.
struct Socket: ~Copyable {
    private var descriptor: Int32

    init?(of connection: OpaquePointer?) {
        let descriptor = fcntl(PQsocket(connection), F_DUPFD_CLOEXEC, 0)
        guard descriptor >= 0 else { return nil }
        self.descriptor = descriptor
    }

    deinit { if descriptor >= 0 { _ = Glibc.close(descriptor) } }

    func shut() { if descriptor >= 0 { _ = shutdown(descriptor, Int32(SHUT_RDWR)) } }

    mutating func close() {
        if descriptor >= 0 { _ = Glibc.close(descriptor) }
        descriptor = -1
    }
}

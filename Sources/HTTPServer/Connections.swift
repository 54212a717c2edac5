internal import Glibc
internal import Platform

/// The open connections, and until when each must have got on.
///
/// libmicrohttpd's own timeout counts silence only: a client that sends a header line a second would stay for ever.
final class Connections: Sendable {
    typealias ID = UInt

    private struct Entry {
        let descriptor: Int32
        var deadline: ContinuousClock.Instant?
        var pending: PendingResponse?
    }
    private struct State {
        var entries: [ID: Entry] = [:]
        var isStopping = false
    }
    private let state = Locked(State())
    private let limits: HTTPLimits

    init(limits: HTTPLimits) { self.limits = limits }

    var isStopping: Bool { state.withLock { $0.isStopping } }

    func opened(_ id: ID, descriptor: Int32) {
        let deadline = ContinuousClock.now + limits.transferTimeout
        state.withLock { $0.entries[id] = Entry(descriptor: descriptor, deadline: deadline) }
    }

    func closed(_ id: ID) { state.withLock { _ = $0.entries.removeValue(forKey: id) } }

    /// Notes that the request has arrived and that its response will come from elsewhere.
    ///
    /// Returns false when the server is stopping, so that nobody is left waiting.
    func waits(_ id: ID, for pending: PendingResponse) -> Bool {
        state.withLock { state in
            guard !state.isStopping else { return false }
            state.entries[id]?.pending = pending
            state.entries[id]?.deadline = ContinuousClock.now + limits.replyTimeout
            return true
        }
    }

    /// Notes that the response is being sent.
    func sends(_ id: ID) { proceed(id, for: limits.transferTimeout) }

    /// Notes that the response is sent and that the next request may come.
    func listens(_ id: ID) { proceed(id, for: limits.idleTimeout + limits.transferTimeout) }

    private func proceed(_ id: ID, for span: Duration) {
        let deadline = ContinuousClock.now + span
        state.withLock { state in
            state.entries[id]?.pending = nil
            state.entries[id]?.deadline = deadline
        }
    }

    /// Answers 504 where a response is late, and hangs up where the client is.
    func sweep(now: ContinuousClock.Instant = .now) {
        let late = state.withLock { state in
            var late: [PendingResponse] = []
            for (id, entry) in state.entries {
                guard let deadline = entry.deadline, deadline <= now else { continue }
                state.entries[id]?.deadline = nil
                if let pending = entry.pending {
                    late.append(pending)
                } else {
                    // Under the lock: `closed` is called before the descriptor is given back.
                    shutdown(entry.descriptor, Int32(SHUT_RDWR))
                }
            }
            return late
        }
        for pending in late { pending.complete(.tooLate) }
    }

    /// Answers 503 to everybody who waits; nobody waits from here on.
    func stop() {
        let pending = state.withLock { state in
            state.isStopping = true
            return state.entries.values.compactMap(\.pending)
        }
        for pending in pending { pending.complete(.stopping) }
    }
}

internal import CMicroHTTPD
internal import Platform

/// A response that is not known yet: the connection waits, the polling thread does not.
///
/// Make one, hand it to whoever will know, and return it from the handler. Where nobody completes it in time the server
/// answers 504, and 503 when it stops.
package final class PendingResponse: Sendable {
    private enum State {
        case idle
        case waiting(SuspendedConnection)
        case completed(HTTPResponse)
        case taken
    }
    private let state = Locked(State.idle)

    package init() {}

    /// Answers the request; returns false where it was answered before.
    ///
    /// From any thread, before or after the handler has returned.
    @discardableResult
    package func complete(_ response: HTTPResponse) -> Bool {
        state.withLock { state in
            switch state {
            case .idle: state = .completed(response)
            case .waiting(let connection):
                state = .completed(response)
                // Under the lock: when `stop` finds this response completed, the connection is on its way as well.
                connection.resume()
            case .completed, .taken: return false
            }
            return true
        }
    }

    /// Takes the response, or suspends the connection until there is one.
    ///
    /// Only from the server's own thread.
    func takeOrSuspend(_ connection: OpaquePointer) -> HTTPResponse? {
        let suspended = SuspendedConnection(pointer: connection)
        return state.withLock { state in
            switch state {
            case .idle:
                suspended.suspend()
                state = .waiting(suspended)
                return nil
            case .completed(let response):
                state = .taken
                return response
            case .waiting, .taken: preconditionFailure("a pending response answers one request")
            }
        }
    }
}

/// A connection that libmicrohttpd keeps out of its loop.
private struct SuspendedConnection: @unchecked Sendable {
    // @unchecked: "It is safe to resume a suspended connection at any time" (microhttpd.h, MHD_resume_connection).
    let pointer: OpaquePointer

    func suspend() { MHD_suspend_connection(pointer) }
    func resume() { MHD_resume_connection(pointer) }
}

/// What one server is willing to hold.
package struct HTTPLimits: Sendable {
    /// Open connections; more wait in the system's queue.
    package var connections = 64
    /// Open connections of one address; more are closed at once.
    package var connectionsPerAddress = 32
    /// A larger body is answered with 413.
    package var bodyBytes = 1 << 20
    /// How long a connection may be silent, in whole seconds.
    package var idleTimeout = Duration.seconds(30)
    /// How long a request may take to arrive, and its response to be read, however busy the client looks.
    package var transferTimeout = Duration.seconds(60)
    /// How long a pending response may take; then the answer is 504.
    package var replyTimeout = Duration.seconds(30)
    /// How long `stop` waits for responses that are being sent.
    package var drainTimeout = Duration.seconds(2)

    package init() {}
}

/// Why a server could not start.
package struct HTTPServerError: Error, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable { case badAddress, addressInUse, forbidden, system }
    package let code: Code
    package let address: String
    package let detail: String

    package var description: String { "cannot listen on \(address): \(detail)" }
}

package import Platform

/// Why a call on a connection failed, and what the caller may do about it.
package struct PostgresError: Error, Sendable, Equatable {
    /// What kind of failure it was, seen from our side of the connection.
    package enum Code: String, Sendable {
        /// No connection could be made.
        case connectionFailed
        /// The connection broke, was closed or had broken before; it takes no more calls.
        case connectionLost
        /// The connection broke after COMMIT was sent: the transaction may have happened or not.
        case unknownOutcome
        /// COMMIT answered ROLLBACK: a statement before it had failed, nothing was stored.
        case rolledBack
        /// The caller's task was cancelled, and the statement with it.
        case cancelled
        /// The server refused the statement; `sqlState` says why.
        case server
        /// The text of the connection string is not one.
        case invalidConnectionString
        /// The database does not keep its text as UTF-8.
        case unsupportedEncoding
        /// A text with a zero byte, which PostgreSQL cannot hold.
        case zeroByte
        /// The server answered what the protocol does not allow, such as a COPY without an end.
        case protocolViolation
        /// A call that does not fit what the connection is doing.
        case misuse
    }

    /// Which call failed.
    package enum Operation: String, Sendable {
        case connect
        case execute
        case begin
        case commit
        case rollback
        case copyIn = "copy in"
        case copyOut = "copy out"
    }

    package internal(set) var code: Code
    package let operation: Operation
    /// The primary message of the server or of libpq, on one line; may quote a value, unlike `description`.
    package let message: String
    /// Five characters, nil where the server sent none.
    package internal(set) var sqlState: String?
    package internal(set) var detail: String?
    package internal(set) var hint: String?
    package internal(set) var schema: String?
    package internal(set) var table: String?
    package internal(set) var column: String?
    package internal(set) var constraint: String?

    init(_ code: Code, _ operation: Operation, _ message: String) {
        self.code = code
        self.operation = operation
        self.message = message
    }

    /// What the caller may do: the server's verdict where it gave one on a living connection, else ours by `code`.
    package var disposition: Disposition {
        switch code {
        case .connectionFailed, .connectionLost, .unknownOutcome, .rolledBack, .cancelled: .retry
        case .server: Self.disposition(sqlState: sqlState)
        case .zeroByte: .reject
        case .invalidConnectionString, .unsupportedEncoding, .protocolViolation, .misuse: .halt
        }
    }

    /// The one table from SQLSTATE to disposition; the message's text never counts.
    ///
    /// Source: https://www.postgresql.org/docs/15/errcodes-appendix.html
    package static func disposition(sqlState: String?) -> Disposition {
        guard let sqlState else { return .halt }
        switch sqlState {
        case "25006": return .retry  // read-only: a standby that may be promoted
        case "55P03": return .retry  // lock not available in time
        default: break
        }
        switch sqlState.prefix(2) {
        case "08": return .retry  // connection
        case "40": return .retry  // serialization failure, deadlock
        case "53": return .retry  // disk, memory, connections
        case "57": return .retry  // operator: cancelled, shutting down, starting up
        case "58": return .retry  // I/O
        case "22", "23", "54": return .reject  // a value, a constraint, a limit
        case "P0": return .reject  // a user's trigger raised it
        default: return .halt
        }
    }

    /// Joins the lines of a libpq message, which ends in a newline and indents what follows the first line.
    static func oneLine(_ text: String) -> String {
        text.split { $0.isNewline }.map { line in line.drop { $0 == " " || $0 == "\t" } }.joined(separator: "; ")
    }
}

extension PostgresError: CustomStringConvertible, CustomDebugStringConvertible {
    /// Safe to show: no row's values, no password.
    package var description: String {
        var text = "postgres \(operation.rawValue): \(code.rawValue)"
        if let sqlState { text += " \(sqlState)" }
        text += ": \(safeMessage)"
        if let constraint { text += " (constraint \(constraint))" }
        return text
    }

    /// Everything the server said, rows' values included; still no password.
    package var debugDescription: String {
        var text = "postgres \(operation.rawValue): \(code.rawValue) \(sqlState ?? "-"): \(message)"
        let fields = [
            ("detail", detail), ("hint", hint), ("schema", schema), ("table", table), ("column", column),
            ("constraint", constraint),
        ]
        for case (let name, let value?) in fields { text += "; \(name): \(value)" }
        return text
    }

    /// The message without the value that class 22 quotes (`invalid input syntax for type numeric: "…"`).
    private var safeMessage: String {
        guard sqlState?.hasPrefix("22") == true else { return message }
        guard let first = message.firstIndex(of: "\""), let last = message.lastIndex(of: "\"") else { return message }
        return message[..<first] + "\"…\"" + message[message.index(after: last)...]
    }
}

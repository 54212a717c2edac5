import Postgres
import PrivateServers
import TestSupport

/// A connection to the suite's own server.
func connect(
    _ database: String = "postgres",
    settings: [String: String] = [:],
    cancelPatience: Duration = .seconds(10)
) async throws -> PostgresConnection {
    try await PostgresConnection(
        PrivatePostgres.current.conninfo(database),
        applicationName: "tests",
        settings: settings,
        cancelPatience: cancelPatience
    )
}

/// Looks at the sessions of the server from outside them.
struct Observer {
    let connection: PostgresConnection

    init() async throws { connection = try await connect() }

    /// Waits until the session runs something that matches, such as `wait_event = 'PgSleep'`.
    func wait(_ session: PostgresConnection, until condition: String) async throws {
        try await poll("session \(session.backend.pid): \(condition)") {
            try await connection.execute(
                "SELECT 1 FROM pg_stat_activity WHERE pid = $1::int AND \(condition)",
                ["\(session.backend.pid)"]
            ).rows.count == 1
        }
    }

    /// Ends the session's backend and waits until it is gone.
    func terminate(_ session: PostgresConnection) async throws {
        _ = try await connection.execute("SELECT pg_terminate_backend($1::int)", ["\(session.backend.pid)"])
        try await poll("backend \(session.backend.pid) gone") {
            try await connection.execute(
                "SELECT 1 FROM pg_stat_activity WHERE pid = $1::int",
                ["\(session.backend.pid)"]
            ).rows.isEmpty
        }
    }
}

/// The error that a call on a connection throws, nil if it does not.
func failure<R: Sendable>(_ call: () async throws(PostgresError) -> R) async -> PostgresError? {
    do {
        _ = try await call()
        return nil
    } catch { return error }
}

/// Tuples of `(id integer, name text)` in the binary COPY format.
func tuples(_ ids: Range<Int32>, nameLength: Int = 5) -> [UInt8] {
    var bytes: [UInt8] = []
    for id in ids {
        bytes += [0, 2, 0, 0, 0, 4]
        for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: id >> Int32(shift))) }
        for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: nameLength >> shift)) }
        bytes += (0..<nameLength).map { UInt8(ascii: "a") + UInt8((Int(id) + $0) % 26) }
    }
    return bytes
}

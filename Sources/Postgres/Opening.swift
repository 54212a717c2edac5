internal import CPostgres
internal import Platform

/// Opens sessions on the thread that will own them: connecting blocks, and so does asking who we are.
actor Opening {
    /// A session that is ready for use.
    struct Session: ~Copyable {
        let server: ServerHandle
        let interrupter: Interrupter
        let backend: PostgresConnection.Backend
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    private let executor: BlockingExecutor

    init(_ executor: BlockingExecutor) { self.executor = executor }

    /// What a connection string may override.
    ///
    /// A dead peer is noticed in 25 s when we wait for it and in 20 s when it does not take what we send.
    private static let defaults = [
        (name: "connect_timeout", value: "5"), (name: "keepalives", value: "1"), (name: "keepalives_idle", value: "10"),
        (name: "keepalives_interval", value: "5"), (name: "keepalives_count", value: "3"),
        (name: "tcp_user_timeout", value: "20000"),
    ]

    /// What makes text mean the same in every session, whatever the server's configuration says.
    private static let settings = [
        "timezone": "UTC", "datestyle": "ISO, YMD", "intervalstyle": "iso_8601", "bytea_output": "hex",
        "extra_float_digits": "1", "standard_conforming_strings": "on", "client_min_messages": "warning",
    ]

    /// Connects, checks the encoding, applies the settings and reads the session's identity.
    func open(
        _ connectionString: String,
        _ applicationName: String,
        _ settings: [String: String],
        _ patience: Duration
    ) throws(PostgresError) -> sending Session {
        try Self.check(connectionString)
        let parameters =
            Self.defaults + [(name: "dbname", value: connectionString)] + [
                (name: "application_name", value: applicationName), (name: "client_encoding", value: "UTF8"),
            ]
        let server = try ServerHandle(connecting: parameters)
        let encoding = server.reported("server_encoding") ?? "unknown"
        guard encoding == "UTF8" else {
            throw PostgresError(.unsupportedEncoding, .connect, "the database is encoded as \(encoding), not UTF8")
        }
        try Self.apply(Self.settings.merging(settings) { _, own in own }, server)
        let start = try server.run(
            .connect,
            "SELECT backend_start::text FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid()"
        ).copied().scalar
        guard let start, let key = server.cancelKey(), let socket = server.socket() else {
            throw PostgresError(.connectionFailed, .connect, "no identity, cancel key or descriptor for the session")
        }
        let backend = PostgresConnection.Backend(pid: server.processID, start: start)
        let interrupter = Interrupter(key, socket, patience: patience)
        return Session(server: server, interrupter: interrupter, backend: backend)
    }

    /// Refuses what cannot be taken apart, without libpq's message, which quotes the text and so the password.
    ///
    /// A password in a URI with its `/` or `@` unescaped ends up in port or host, which libpq would quote too.
    private static func check(_ connectionString: String) throws(PostgresError) {
        let options = connectionString.utf8.contains(0) ? nil : PQconninfoParse(connectionString, nil)
        defer { PQconninfoFree(options) }
        var next = options
        var isValid = options != nil
        while let option = next?.pointee, let name = option.keyword {
            let value = option.val.map { String(cString: $0) } ?? ""
            switch String(cString: name) {
            case "port": isValid = isValid && value.utf8.allSatisfy { "0123456789,".utf8.contains($0) }
            case "host": isValid = isValid && !value.dropFirst().contains("@")
            default: break
            }
            next = next?.successor()
        }
        guard isValid else {
            throw PostgresError(
                .invalidConnectionString,
                .connect,
                "the connection string is neither a URI nor a list of known keyword=value"
            )
        }
    }

    private static func apply(_ settings: [String: String], _ server: borrowing ServerHandle) throws(PostgresError) {
        let sorted = settings.sorted { $0.key < $1.key }
        let calls = sorted.indices.map { "pg_catalog.set_config($\(2 * $0 + 1), $\(2 * $0 + 2), false)" }
        _ = try server.run(
            .connect,
            "SELECT " + calls.joined(separator: ", "),
            sorted.flatMap { [$0.key, $0.value] }
        )
    }
}

import Platform
import PrivateServers
import TestSupport
import Testing

@testable import Postgres

@Suite(.privatePostgres, .timeLimit(.minutes(2))) struct ConnectingTests {
    @Test func `a session knows its own backend`() async throws {
        let connection = try await connect()
        let row = try await connection.execute(
            "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        ).rows
        #expect(row == [["\(connection.backend.pid)", connection.backend.start]])
    }

    @Test func `text means the same whatever the database is set to`() async throws {
        let database = try await PrivatePostgres.current.freshDatabase()
        let first = try await connect(database)
        for setting in ["timezone = 'Asia/Tokyo'", "datestyle = 'SQL, DMY'", "bytea_output = 'escape'"] {
            _ = try await first.execute("ALTER DATABASE \(SQLText.identifier(database)) SET \(setting)")
        }
        let second = try await connect(database)
        let row = try await second.execute(
            "SELECT timestamptz '2026-05-01 00:00:00.5+09', '\\x00ff'::bytea, current_setting('application_name')"
        ).rows
        #expect(row == [["2026-04-30 15:00:00.5+00", "\\x00ff", "tests"]])
    }

    @Test func `settings of the caller win, and odd values stay values`() async throws {
        let settings = ["statement_timeout": "1234ms", "timezone": "Asia/Tokyo", "search_path": "\"a'b\\\", public"]
        let connection = try await connect(settings: settings)
        for (name, value) in settings {
            #expect(try await connection.execute("SELECT current_setting($1)", [name]).scalar == value)
        }
    }

    @Test func `a setting that does not exist is refused`() async throws {
        let error = await failure { () throws(PostgresError) in
            try await PostgresConnection(
                PrivatePostgres.current.conninfo(),
                applicationName: "tests",
                settings: ["no_such_setting": "1"]
            )
        }
        #expect(error?.sqlState == "42704")
        #expect(error?.disposition == .halt)
    }

    @Test func `a database that is not UTF8 is refused`() async throws {
        _ = try await connect().execute(
            "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        )
        let error = await failure { () throws(PostgresError) in
            try await PostgresConnection(PrivatePostgres.current.conninfo("latin"), applicationName: "tests")
        }
        #expect(error?.code == .unsupportedEncoding)
        #expect(error?.disposition == .halt)
        #expect(error?.description.contains("LATIN1") == true)
    }

    @Test func `a server that is not there may come back`() async throws {
        let error = await failure { () throws(PostgresError) in
            try await PostgresConnection("host=/nowhere password=hunter2", applicationName: "tests")
        }
        #expect(error?.code == .connectionFailed)
        #expect(error?.disposition == .retry)
        #expect(error?.debugDescription.contains("hunter2") == false)
    }

    @Test(arguments: [
        "hunter2", "password=hunter2 nonsense", "password='hunter2", "pass=hunter2", "postgres://me:hunter2@[::1/db",
        "postgres://me:hunter2/@host/db", "postgres://me:x@hunter2@host/db", "host=a\0password=hunter2",
    ]) func `a malformed connection string is never shown`(_ text: String) async throws {
        let error = await failure { () throws(PostgresError) in
            try await PostgresConnection(text, applicationName: "tests")
        }
        #expect(error?.code == .invalidConnectionString)
        #expect(error?.disposition == .halt)
        #expect(error?.debugDescription.contains("hunter2") == false)
    }

    @Test func `a closed connection says so`() async throws {
        let connection = try await connect()
        await connection.close()
        await connection.close()
        #expect(await !connection.isUsable)
        let error = await failure { () throws(PostgresError) in try await connection.execute("SELECT 1") }
        #expect(error?.code == .connectionLost)
        await connection.rollback()
    }

    @Test func `closing ends the session on the server, even in the middle of a COPY`() async throws {
        let observer = try await Observer()
        let connection = try await connect()
        try await connection.beginCopyOut("COPY (SELECT generate_series(1, 10000000)) TO STDOUT (FORMAT binary)")
        await connection.close()
        try await poll("the backend is gone") {
            try await observer.connection.execute(
                "SELECT 1 FROM pg_stat_activity WHERE pid = $1::int",
                ["\(connection.backend.pid)"]
            ).rows.isEmpty
        }
    }
}

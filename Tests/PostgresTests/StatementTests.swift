import Platform
import Postgres
import PrivateServers
import TestSupport
import Testing

@Suite(.privatePostgres, .timeLimit(.minutes(2))) struct StatementTests {
    @Test func `parameters and results are text, and NULL is not the empty text`() async throws {
        let connection = try await connect()
        let result = try await connection.execute(
            "SELECT $1::int + 1 AS n, $2::text AS t, $3::text AS e, $4::text",
            ["41", nil, "", "ü'\"\\$1"]
        )
        #expect(result.columns == ["n", "t", "e", "text"])
        #expect(result.rows == [["42", nil, "", "ü'\"\\$1"]])
        #expect(result.scalar == "42")
    }

    @Test func `the command tag counts the rows`() async throws {
        let connection = try await connect()
        _ = try await connection.execute("CREATE TEMP TABLE t (n int)")
        let insert = try await connection.execute("INSERT INTO t SELECT generate_series(1, 5)")
        #expect(insert.affected == 5)
        #expect(insert.command == "INSERT 0 5")
        #expect(try await connection.execute("DELETE FROM t WHERE n > 3").affected == 2)
    }

    @Test func `a script answers for its last statement and is one transaction`() async throws {
        let connection = try await connect()
        #expect(try await connection.executeScript("CREATE TEMP TABLE t (n int); SELECT 7").scalar == "7")
        let error = await failure { () throws(PostgresError) in
            try await connection.executeScript("INSERT INTO t VALUES (1); SELECT 1/0; INSERT INTO t VALUES (2)")
        }
        #expect(error?.sqlState == "22012")
        #expect(try await connection.execute("SELECT count(*) FROM t").scalar == "0")
    }

    @Test func `an error carries its SQLSTATE, constraint and table`() async throws {
        let connection = try await connect()
        _ = try await connection.execute("CREATE TEMP TABLE t (n int CONSTRAINT positive CHECK (n > 0))")
        let error = await failure { () throws(PostgresError) in
            try await connection.execute("INSERT INTO t VALUES ($1::int)", ["-77"])
        }
        #expect(error?.code == .server)
        #expect(error?.sqlState == "23514")
        #expect(error?.constraint == "positive")
        #expect(error?.table == "t")
        #expect(error?.disposition == .reject)
        #expect(error?.description.contains("77") == false)
        #expect(error?.debugDescription.contains("77") == true)
        #expect(try await connection.execute("SELECT 1").scalar == "1")
    }

    @Test func `a zero byte is refused, not cut off`() async throws {
        let connection = try await connect()
        for (sql, parameters) in [("SELECT $1", ["a\0b"]), ("SELECT 1\0", [])] {
            let error = await failure { () throws(PostgresError) in try await connection.execute(sql, parameters) }
            #expect(error?.code == .zeroByte)
        }
        #expect(await connection.isUsable)
    }

    @Test(arguments: ["", "plain", "it's", "a\"b", "back\\slash", "{1,2}", "NULL", "e\u{301}", "\r\n\t", "'\\''"])
    func `quoted text comes back as it was`(_ text: String) async throws {
        let connection = try await connect()
        for mode in ["on", "off"] {
            _ = try await connection.execute("SET standard_conforming_strings = \(mode)")
            #expect(try await connection.execute("SELECT \(SQLText.literal(text))").scalar == text)
        }
        let array = SQLText.array([text, nil, text])
        let elements = try await connection.execute("SELECT unnest($1::text[])", [array]).rows
        #expect(elements == [[text], [nil], [text]])
        guard !text.isEmpty else { return }
        #expect(try await connection.execute("SELECT 1 AS \(SQLText.identifier(text))").columns == [text])
    }

    @Test func `a COPY through execute is a mistake that costs the connection`() async throws {
        for sql in ["COPY pg_class TO STDOUT", "COPY pg_class FROM STDIN"] {
            let connection = try await connect()
            let error = await failure { () throws(PostgresError) in try await connection.execute(sql) }
            #expect(error?.code == .misuse)
            #expect(await !connection.isUsable)
        }
    }

    @Test func `a terminated backend makes the connection unusable and every call retryable`() async throws {
        let observer = try await Observer()
        let connection = try await connect()
        try await observer.terminate(connection)
        let first = await failure { () throws(PostgresError) in try await connection.execute("SELECT 1") }
        #expect(first?.code == .connectionLost)
        #expect(first?.sqlState == "57P01")
        #expect(first?.disposition == .retry)
        #expect(await !connection.isUsable)
        let second = await failure { () throws(PostgresError) in try await connection.execute("SELECT 1") }
        #expect(second?.code == .connectionLost)
        #expect(second?.disposition == .retry)
    }
}

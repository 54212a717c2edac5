import Platform
import Postgres
import PrivateServers
import TestSupport
import Testing

@Suite(.privatePostgres, .timeLimit(.minutes(2))) struct TransactionTests {
    @Test func `commit keeps and rollback forgets`() async throws {
        let connection = try await connect()
        _ = try await connection.execute("CREATE TEMP TABLE t (n int)")
        try await connection.begin()
        _ = try await connection.execute("INSERT INTO t VALUES (1)")
        #expect(await connection.isInTransaction)
        try await connection.commit()
        try await connection.begin()
        _ = try await connection.execute("INSERT INTO t VALUES (2)")
        await connection.rollback()
        #expect(await !connection.isInTransaction)
        #expect(try await connection.execute("SELECT n FROM t").rows == [["1"]])
    }

    @Test(arguments: [
        (PostgresConnection.Isolation.readCommitted, "read committed", "off"),
        (.repeatableRead, "repeatable read", "off"), (.snapshot, "repeatable read", "on"),
    ]) func `a transaction sees the others as asked`(
        _ isolation: PostgresConnection.Isolation,
        _ level: String,
        _ readOnly: String
    ) async throws {
        let connection = try await connect()
        try await connection.begin(isolation)
        #expect(try await connection.execute("SHOW transaction_isolation").scalar == level)
        #expect(try await connection.execute("SHOW transaction_read_only").scalar == readOnly)
        try await connection.commit()
    }

    @Test func `commit of a failed transaction throws`() async throws {
        let connection = try await connect()
        try await connection.begin()
        _ = await failure { () throws(PostgresError) in try await connection.execute("SELECT 1/0") }
        let error = await failure { () throws(PostgresError) in try await connection.commit() }
        #expect(error?.code == .rolledBack)
        #expect(await !connection.isInTransaction)
        #expect(await connection.isUsable)
    }

    @Test func `commit without a transaction and begin within one are mistakes`() async throws {
        let connection = try await connect()
        #expect(await failure { () throws(PostgresError) in try await connection.commit() }?.code == .misuse)
        try await connection.begin()
        #expect(await failure { () throws(PostgresError) in try await connection.begin() }?.code == .misuse)
        try await connection.commit()
    }

    @Test func `a constraint that fails at commit is the server's error, not an unknown outcome`() async throws {
        let connection = try await connect()
        _ = try await connection.execute("CREATE TEMP TABLE t (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        try await connection.begin()
        _ = try await connection.execute("INSERT INTO t VALUES (1), (1)")
        let error = await failure { () throws(PostgresError) in try await connection.commit() }
        #expect(error?.code == .server)
        #expect(error?.sqlState == "23505")
    }

    @Test func `a commit whose answer is lost has an unknown outcome`() async throws {
        let observer = try await Observer()
        let connection = try await connect()
        // A deferred trigger that sleeps holds the session inside COMMIT.
        _ = try await connection.executeScript(
            """
            CREATE TEMP TABLE t (n int);
            CREATE FUNCTION pg_temp.doze() RETURNS trigger LANGUAGE plpgsql
                AS 'BEGIN PERFORM pg_sleep(60); RETURN NULL; END';
            CREATE CONSTRAINT TRIGGER doze AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION pg_temp.doze();
            """
        )
        try await connection.begin()
        _ = try await connection.execute("INSERT INTO t VALUES (1)")
        async let outcome = failure { () throws(PostgresError) in try await connection.commit() }
        try await observer.wait(connection, until: "query = 'COMMIT' AND wait_event = 'PgSleep'")
        try await observer.terminate(connection)
        let error = await outcome
        #expect(error?.code == .unknownOutcome)
        #expect(error?.disposition == .retry)
        #expect(await !connection.isUsable)
    }

    @Test func `commit on a connection that is known to be broken is not an unknown outcome`() async throws {
        let observer = try await Observer()
        let connection = try await connect()
        try await connection.begin()
        try await observer.terminate(connection)
        _ = await failure { () throws(PostgresError) in try await connection.execute("SELECT 1") }
        #expect(await failure { () throws(PostgresError) in try await connection.commit() }?.code == .connectionLost)
    }

    @Test func `rollback cleans up in a cancelled task`() async throws {
        let connection = try await connect()
        let task = Task {
            try await connection.begin()
            withUnsafeCurrentTask { $0?.cancel() }
            #expect(
                await failure { () throws(PostgresError) in try await connection.execute("SELECT 1") }?.code
                    == .cancelled
            )
            await connection.rollback()
        }
        try await task.value
        #expect(await !connection.isInTransaction)
        #expect(try await connection.execute("SELECT 1").scalar == "1")
    }
}

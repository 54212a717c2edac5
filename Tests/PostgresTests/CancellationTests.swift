import Platform
import Glibc
import Postgres
import PrivateServers
import TestSupport
import Testing

@Suite(.privatePostgres, .timeLimit(.minutes(2))) struct CancellationTests {
    /// Cancels `call` once its session matches `condition`, and returns its error and how long it took to end.
    private func cancel<R: Sendable>(
        _ connection: PostgresConnection,
        once condition: String,
        _ call: @escaping @Sendable () async throws(PostgresError) -> R
    ) async throws -> (error: PostgresError?, took: Duration) {
        let observer = try await Observer()
        let task = Task { await failure(call) }
        try await observer.wait(connection, until: condition)
        let start = ContinuousClock.now
        task.cancel()
        let error = await task.value
        return (error, ContinuousClock.now - start)
    }

    @Test func `a cancelled task ends its statement at once`() async throws {
        let connection = try await connect()
        let (error, took) = try await cancel(connection, once: "wait_event = 'PgSleep'") { () throws(PostgresError) in
            try await connection.execute("SELECT pg_sleep(60)")
        }
        #expect(error?.code == .cancelled)
        #expect(error?.sqlState == "57014")
        #expect(took < .seconds(5))
        #expect(try await connection.execute("SELECT 1").scalar == "1")
    }

    @Test func `a COPY that waits for a lock is cancelled too`() async throws {
        let owner = try await connect()
        _ = try await owner.execute("CREATE TABLE locked (id int, name text)")
        try await owner.begin()
        _ = try await owner.execute("LOCK TABLE locked")
        let connection = try await connect()
        let (error, _) = try await cancel(connection, once: "wait_event_type = 'Lock'") { () throws(PostgresError) in
            try await connection.copyIn("COPY locked FROM STDIN (FORMAT binary)", rows: tuples(0..<100_000))
        }
        #expect(error?.code == .cancelled)
        #expect(await connection.isUsable)
    }

    @Test func `a COPY that waits for its next row is cancelled too`() async throws {
        let connection = try await connect()
        let slow = "SELECT n, CASE n WHEN 50000 THEN pg_sleep(60)::text END FROM generate_series(1, 100000) n"
        try await connection.beginCopyOut("COPY (\(slow)) TO STDOUT (FORMAT binary)")
        let (error, _) = try await cancel(connection, once: "wait_event = 'PgSleep'") { () throws(PostgresError) in
            while try await connection.nextCopyChunk(atMost: 1 << 20) != nil {}
        }
        #expect(error?.code == .cancelled)
        await connection.rollback()
        #expect(try await connection.execute("SELECT 1").scalar == "1")
    }

    @Test func `a statement timeout is not a cancellation`() async throws {
        let connection = try await connect(settings: ["statement_timeout": "50ms"])
        let error = await failure { () throws(PostgresError) in try await connection.execute("SELECT pg_sleep(60)") }
        #expect(error?.code == .server)
        #expect(error?.sqlState == "57014")
        #expect(error?.disposition == .retry)
    }

    @Test func `a cancellation never reaches the next statement`() async throws {
        let connection = try await connect()
        for round in 0..<200 {
            let task = Task {
                await failure { () throws(PostgresError) in try await connection.execute("SELECT pg_sleep(0.003)") }
            }
            // A request takes about a millisecond: it is to arrive before, at and after the end of the statement.
            let moment = ContinuousClock.now + .microseconds(round * 25)
            while ContinuousClock.now < moment { await Task.yield() }
            task.cancel()
            async let next = connection.execute("SELECT count(*) FROM generate_series(1, 20000)").scalar
            #expect(try await next == "20000")
            let error = await task.value
            #expect(error == nil || error?.code == .cancelled)
        }
    }

    @Test func `a cancelled call returns even when the server has stopped`() async throws {
        let connection = try await connect(cancelPatience: .milliseconds(200))
        // Stopped, the backend sees no signal and no request.
        defer { kill(connection.backend.pid, SIGCONT) }
        let observer = try await Observer()
        let task = Task {
            await failure { () throws(PostgresError) in try await connection.execute("SELECT pg_sleep(60)") }
        }
        try await observer.wait(connection, until: "wait_event = 'PgSleep'")
        kill(connection.backend.pid, SIGSTOP)
        task.cancel()
        let error = await task.value
        #expect(error?.code == .connectionLost)
        #expect(await !connection.isUsable)
    }

    @Test func `blocked connections do not hold the threads that others need`() async throws {
        let connections = try await [connect(), connect(), connect(), connect(), connect(), connect()]
        let observer = try await Observer()
        await withTaskGroup { group in
            for connection in connections {
                group.addTask {
                    await failure { () throws(PostgresError) in try await connection.execute("SELECT pg_sleep(60)") }
                }
            }
            // On the shared pool this would wait for a minute, behind as many sleeps as there are processors.
            let seen = await Result {
                for connection in connections { try await observer.wait(connection, until: "wait_event = 'PgSleep'") }
            }
            group.cancelAll()
            for await error in group { #expect(error?.code == .cancelled) }
            #expect(throws: Never.self) { try seen.get() }
        }
    }
}

extension Result where Failure == any Error {
    fileprivate init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}

internal import Platform

/// One session with a PostgreSQL server, on a thread of its own.
///
/// Calls run one after the other. Cancelling the calling task cancels the statement on the server, a COPY included,
/// and the call throws `.cancelled`; when the server does not react, the connection is cut: a cancelled call ends.
/// A COPY in progress stays so when the cancellation falls between two calls: `rollback` cleans up after everything.
/// A call that nobody cancels waits as long as the server lives: `statement_timeout` bounds the statement there, TCP
/// keepalives and `tcp_user_timeout` find a peer that is gone. After `.connectionLost` every call throws it.
package actor PostgresConnection {
    /// What names a session for good: process ids return, start times do not.
    package struct Backend: Sendable, Hashable {
        package let pid: Int32
        /// `pg_stat_activity.backend_start::text` in UTC.
        package let start: String
    }

    /// How a transaction sees the others.
    package enum Isolation: String, Sendable {
        case readCommitted = "BEGIN ISOLATION LEVEL READ COMMITTED"
        case repeatableRead = "BEGIN ISOLATION LEVEL REPEATABLE READ"
        /// One snapshot for reading, which cannot write.
        case snapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    }

    /// What the session is in the middle of.
    private enum Phase: String {
        case idle
        case copyingIn = "a COPY FROM STDIN is in progress"
        case copyingOut = "a COPY TO STDOUT is in progress"
        /// The stream is over and checked; the next chunk is the nil that says so.
        case copiedOut = "a COPY TO STDOUT was not read to its end"
    }

    nonisolated package let backend: Backend
    nonisolated package var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    private let executor: BlockingExecutor
    private let interrupter: Interrupter
    private var server: ServerHandle
    private var phase = Phase.idle
    private var reader = CopyOutReader(columns: 0)
    private var ticket: UInt64 = 0

    /// Connects and prepares the session.
    ///
    /// `settings` are session settings such as `statement_timeout`, over our own for time zone and text forms;
    /// `cancelPatience` is how long a cancelled call waits for the server before the connection is cut.
    /// Throws: `.connectionFailed` (retry), `.invalidConnectionString`, `.unsupportedEncoding` (halt), `.server`.
    package init(
        _ connectionString: String,
        applicationName: String,
        settings: [String: String] = [:],
        cancelPatience: Duration = .seconds(10)
    ) async throws(PostgresError) {
        executor = BlockingExecutor(label: "postgres \(applicationName)")
        let session = try await Opening(executor).open(connectionString, applicationName, settings, cancelPatience)
        interrupter = session.interrupter
        backend = session.backend
        server = session.server
    }

    /// Whether the connection takes calls; false for good once it has broken or was closed.
    package var isUsable: Bool { server.isConnected }

    /// Whether a transaction is open, failed or not.
    package var isInTransaction: Bool { server.isInTransaction }

    /// Runs one statement with parameters `$1`… as text, nil for NULL.
    ///
    /// Throws: as `disposition` says. What throws `.connectionLost` outside a transaction may have happened.
    package func execute(_ sql: String, _ parameters: [String?] = []) async throws(PostgresError) -> QueryResult {
        try await interruptibly(.execute) { () throws(PostgresError) in
            let result = try server.run(.execute, sql, parameters)
            try refuseCopy(result)
            return result.copied()
        }
    }

    /// Runs several statements at once, as one transaction unless they say otherwise, and answers for the last.
    package func executeScript(_ sql: String) async throws(PostgresError) -> QueryResult {
        try await interruptibly(.execute) { () throws(PostgresError) in
            let result = try server.runScript(.execute, sql)
            try refuseCopy(result)
            return result.copied()
        }
    }

    // MARK: Transactions

    /// Opens a transaction.
    package func begin(_ isolation: Isolation = .readCommitted) async throws(PostgresError) {
        try await interruptibly(.begin) { () throws(PostgresError) in
            guard !server.isInTransaction else {
                throw PostgresError(.misuse, .begin, "a transaction is already open")
            }
            _ = try server.run(.begin, isolation.rawValue)
        }
    }

    /// Commits the open transaction.
    ///
    /// Throws: `.rolledBack` when a statement in it had failed, `.unknownOutcome` when the connection broke before the
    /// answer came: ask the database on a new connection whether it happened.
    package func commit() async throws(PostgresError) {
        try await interruptibly(.commit) { () throws(PostgresError) in
            guard server.isInTransaction else { throw PostgresError(.misuse, .commit, "no transaction is open") }
            let command: String
            do throws(PostgresError) {
                command = try server.run(.commit, "COMMIT").command
            } catch {
                guard error.code == .connectionLost else { throw error }
                var unknown = error
                unknown.code = .unknownOutcome
                throw unknown
            }
            guard command == "COMMIT" else {
                throw PostgresError(.rolledBack, .commit, "COMMIT answered \(command): a statement had failed before")
            }
        }
    }

    /// Ends a COPY in progress and rolls back the open transaction, if any: the one call to clean up with.
    ///
    /// It works in a cancelled task and does not throw: afterwards the session is idle or not usable any more, and in
    /// either case the server keeps nothing of the transaction.
    package func rollback() {
        guard server.isConnected else { return }
        do throws(PostgresError) {
            try limited { () throws(PostgresError) in try abandonCopy() }
            guard server.isInTransaction else { return }
            try limited { () throws(PostgresError) in _ = try server.run(.rollback, "ROLLBACK") }
        } catch {
            close()  // What we cannot roll back the server rolls back, once it loses us.
        }
    }

    /// Closes the connection, whatever it is doing; an open transaction is rolled back by the server.
    package func close() {
        if phase != .idle { interrupter.cut() }
        server.close()
        interrupter.close()
        phase = .idle
    }

    // MARK: COPY FROM STDIN

    /// Stores rows by one `COPY … FROM STDIN (FORMAT binary)` and returns how many the server counts.
    ///
    /// `rows` are whole tuples without the header and trailer of the format.
    package func copyIn(_ sql: String, rows: [UInt8]) async throws(PostgresError) -> Int {
        try await interruptibly(.copyIn) { () throws(PostgresError) in
            try startCopyIn(sql)
            try send(rows)
            return try finishCopyIn()
        }
    }

    /// Starts a `COPY … FROM STDIN (FORMAT binary)`, to be ended by `endCopyIn`, `cancelCopyIn` or `rollback`.
    package func beginCopyIn(_ sql: String) async throws(PostgresError) {
        try await interruptibly(.copyIn) { () throws(PostgresError) in try startCopyIn(sql) }
    }

    /// Sends whole tuples to the COPY in progress; whether the server takes them is said by `endCopyIn`.
    package func writeCopy(_ rows: [UInt8]) async throws(PostgresError) {
        try await interruptibly(.copyIn, during: .copyingIn) { () throws(PostgresError) in try send(rows) }
    }

    /// Ends the COPY in progress and returns how many rows the server counts.
    package func endCopyIn() async throws(PostgresError) -> Int {
        try await interruptibly(.copyIn, during: .copyingIn) { () throws(PostgresError) in try finishCopyIn() }
    }

    /// Makes the server drop the COPY in progress; an open transaction has then failed.
    package func cancelCopyIn(_ reason: String) async throws(PostgresError) {
        try await interruptibly(.copyIn, during: .copyingIn) { () throws(PostgresError) in try dropCopyIn(reason) }
    }

    // MARK: COPY TO STDOUT

    /// Starts a `COPY … TO STDOUT (FORMAT binary)`, to be read with `nextCopyChunk` or ended by `rollback`.
    package func beginCopyOut(_ sql: String) async throws(PostgresError) {
        try await interruptibly(.copyOut) { () throws(PostgresError) in
            let result = try server.run(.copyOut, sql)
            guard result.isCopyOut, result.isBinary else {
                close()
                throw PostgresError(.misuse, .copyOut, "the statement is not a binary COPY TO STDOUT")
            }
            reader = CopyOutReader(columns: result.columnCount)
            phase = .copyingOut
        }
    }

    /// Reads whole tuples, without header and trailer, until they are about `bytes` long; nil after the last.
    ///
    /// The chunk that contains the last row is returned only after the trailer has come and the server's count agrees.
    package func nextCopyChunk(atMost bytes: Int) async throws(PostgresError) -> [UInt8]? {
        if phase == .copiedOut {
            phase = .idle
            return nil
        }
        return try await interruptibly(.copyOut, during: .copyingOut) { () throws(PostgresError) in
            var chunk: [UInt8] = []
            chunk.reserveCapacity(bytes)
            guard try !server.receive(bytes, &reader, into: &chunk) else { return chunk }
            phase = .idle
            try reader.finish(counted: server.answer(.copyOut).affected)
            guard !chunk.isEmpty else { return nil }
            phase = .copiedOut
            return chunk
        }
    }

    /// Rows of the present or last COPY TO STDOUT; of `COPY (DELETE … RETURNING …)`, once over, what was deleted.
    package var copiedRows: Int { reader.rows }

    // MARK: Under every call

    /// Runs `body` so that cancelling the task ends it.
    private func interruptibly<R: Sendable>(
        _ operation: PostgresError.Operation,
        during expected: Phase = .idle,
        _ body: () throws(PostgresError) -> R
    ) async throws(PostgresError) -> R {
        guard server.isConnected else {
            throw PostgresError(.connectionLost, operation, "the connection has broken or was closed")
        }
        guard phase == expected else {
            throw PostgresError(.misuse, operation, phase == .idle ? "no COPY is in progress" : phase.rawValue)
        }
        ticket += 1
        let (ticket, interrupter) = (ticket, interrupter)
        // `withTaskCancellationHandler` rethrows untyped, so the typed error rides in a Result.
        let result = await withTaskCancellationHandler {
            Result { () throws(PostgresError) in
                interrupter.enter(ticket)
                defer { interrupter.leave(connected: server.isConnected) }
                // After `enter`: whoever cancels from here on finds the ticket running.
                guard !Task.isCancelled else { throw PostgresError(.cancelled, operation, "the task was cancelled") }
                return try body()
            }
        } onCancel: {
            interrupter.interrupt(ticket)
        }
        do { return try result.get() } catch {
            // A session whose state we do not know takes no further call.
            if error.code == .connectionLost || error.code == .protocolViolation { close() }
            guard error.sqlState == "57014", error.code == .server, Task.isCancelled else { throw error }
            var cancelled = error
            cancelled.code = .cancelled
            throw cancelled
        }
    }

    /// Runs `body` for at most `cancelPatience`, whether the task is cancelled or not.
    private func limited(_ body: () throws(PostgresError) -> Void) throws(PostgresError) {
        ticket += 1
        interrupter.enter(ticket)
        defer { interrupter.leave(connected: server.isConnected) }
        interrupter.limit(ticket)
        try body()
    }

    /// Only the COPY calls may start one: another caller would not know how to end it.
    private func refuseCopy(_ result: borrowing ServerResult) throws(PostgresError) {
        guard result.isCopyIn || result.isCopyOut else { return }
        close()
        throw PostgresError(.misuse, .execute, "a COPY of data needs the COPY calls")
    }

    private func startCopyIn(_ sql: String) throws(PostgresError) {
        let result = try server.run(.copyIn, sql)
        guard result.isCopyIn, result.isBinary else {
            close()
            throw PostgresError(.misuse, .copyIn, "the statement is not a binary COPY FROM STDIN")
        }
        phase = .copyingIn
        try send(CopyFormat.header)
    }

    private func send(_ bytes: [UInt8]) throws(PostgresError) {
        let result = bytes.withUnsafeBytes { bytes in
            Result { () throws(PostgresError) in try server.send(bytes) }
        }
        try result.get()
    }

    private func finishCopyIn() throws(PostgresError) -> Int {
        try send(CopyFormat.trailer)
        phase = .idle
        return try server.endCopyIn().affected
    }

    private func dropCopyIn(_ reason: String) throws(PostgresError) {
        phase = .idle
        do { _ = try server.endCopyIn(failing: reason) } catch {
            guard error.code == .server else { throw error }  // 57014 with our reason, or what had gone wrong before
        }
    }

    private func abandonCopy() throws(PostgresError) {
        switch phase {
        case .idle: break
        case .copiedOut: phase = .idle
        case .copyingIn: try dropCopyIn("rolled back")
        case .copyingOut:
            phase = .idle
            interrupter.interrupt(ticket)
            server.discardCopyOut()
            do { _ = try server.answer(.copyOut) } catch {
                guard error.code == .server else { throw error }
            }
        }
    }
}

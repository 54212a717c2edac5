internal import CPostgres

/// Owns one `PGconn*` and speaks libpq; every call blocks, so only the connection's own thread may make it.
struct ServerHandle: ~Copyable {
    /// Nil once closed; libpq answers a null connection with failure, never with a crash.
    private var raw: OpaquePointer?

    /// Connects, waiting at most the `connect_timeout` of the parameters for each address.
    ///
    /// Throws: `.connectionFailed`. libpq names host, user and database in its message, never the password.
    init(connecting parameters: [(name: String, value: String)]) throws(PostgresError) {
        let names = parameters.map(\.name) + [nil]
        let values = parameters.map(\.value) + [nil]
        // 1: a connection string under the name `dbname` is taken apart.
        raw = CStrings.with(names) { names in CStrings.with(values) { PQconnectdbParams(names, $0, 1) } }
        guard isConnected else { throw failure(.connectionFailed, .connect) }
        _ = PQsetNoticeReceiver(raw, { _, _ in }, nil)  // libpq would write them to standard error
    }

    deinit { PQfinish(raw) }

    /// Says goodbye to the server and frees everything; what follows is a failure.
    mutating func close() {
        PQfinish(raw)
        raw = nil
    }

    var isConnected: Bool { PQstatus(raw) == CONNECTION_OK }
    var processID: Int32 { PQbackendPID(raw) }
    var isInTransaction: Bool {
        let status = PQtransactionStatus(raw)
        return status == PQTRANS_INTRANS || status == PQTRANS_INERROR
    }

    func cancelKey() -> CancelKey? { CancelKey(of: raw) }
    func socket() -> Socket? { Socket(of: raw) }

    /// A setting that the server reports by itself, such as `server_encoding`.
    func reported(_ name: String) -> String? { PQparameterStatus(raw, name).map { String(cString: $0) } }

    /// Sends one statement, with parameters as text, and waits for the answer.
    func run(
        _ operation: PostgresError.Operation,
        _ sql: String,
        _ parameters: [String?] = []
    ) throws(PostgresError) -> ServerResult {
        guard !sql.utf8.contains(0), parameters.allSatisfy({ $0?.utf8.contains(0) != true }) else {
            throw PostgresError(.zeroByte, operation, "a statement or parameter contains a zero byte")
        }
        let sent = CStrings.with(parameters) {
            PQsendQueryParams(raw, sql, Int32(parameters.count), nil, $0, nil, nil, 0)
        }
        guard sent == 1 else { throw failure(.connectionLost, operation) }
        return try answer(operation)
    }

    /// Sends several statements at once and waits for the last answer.
    func runScript(_ operation: PostgresError.Operation, _ sql: String) throws(PostgresError) -> ServerResult {
        guard !sql.utf8.contains(0) else {
            throw PostgresError(.zeroByte, operation, "a statement contains a zero byte")
        }
        guard PQsendQuery(raw, sql) == 1 else { throw failure(.connectionLost, operation) }
        return try answer(operation)
    }

    /// Reads until the server is ready for the next statement or a COPY begins.
    ///
    /// The first error counts: a "connection closed" behind it says less.
    func answer(_ operation: PostgresError.Operation) throws(PostgresError) -> ServerResult {
        var last: ServerResult?
        var error: PostgresError?
        while let next = PQgetResult(raw) {
            let result = ServerResult(adopting: next)
            switch result.status {
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: last = consume result
            case PGRES_COPY_IN, PGRES_COPY_OUT: return result
            default: error = error ?? result.error(operation)
            }
        }
        guard isConnected else {
            var lost = error ?? failure(.connectionLost, operation)
            lost.code = .connectionLost
            throw lost
        }
        if let error { throw error }
        guard let result = last else { throw failure(.protocolViolation, operation) }
        return result
    }

    /// Sends bytes of a COPY FROM STDIN, without copying them on our side.
    func send(_ bytes: UnsafeRawBufferPointer) throws(PostgresError) {
        // 64 KiB a message: libpq's buffer grows to the largest one and stays in the processor's cache.
        let piece = 64 * 1024
        var start = 0
        while start < bytes.count {
            let slice = UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + piece, bytes.count)])
            let sent = PQputCopyData(raw, slice.assumingMemoryBound(to: CChar.self).baseAddress, Int32(slice.count))
            guard sent == 1 else { throw failure(.connectionLost, .copyIn) }
            start += slice.count
        }
    }

    /// Ends a COPY FROM STDIN, with a reason to make the server drop it, and waits for the answer.
    func endCopyIn(failing reason: String? = nil) throws(PostgresError) -> ServerResult {
        guard PQputCopyEnd(raw, reason) == 1 else { throw failure(.connectionLost, .copyIn) }
        return try answer(.copyIn)
    }

    /// Waits for messages of a COPY TO STDOUT until `chunk` has `size` bytes; false once the stream is over.
    func receive(
        _ size: Int,
        _ reader: inout CopyOutReader,
        into chunk: inout [UInt8]
    ) throws(PostgresError) -> Bool {
        while chunk.count < size {
            var message: UnsafeMutablePointer<CChar>?
            let length = PQgetCopyData(raw, &message, 0)
            // -1: over, well or not, as the answer that follows says; -2: the connection failed, so does the answer.
            guard length > 0, let message else { return false }
            defer { PQfreemem(message) }
            try reader.take(UnsafeRawBufferPointer(start: message, count: Int(length)), into: &chunk)
        }
        return true
    }

    /// Throws away what is left of a COPY TO STDOUT.
    func discardCopyOut() {
        var message: UnsafeMutablePointer<CChar>?
        while PQgetCopyData(raw, &message, 0) > 0 { PQfreemem(message) }
    }

    private func failure(_ code: PostgresError.Code, _ operation: PostgresError.Operation) -> PostgresError {
        PostgresError(code, operation, PostgresError.oneLine(String(cString: PQerrorMessage(raw))))
    }
}

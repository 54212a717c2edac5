internal import CPostgres

/// Owns one `PGresult*`, freed exactly once by `deinit`.
struct ServerResult: ~Copyable {
    private let raw: OpaquePointer

    init(adopting raw: OpaquePointer) { self.raw = raw }

    deinit { PQclear(raw) }

    var status: ExecStatusType { PQresultStatus(raw) }

    var isCopyIn: Bool { status == PGRES_COPY_IN }
    var isCopyOut: Bool { status == PGRES_COPY_OUT }

    var columnCount: Int { Int(PQnfields(raw)) }

    /// Whether a COPY that starts with this result is binary as a whole.
    var isBinary: Bool { PQbinaryTuples(raw) == 1 }

    var command: String { String(cString: PQcmdStatus(raw)) }

    /// Rows that the command tag counts, 0 where it counts none.
    var affected: Int { Int(String(cString: PQcmdTuples(raw))) ?? 0 }

    /// Everything in it as values, copied out.
    func copied() -> QueryResult {
        let columns = PQnfields(raw)
        return QueryResult(
            columns: (0..<columns).map { String(cString: PQfname(raw, $0)) },
            rows: (0..<PQntuples(raw)).map { row in (0..<columns).map { text(row, $0) } },
            affected: affected,
            command: command
        )
    }

    /// The server's error report in this result.
    func error(_ operation: PostgresError.Operation) -> PostgresError {
        let libpqMessage = PostgresError.oneLine(String(cString: PQresultErrorMessage(raw)))
        var error = PostgresError(.server, operation, field("M") ?? libpqMessage)
        error.sqlState = field("C")
        error.detail = field("D")
        error.hint = field("H")
        error.schema = field("s")
        error.table = field("t")
        error.column = field("c")
        error.constraint = field("n")
        return error
    }

    private func text(_ row: Int32, _ column: Int32) -> String? {
        guard PQgetisnull(raw, row, column) == 0 else { return nil }
        return String(cString: PQgetvalue(raw, row, column))
    }

    /// One field of the error report; the `PG_DIAG_` constants are characters and do not reach Swift.
    private func field(_ code: Unicode.Scalar) -> String? {
        PQresultErrorField(raw, Int32(code.value)).map { String(cString: $0) }
    }
}

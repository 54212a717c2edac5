import Platform
import Postgres
import Tiering

/// Statements of one undertaking in a session with the hot database; a failure says what was tried.
struct HotCall {
    let connection: PostgresConnection
    /// A verb phrase: `append trade`.
    let operation: String

    init(_ connection: PostgresConnection, _ operation: String) {
        self.connection = connection
        self.operation = operation
    }

    @discardableResult
    func execute(_ sql: String, _ parameters: [String?] = []) async throws(StoreError) -> QueryResult {
        try await at("hot", operation) { () throws(PostgresError) in try await connection.execute(sql, parameters) }
    }

    /// Stores rows by one COPY and returns how many the server counts.
    func copy(_ sql: String, _ rows: [UInt8]) async throws(StoreError) -> Int {
        try await at("hot", operation) { () throws(PostgresError) in try await connection.copyIn(sql, rows: rows) }
    }

    /// Runs `body` in a transaction; nil, the fence's refusal, rolls it back.
    func transaction<R>(_ body: () async throws(StoreError) -> R?) async throws(StoreError) -> R? {
        do throws(StoreError) {
            try await at("hot", operation) { () throws(PostgresError) in try await connection.begin() }
            let answer = try await body()
            guard answer != nil else {
                await connection.rollback()
                return nil
            }
            try await at("hot", operation) { () throws(PostgresError) in try await connection.commit() }
            return answer
        } catch {
            await connection.rollback()
            throw error
        }
    }

    /// A failure that no waiting mends.
    func halt(_ detail: String, _ code: StoreError.Code = .failed) -> StoreError {
        StoreError(code, .halt, tier: "hot", operation: operation, detail: detail)
    }
}

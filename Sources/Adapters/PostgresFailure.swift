import Platform
package import Postgres
package import Tiering

extension StoreError {
    /// What a failure of the database means for the tier.
    package init(_ error: PostgresError, tier: String, operation: String) {
        let code: Code
        switch error.code {
        case .connectionFailed, .connectionLost: code = .unreachable
        case .unknownOutcome: code = .unknownOutcome
        case .cancelled: code = .timeout
        case .server:
            switch error.disposition {
            case .retry: code = error.sqlState == "55P03" ? .timeout : .unreachable
            case .reject: code = .rejected
            case .halt: code = .failed
            }
        case .zeroByte: code = .rejected
        case .rolledBack, .invalidConnectionString, .unsupportedEncoding, .protocolViolation, .misuse: code = .failed
        }
        self.init(
            code,
            error.disposition,
            tier: tier,
            operation: operation,
            sqlState: error.sqlState,
            constraint: error.constraint,
            detail: error.description
        )
    }
}

extension StoreError {
    /// A row for which no partition exists: 23514, and no constraint that it breaks.
    var isMissingPartition: Bool { disposition == .reject && sqlState == "23514" && constraint == nil }
}

/// Runs database calls and says which tier and what was tried when one fails.
func at<R>(
    _ tier: String,
    _ operation: String,
    _ body: () async throws(PostgresError) -> R
) async throws(StoreError) -> R {
    do {
        return try await body()
    } catch {
        throw StoreError(error, tier: tier, operation: operation)
    }
}

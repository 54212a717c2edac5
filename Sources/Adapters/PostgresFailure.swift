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
            detail: error.description + (remedy(error.sqlState, tier).map { "; \($0)" } ?? "")
        )
    }
}

extension StoreError {
    /// A row for which no partition exists: 23514, and no constraint that it breaks.
    var isMissingPartition: Bool { disposition == .reject && sqlState == "23514" && constraint == nil }
}

/// What an operator can do about a failure that passes, where the server's own words do not say it.
private func remedy(_ sqlState: String?, _ tier: String) -> String? {
    switch sqlState {
    case "25006":
        "\(tier) takes no writes, as a standby or with default_transaction_read_only: promote it, or let "
            + "\(tier).postgres name the primary"
    case "42501": "give the role of \(tier).postgres the right"
    case "53100": "a disk of \(tier) is full: make room there"
    case "53200", "53400": "a limit of \(tier)'s server is reached: raise it, or end what uses it up"
    case "53300": "\(tier) has no connection left for us: end some in pg_stat_activity, or raise its max_connections"
    case "55P03": "somebody holds a lock for longer than lock_timeout: look for who in pg_stat_activity of \(tier)"
    case "57014": "statement_timeout of \(tier), or a person, ended the statement: raise it if this goes on"
    case "58030": "a disk of \(tier) fails: look at its server's log"
    default: nil
    }
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

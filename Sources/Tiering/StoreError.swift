package import Platform

/// What went wrong in a tier, and what the caller may do about it.
package struct StoreError: Error, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable {
        case unreachable, timeout, rejected, schema, fenced, corrupt, unknownOutcome, failed
    }
    package let code: Code
    package let disposition: Disposition
    /// `hot` or `cold`.
    package let tier: String
    /// What was tried, as a verb phrase: `append trade`.
    package let operation: String
    /// SQLSTATE, where a server gave one.
    package let sqlState: String?
    /// The constraint that was broken, where a server named one.
    package let constraint: String?
    package let detail: String

    package init(
        _ code: Code,
        _ disposition: Disposition,
        tier: String,
        operation: String,
        sqlState: String? = nil,
        constraint: String? = nil,
        detail: String
    ) {
        self.code = code
        self.disposition = disposition
        self.tier = tier
        self.operation = operation
        self.sqlState = sqlState
        self.constraint = constraint
        self.detail = detail
    }

    /// The same failure, known to pass by itself.
    package var passing: StoreError {
        StoreError(
            .timeout,
            .retry,
            tier: tier,
            operation: operation,
            sqlState: sqlState,
            constraint: constraint,
            detail: detail
        )
    }

    /// Nothing can be added to a range of which something is copied and not proved, or that cold let go.
    package static func unsettled(_ whole: Transfer, _ operation: String) -> StoreError {
        StoreError(
            .failed,
            .retry,
            tier: "cold",
            operation: operation,
            detail: "the range is \(whole.state) or has a part that is not proved; nothing was copied"
        )
    }

    package var description: String {
        "\(tier): \(operation): \(detail)" + (sqlState.map { " (SQLSTATE \($0))" } ?? "")
    }
}

/// What went wrong at the stream that a lane reads.
package struct SourceError: Error, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable { case unreachable, timeout, streamMissing, consumerLost, rejected, failed }
    package let code: Code
    package let disposition: Disposition
    package let operation: String
    /// Stream or subject.
    package let subject: String
    package let detail: String

    package init(_ code: Code, _ disposition: Disposition, operation: String, subject: String, detail: String) {
        self.code = code
        self.disposition = disposition
        self.operation = operation
        self.subject = subject
        self.detail = detail
    }

    package var description: String { "nats: \(operation) \(subject): \(detail)" }
}

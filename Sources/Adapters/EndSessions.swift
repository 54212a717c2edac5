import Platform
import Postgres
import Tiering

extension PostgresConnection {
    /// Ends sessions with one statement and waits until another counts none of them.
    ///
    /// Throws: `.timeout` (retry) where one is there after 10 s; `whose` says whose they are.
    func endSessions(
        _ end: String,
        count: String,
        _ parameters: [String?],
        whose: String,
        of tier: Tier,
        to operation: String
    ) async throws(StoreError) {
        let deadline = ContinuousClock.now + .seconds(10)
        _ = try await at(tier.rawValue, operation) { () throws(PostgresError) in try await execute(end, parameters) }
        while true {
            let left = try await at(tier.rawValue, operation) { () throws(PostgresError) in
                try await execute(count, parameters).scalar
            }
            if left == "0" { return }
            var refusal = "\(whose) session did not end within 10 s of being terminated"
            if ContinuousClock.now < deadline {
                do {
                    try await Task.sleep(for: .milliseconds(20))
                    continue
                } catch { refusal = "cancelled" }
            }
            throw StoreError(.timeout, .retry, tier: tier.rawValue, operation: operation, detail: refusal)
        }
    }
}

/// What was waited for did not come true in time.
package struct PollTimeout: Error, CustomStringConvertible {
    package let description: String

    package init(description: String) { self.description = description }
}

/// Waits until `condition` holds: asks at once and then every 10 ms.
///
/// Throws: `PollTimeout` naming `what` after `limit`; whatever `condition` throws, at once.
package func poll(
    _ what: String,
    within limit: Duration = .seconds(10),
    until condition: () async throws -> Bool
) async throws {
    _ = try await poll(what, within: limit) { try await condition() ? true : nil }
}

/// Waits until `value` returns something, and returns that.
///
/// Throws: `PollTimeout` naming `what` after `limit`; whatever `value` throws, at once.
package func poll<Value>(
    _ what: String,
    within limit: Duration = .seconds(10),
    for value: () async throws -> Value?
) async throws -> Value {
    let deadline = ContinuousClock.now + limit
    while true {
        if let value = try await value() { return value }
        guard ContinuousClock.now < deadline else { throw PollTimeout(description: "not within \(limit): \(what)") }
        try await Task.sleep(for: .milliseconds(10))
    }
}

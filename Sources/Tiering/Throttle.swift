import Platform

/// What holds the archive back, over all transfers: a byte rate, and waiting while hot is slow.
///
/// Rows that are read from hot count; what is read back does not.
package final class Throttle: Sendable {
    /// Limits as they are set.
    package struct Limits: Sendable, Equatable {
        /// Bytes of rows a second; nil for no limit.
        package var bytesPerSecond: Int?
        /// No transfer begins while a small transaction takes longer to commit in hot; nil for no limit.
        package var pauseAbove: Duration?

        package init(bytesPerSecond: Int? = nil, pauseAbove: Duration? = nil) {
            self.bytesPerSecond = bytesPerSecond
            self.pauseAbove = pauseAbove
        }
    }

    /// What was not used counts for so long: a burst, after which the rate holds.
    private static let burst = Duration.seconds(1)
    /// Between two looks at a hot tier that is slow.
    private static let look = Duration.seconds(5)

    private let limits: Limits
    private let elapsed: @Sendable () -> Duration
    private let sleep: @Sendable (_ until: Duration) async throws -> Void
    /// When what was spent so far is paid for.
    private let paid = Locked(Duration.zero)

    package init<C: Clock>(_ limits: Limits = Limits(), clock: C) where C.Duration == Duration {
        self.limits = limits
        let start = clock.now
        elapsed = { start.duration(to: clock.now) }
        sleep = { try await clock.sleep(until: start.advanced(by: $0), tolerance: nil) }
    }

    /// Waits until so many more bytes are within the rate.
    package func spend(_ bytes: Int) async throws(StoreError) {
        guard let rate = limits.bytesPerSecond else { return }
        let now = elapsed()
        let due = paid.withLock { paid in
            paid = max(paid, now - Self.burst) + .seconds(1) * (Double(bytes) / Double(rate))
            return paid
        }
        if due > now { try await wait(until: due) }
    }

    /// Waits while hot is slow; `pausing` hears each time how slow it was found.
    package func awaitCalm(
        of source: some ArchiveSource,
        unless isStopping: () -> Bool,
        pausing: (Duration) -> Void
    ) async throws(StoreError) {
        guard let limit = limits.pauseAbove else { return }
        while !isStopping() {
            let latency = try await source.commitLatency()
            guard latency > limit else { return }
            pausing(latency)
            try await wait(until: elapsed() + Self.look)
        }
    }

    private func wait(until due: Duration) async throws(StoreError) {
        do { try await sleep(due) } catch {
            throw StoreError(.timeout, .retry, tier: "hot", operation: "wait for the throttle", detail: "cancelled")
        }
    }
}

/// How long to wait before the next attempt: a random time between half and all of a step that doubles up to `limit`.
///
/// The random part keeps lanes that failed together from coming back together. It has no end: the cause is outside.
package struct Backoff: Sendable {
    package let first: Duration
    package let limit: Duration
    /// Failures since the last `reset`.
    package private(set) var attempt = 0

    package init(first: Duration = .milliseconds(100), limit: Duration = .seconds(10)) {
        precondition(first > .zero && limit >= first)
        self.first = first
        self.limit = limit
    }

    /// Counts one more failure and returns the wait after it.
    package mutating func next(using generator: inout some RandomNumberGenerator) -> Duration {
        var wait = first
        for _ in 0..<min(attempt, 64) where wait < limit { wait *= 2 }
        attempt += 1
        // One draw, whatever its value: `Double.random` draws again until it likes one.
        let fraction = Double(generator.next() >> 11) / Double(1 << 53)
        return min(wait, limit) * (0.5 + fraction / 2)
    }

    /// Counts one more failure and returns the wait after it.
    package mutating func next() -> Duration {
        var generator = SystemRandomNumberGenerator()
        return next(using: &generator)
    }

    /// Starts over: it worked.
    package mutating func reset() { attempt = 0 }
}

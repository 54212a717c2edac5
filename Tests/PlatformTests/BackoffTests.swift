import Platform
import Testing

@Suite struct BackoffTests {
    /// Always the smallest or always the largest of what may be drawn.
    private struct Edge: RandomNumberGenerator {
        let value: UInt64
        mutating func next() -> UInt64 { value }
    }

    private func waits(_ edge: Edge, _ count: Int) -> [Duration] {
        var backoff = Backoff(first: .milliseconds(100), limit: .seconds(1))
        var edge = edge
        return (0..<count).map { _ in backoff.next(using: &edge) }
    }

    @Test func `the shortest waits are half of 100, 200, 400, 800 ms and then of the limit`() {
        let expected: [Duration] = [50, 100, 200, 400, 500, 500].map { .milliseconds($0) }
        #expect(waits(Edge(value: 0), 6) == expected)
    }

    @Test func `no wait is longer than the doubled one or the limit`() {
        let longest: [Duration] = [100, 200, 400, 800, 1000, 1000].map { .milliseconds($0) }
        for (wait, limit) in zip(waits(Edge(value: .max), 6), longest) {
            #expect(wait <= limit)
            #expect(wait > limit * 0.999)
        }
    }

    @Test func `it counts attempts without end and starts over after a success`() {
        var backoff = Backoff(first: .milliseconds(1), limit: .seconds(10))
        for _ in 0..<1_000 { #expect(backoff.next() <= .seconds(10)) }
        #expect(backoff.attempt == 1_000)
        backoff.reset()
        #expect(backoff.attempt == 0)
        #expect(backoff.next() <= .milliseconds(1))
    }
}

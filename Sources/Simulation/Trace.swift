import Platform

/// What a simulation did, step by step: a hash that two runs of one seed share, and the last lines for a person.
package final class Trace: Sendable {
    private struct State {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        var lines: [String] = []
        var counts: [String: Int] = [:]
        var steps = 0
    }
    private let state = Locked(State())
    private let keeps: Int

    package init(keeps: Int = 60) { self.keeps = keeps }

    package func add(_ line: String) {
        state.withLock { state in
            for byte in line.utf8 { state.hash = (state.hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
            state.lines.append(line)
            if state.lines.count > 2 * keeps { state.lines.removeFirst(keeps) }
        }
    }

    /// Counts that something happened, so that a test can say that it did.
    package func count(_ what: String) { state.withLock { $0.counts[what, default: 0] += 1 } }

    package var hash: UInt64 { state.withLock { $0.hash } }
    /// Steps begun.
    package var steps: Int { state.withLock { $0.steps } }
    package func beginStep() { state.withLock { $0.steps += 1 } }

    package var lastLines: [String] { state.withLock { Array($0.lines.suffix(keeps)) } }
    package var counts: [String: Int] { state.withLock { $0.counts } }
}

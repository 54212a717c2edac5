import Platform
import Tiering

/// What goes wrong for one simulated process, drawn from a seed.
///
/// Every operation on a server asks here first. A fault hits before the effect (the request never arrived) or after it
/// (the answer was lost): the caller cannot tell which, and neither may it need to.
package final class Faults: Sendable {
    package enum Moment: Sendable { case before, after }

    private struct State {
        var generator: SeededGenerator
        var share: Double
        var isDead = false
        var skewMicros: Int64 = 0
        var planned: [String: Moment] = [:]
        var interruption: (@Sendable (String) async -> Void)?
    }
    private let state: Locked<State>

    /// Faults that hit `share` of all operations.
    package init(seed: UInt64 = 0, share: Double = 0) {
        state = Locked(State(generator: SeededGenerator(seed: seed), share: share))
    }

    /// The process is gone: nothing it tries arrives any more.
    package func kill() { state.withLock { $0.isDead = true } }

    package var isDead: Bool { state.withLock { $0.isDead } }

    /// Sets the process's wall clock ahead of the true one.
    package func setClock(aheadBy micros: Int64) { state.withLock { $0.skewMicros = micros } }

    package var clockSkewMicros: Int64 { state.withLock { $0.skewMicros } }

    /// No faults from here on.
    package func stop() {
        state.withLock {
            $0.share = 0
            $0.planned = [:]
        }
    }

    /// Lets the next `operation` fail.
    package func plan(_ operation: String, _ moment: Moment) { state.withLock { $0.planned[operation] = moment } }

    /// What runs at each operation of the process before it is carried out: the rest of the world does not stand still.
    package func interrupt(with body: (@Sendable (String) async -> Void)?) {
        state.withLock { $0.interruption = body }
    }

    /// Whether, and when, `operation` is hit.
    package func meet(_ operation: String) async -> Moment? {
        let interruption = state.withLock { $0.isDead ? nil : $0.interruption }
        if let interruption { await interruption(operation) }
        return state.withLock { state in
            if state.isDead { return .before }
            if let planned = state.planned.removeValue(forKey: operation) { return planned }
            guard state.share > 0, Double.random(in: 0..<1, using: &state.generator) < state.share else { return nil }
            return Bool.random(using: &state.generator) ? .before : .after
        }
    }

    /// Draws something else that may happen to this process, where faults happen at all.
    package func draws(_ share: Double) -> Bool {
        state.withLock { state in
            guard state.share > 0, !state.isDead else { return false }
            return Double.random(in: 0..<1, using: &state.generator) < share
        }
    }

    /// A number below `bound`.
    package func draw(below bound: Int) -> Int {
        state.withLock { Int.random(in: 0..<bound, using: &$0.generator) }
    }

    /// Carries out an operation on a tier; `dropped` ends the session that a fault broke.
    func onTier<R: Sendable>(
        _ tier: String,
        _ operation: String,
        dropped: () async -> Void = {},
        _ body: () async throws(StoreError) -> R
    ) async throws(StoreError) -> R {
        let moment = await meet(operation)
        if moment == .before {
            await dropped()
            throw StoreError(.unreachable, .retry, tier: tier, operation: operation, detail: "the connection broke")
        }
        let answer = try await body()
        if moment == .after {
            await dropped()
            throw StoreError(.unknownOutcome, .retry, tier: tier, operation: operation, detail: "the answer was lost")
        }
        return answer
    }
}

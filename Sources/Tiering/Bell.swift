package import Platform

/// Wakes a service from its wait before the time is up: there is something to do, or it is time to stop.
package final class Bell: Sendable {
    private struct State {
        var isRung = false
        var waiter: CheckedContinuation<Void, Never>?
    }
    private let state = Locked(State())

    package init() {}

    package func ring() {
        state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.isRung = state.waiter == nil
            defer { state.waiter = nil }
            return state.waiter
        }?.resume()
    }

    /// Returns at the first ring (one that came before counts), at the deadline, or when `stop` opens.
    ///
    /// Throws only when the task is cancelled.
    package func wait<C: Clock>(until deadline: C.Instant, clock: C, orFor stop: Latch) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await self.waitForRing() }
            group.addTask { await stop.wait() }
            group.addTask { try await clock.sleep(until: deadline, tolerance: nil) }
            try await group.next()
            group.cancelAll()
        }
        // Of the three only the sleep tells of a cancellation, and it may not have been the first to end.
        try Task.checkCancellation()
    }

    /// Returns at the first ring, or when `stop` opens.
    package func wait(orFor stop: Latch) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.waitForRing() }
            group.addTask { await stop.wait() }
            await group.next()
            group.cancelAll()
        }
    }

    private func waitForRing() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let goesOn = state.withLock { state -> Bool in
                    if state.isRung || Task.isCancelled {
                        state.isRung = false
                        return true
                    }
                    state.waiter = continuation
                    return false
                }
                if goesOn { continuation.resume() }
            }
        } onCancel: {
            state.withLock { state -> CheckedContinuation<Void, Never>? in
                defer { state.waiter = nil }
                return state.waiter
            }?.resume()
        }
    }
}

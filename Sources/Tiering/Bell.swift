package import Platform

/// Wakes a service from its wait before the time is up: there is something to do, or it is time to stop.
package final class Bell: Sendable {
    private struct State {
        var isRung = false
        var waiter: CheckedContinuation<Bool, Never>?
    }
    private let state = Locked(State())

    package init() {}

    package func ring() {
        state.withLock { state -> CheckedContinuation<Bool, Never>? in
            state.isRung = state.waiter == nil
            defer { state.waiter = nil }
            return state.waiter
        }?.resume(returning: true)
    }

    /// Returns at the first ring (one that came before counts): then true; at the deadline, or when `stop` opens.
    ///
    /// Throws only when the task is cancelled.
    @discardableResult
    package func wait<C: Clock>(until deadline: C.Instant, clock: C, orFor stop: Latch) async throws -> Bool {
        let isRung = await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask { await self.waitForRing() }
            group.addTask {
                await stop.wait()
                return false
            }
            group.addTask {
                try await clock.sleep(until: deadline, tolerance: nil)
                return false
            }
            var isRung = false
            // A ring that comes as the wait ends is taken by it, and so must be told.
            while let ended = await group.nextResult() {
                group.cancelAll()
                if case .success(true) = ended { isRung = true }
            }
            return isRung
        }
        // Of the three only the sleep tells of a cancellation, and it may not have been the first to end.
        try Task.checkCancellation()
        return isRung
    }

    /// Returns at the first ring, or when `stop` opens.
    package func wait(orFor stop: Latch) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { _ = await self.waitForRing() }
            group.addTask { await stop.wait() }
            await group.next()
            group.cancelAll()
        }
    }

    /// Whether it was rung, not cancelled.
    private func waitForRing() async -> Bool {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer = state.withLock { state -> Bool? in
                    if state.isRung || Task.isCancelled {
                        defer { state.isRung = false }
                        return state.isRung
                    }
                    state.waiter = continuation
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            state.withLock { state -> CheckedContinuation<Bool, Never>? in
                defer { state.waiter = nil }
                return state.waiter
            }?.resume(returning: false)
        }
    }
}

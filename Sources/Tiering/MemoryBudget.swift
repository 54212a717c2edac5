internal import Platform

/// Memory that the lanes of a process share, in bytes: its sum is bounded, and no lane starves another.
///
/// A lane takes its part before it reads, and gives it back when what it read is stored or dropped. It may come to hold
/// as much as then stays free and no more: n busy lanes hold total ÷ (n + 1) each, and one that begins always finds
/// something. One that holds nothing and finds nothing waits in line for what the others give back. Lanes that idle
/// hold a quarter of it at most, all together.
/// Source: Choudhury, Hahne, "Dynamic Queue Length Thresholds in a Shared Memory ATM Switch", INFOCOM 1996
package final class MemoryBudget: Sendable {
    private struct Waiter {
        let id: Int
        let wanted: Int
        let continuation: CheckedContinuation<Int, Never>
    }
    private struct State {
        var used = 0
        var lanes = 0
        var nextID = 0
        var line: [Waiter] = []
    }

    /// Less is nothing: a fetch of some messages must fit.
    private static let least = 64 << 10

    package let total: Int
    private let state = Locked(State())

    package init(_ total: Int) {
        precondition(total >= 4 * Self.least, "a budget has room for some lanes")
        self.total = total
    }

    package var used: Int { state.withLock { $0.used } }
    /// Lanes that wait in line.
    package var waiting: Int { state.withLock { $0.line.count } }

    /// What a lane that idles may hold: its part of a quarter, so that all of them always find it.
    package var idlePart: Int { state.withLock { total / 4 / max($0.lanes, 1) } }

    fileprivate func join() { state.withLock { $0.lanes += 1 } }
    fileprivate func leave() { state.withLock { $0.lanes -= 1 } }

    /// Takes up to `wanted` for a lane that holds `holding`; 0 where there is no more for it.
    package func take(_ wanted: Int, holding: Int) -> Int {
        state.withLock { state in
            // Those in line hold nothing: what is free is theirs.
            state.line.isEmpty ? grant(wanted, holding, &state) : 0
        }
    }

    /// Takes up to `wanted` for a lane that holds nothing, in turn; 0 when the task is cancelled.
    package func wait(for wanted: Int) async -> Int {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let taken = state.withLock { state -> Int? in
                    let taken = state.line.isEmpty ? grant(wanted, 0, &state) : 0
                    // Under the lock: a cancellation from here on finds the waiter.
                    if taken > 0 || Task.isCancelled { return taken }
                    state.line.append(Waiter(id: id, wanted: wanted, continuation: continuation))
                    return nil
                }
                if let taken { continuation.resume(returning: taken) }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.line.firstIndex { $0.id == id }.map { state.line.remove(at: $0) }
            }
            waiter?.continuation.resume(returning: 0)
        }
    }

    /// Counts what a lane holds beyond what it took: a message larger than that, a row larger than its message.
    package func charge(_ bytes: Int) { state.withLock { $0.used += bytes } }

    /// Takes back, and serves those in line.
    package func give(_ bytes: Int) {
        let served = state.withLock { state -> [(Waiter, Int)] in
            precondition(bytes <= state.used, "what is given back was taken")
            state.used -= bytes
            var served: [(Waiter, Int)] = []
            while let first = state.line.first {
                let taken = grant(first.wanted, 0, &state)
                guard taken > 0 else { break }
                served.append((state.line.removeFirst(), taken))
            }
            return served
        }
        for (waiter, taken) in served { waiter.continuation.resume(returning: taken) }
    }

    private func grant(_ wanted: Int, _ holding: Int, _ state: inout State) -> Int {
        let taken = min(wanted, (total - state.used - holding) / 2)
        guard taken >= min(wanted, Self.least) else { return 0 }
        state.used += taken
        return taken
    }
}

/// What one lane holds of the budget: for what may come from the server, and for batches until they are stored.
package final class MemoryShare: Sendable {
    private struct State {
        var held = 0
        /// Part of `held`, for what the consumer may bring.
        var reading = 0
        /// Bytes of the server that are worth asking for; 0 of one that idles.
        var window = 0
        /// What a byte of the server comes to, as its message, its row and the copy of it that is sent.
        var perByte = 4.0
    }

    /// Window of a lane that has little to read, where there is memory for all to have it.
    private static let smallest = 128 << 10
    /// Smaller batches teach nothing: their arrays were made for larger ones.
    private static let telling = 64 << 10
    /// The most that a byte comes to: small messages that all go to quarantine.
    private static let mostPerByte = 16.0

    package let budget: MemoryBudget
    private let largest: Int
    private let state: Locked<State>

    /// `largest` bounds what is asked of the server at a time.
    package init(of budget: MemoryBudget, largest: Int) {
        self.budget = budget
        self.largest = max(largest, 1)
        state = Locked(State())
        budget.join()
    }

    deinit { budget.leave() }

    package var held: Int { state.withLock { $0.held } }

    /// Bytes that may now be asked of the server and not fetched yet; 0 where there is no memory for more.
    package func credit() -> Int {
        state.withLock { state in
            let window = window(state)
            let lacking = Int(Double(window) * state.perByte) - state.reading
            if lacking > 0 {
                let taken = budget.take(lacking, holding: state.held)
                state.held += taken
                state.reading += taken
            }
            guard state.reading > 0 else { return 0 }
            // Never more than the window: what was asked for under a larger one runs out, and is given back.
            return max(1, min(window, Int(Double(state.reading) / state.perByte)))
        }
    }

    /// Waits in line for at most `span` until there is memory to read with.
    package func wait<C: Clock>(for span: Duration, clock: C) async where C.Duration == Duration {
        let wanted = state.withLock { Int(Double(window($0)) * $0.perByte) }
        let taken = await withTaskGroup(of: Int.self) { group in
            group.addTask { await self.budget.wait(for: wanted) }
            group.addTask {
                // Cancelled is as good as over.
                do { try await clock.sleep(until: clock.now.advanced(by: span), tolerance: nil) } catch { return 0 }
                return 0
            }
            let first = await group.next() ?? 0
            group.cancelAll()
            return await group.reduce(first, +)
        }
        state.withLock { state in
            state.held += taken
            state.reading += taken
        }
    }

    /// Moves what a fetch brought from what may come to the batch, which grew by `grown` bytes of memory.
    ///
    /// - Parameters:
    ///   - bytes: what came, as the server counts it.
    ///   - outstanding: what may still come.
    ///   - pending: messages that the server holds beyond those.
    ///   - grown: what the batch holds more than before.
    package func fetched(_ bytes: Int, outstanding: Int, pending: UInt64 = 0, grown: Int) {
        state.withLock { state in
            let before = state.held
            let reading = min(state.reading, Int(Double(outstanding) * state.perByte))
            state.held += reading - state.reading + grown
            state.reading = reading
            let window = window(state)
            if bytes == 0 {
                state.window = 0
            } else if 2 * bytes + 2 >= window {
                // Half of the credit, which rounding makes less than the window.
                state.window = min(2 * window, largest)
            } else if 4 * bytes < window && pending == 0 {
                state.window = window / 2
            }
            if state.held > before { budget.charge(state.held - before) } else { budget.give(before - state.held) }
        }
    }

    /// Learns what the bytes of a batch came to in memory.
    package func learn(bytes: Int, memory: Int) {
        guard bytes >= Self.telling else { return }
        // Slowly down, at once up: too little taken is memory beyond the budget.
        state.withLock {
            $0.perByte = min(max(Double(memory) / Double(bytes), $0.perByte * 0.9, 1.5), Self.mostPerByte)
        }
    }

    /// Gives back what a batch held that is stored.
    package func release(_ bytes: Int) {
        state.withLock { $0.held -= bytes }
        budget.give(bytes)
    }

    /// Gives back everything, of a lane that is closed.
    package func releaseAll() {
        let held = state.withLock { state in
            defer { (state.held, state.reading) = (0, 0) }
            return state.held
        }
        budget.give(held)
    }

    private func window(_ state: State) -> Int {
        let idle = min(Self.smallest, Int(Double(budget.idlePart) / state.perByte))
        return min(max(state.window, idle, 1), largest)
    }
}

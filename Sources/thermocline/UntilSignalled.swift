import Platform

/// Runs `body`, which ends when the first of its latches opens: at the first SIGTERM or SIGINT.
///
/// A second signal opens the other latch: do not wait for what is under way. A terminal that goes away (SIGHUP) is no
/// reason to stop for a service; for a command that shows something there, `endsWithTerminal` makes it one.
func untilSignalled<R: Sendable>(
    by signals: Signals,
    log: Logger = .silent,
    endsWithTerminal: Bool = false,
    _ body: @escaping @Sendable (_ stop: Latch, _ skipGrace: Latch) async throws -> R
) async throws -> R {
    let (stop, skipGrace) = (Latch(), Latch())
    return try await withThrowingTaskGroup(of: R?.self) { tasks in
        tasks.addTask {
            while !Task.isCancelled {
                let signal: Signal
                do { signal = try await signals.next() } catch { return nil }  // cancelled: the body has ended
                guard signal != .hangUp || endsWithTerminal else { continue }
                log.info("signal", .signal("\(signal)"))
                if stop.isOpen { skipGrace.open() }
                stop.open()
            }
            return nil
        }
        tasks.addTask { try await body(stop, skipGrace) }
        defer { tasks.cancelAll() }
        while let ended = try await tasks.next() {
            if let result = ended { return result }
        }
        throw CancellationError()
    }
}

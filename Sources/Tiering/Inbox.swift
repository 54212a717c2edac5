package import Platform

/// Commands from the control plane, in order, at most `limit` of them: handlers put them in and never wait.
package final class Inbox<Command: Sendable>: Sendable {
    private let commands = Locked<[Command]>([])
    private let bell = Bell()
    private let limit: Int

    package init(limit: Int) {
        precondition(limit > 0, "an inbox holds something")
        self.limit = limit
    }

    /// False where the inbox is full; the command is not taken then.
    package func offer(_ command: Command) -> Bool {
        let taken = commands.withLock { commands in
            guard commands.count < limit else { return false }
            commands.append(command)
            return true
        }
        if taken { bell.ring() }
        return taken
    }

    /// The oldest command; nil once `stop` is open and none is left.
    package func next(until stop: Latch) async -> Command? {
        while true {
            let command = commands.withLock { $0.isEmpty ? nil : $0.removeFirst() }
            if let command { return command }
            if stop.isOpen || Task.isCancelled { return nil }
            await bell.wait(orFor: stop)
        }
    }
}

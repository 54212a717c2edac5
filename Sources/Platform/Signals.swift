internal import Glibc
internal import Synchronization

/// Where the handler writes; -1 while nobody listens.
private let signalPipe = Atomic<Int32>(-1)
/// Held while handlers are set: an object may go on one thread while its successor comes on another.
private let arming = Mutex(())

/// What an operator's signal asks for.
package enum Signal: Int32, Sendable, CaseIterable {
    case hangUp = 1
    case interrupt = 2
    case terminate = 15
}

/// A pipe for signals that could not be made.
package struct SignalError: Error, Sendable, CustomStringConvertible {
    package let description: String
}

/// SIGHUP, SIGINT and SIGTERM as something that a task waits for, one after the other; SIGPIPE is ignored.
///
/// Armed from when `init` returns until the object is gone; then they have their default effect again. A handler that
/// writes into a pipe loses none, which a dispatch source does before it is armed, and children inherit no ignored or
/// blocked signal but SIGPIPE. One object per process: a later one takes the signals over.
package actor Signals {
    nonisolated package var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    private let executor = BlockingExecutor(label: "signals")
    private let pipe: Pipe
    nonisolated private let writeEnd: Int32

    package init() throws(SignalError) {
        let pipe = try Pipe()
        signal(SIGPIPE, SIG_IGN)  // a peer that closes its socket must not end the process
        arming.withLock { _ in
            signalPipe.store(pipe.writeEnd, ordering: .sequentiallyConsistent)
            for known in Signal.allCases { signal(known.rawValue, writeSignal) }
        }
        writeEnd = pipe.writeEnd
        self.pipe = pipe
    }

    deinit {
        arming.withLock { _ in
            let ours = signalPipe.compareExchange(expected: writeEnd, desired: -1, ordering: .sequentiallyConsistent)
            guard ours.exchanged else { return }
            for known in Signal.allCases { signal(known.rawValue, SIG_DFL) }
        }
    }

    /// Waits for the next signal; two calls tell the first from the second.
    package func next() async throws(CancellationError) -> Signal {
        try await withTaskCancellationHandler {
            Result { () throws(CancellationError) in try receive() }
        } onCancel: {
            writeByte(0, to: writeEnd)  // wakes the read below
        }.get()
    }

    private func receive() throws(CancellationError) -> Signal {
        while !Task.isCancelled {
            if let signal = pipe.read() { return signal }
        }
        throw CancellationError()
    }
}

/// Owns the two ends of the pipe.
private struct Pipe: ~Copyable {
    private let readEnd: Int32
    let writeEnd: Int32

    init() throws(SignalError) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw SignalError(description: SystemError.text(errno)) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        // A handler must never wait, not even behind 65,536 signals that nobody has read.
        _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
        (readEnd, writeEnd) = (ends[0], ends[1])
    }

    deinit {
        close(readEnd)
        close(writeEnd)
    }

    /// Waits for one byte; nil for one that is no signal.
    func read() -> Signal? {
        var byte: UInt8 = 0
        guard Glibc.read(readEnd, &byte, 1) == 1 else { return nil }
        return Signal(rawValue: Int32(byte))
    }
}

/// The signal handler: only what is safe while anything else stands still.
private func writeSignal(_ number: Int32) {
    let before = errno
    writeByte(UInt8(truncatingIfNeeded: number), to: signalPipe.load(ordering: .relaxed))
    errno = before
}

private func writeByte(_ byte: UInt8, to descriptor: Int32) {
    var byte = byte
    _ = write(descriptor, &byte, 1)
}

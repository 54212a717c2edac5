import Glibc
import Platform
import Testing

/// Signals are the whole process's: one test after the other.
@Suite(.serialized, .timeLimit(.minutes(1))) struct SignalsTests {
    @Test(arguments: Signal.allCases) func `a signal that came before anybody waited is kept`(_ known: Signal)
        async throws
    {
        let signals = try Signals()
        kill(getpid(), known.rawValue)
        #expect(try await signals.next() == known)
    }

    @Test func `a second signal is told from the first, in order`() async throws {
        let signals = try Signals()
        async let first = signals.next()
        kill(getpid(), SIGTERM)
        #expect(try await first == .terminate)
        kill(getpid(), SIGINT)
        #expect(try await signals.next() == .interrupt)
    }

    @Test func `a cancelled task does not wait, and the next one gets its signal`() async throws {
        let signals = try Signals()
        let task = Task { try await signals.next() }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        kill(getpid(), SIGHUP)
        #expect(try await signals.next() == .hangUp)
    }

    @Test func `writing to a closed pipe is an error, not the end`() throws {
        _ = try Signals()
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        close(ends[0])
        defer { close(ends[1]) }
        var byte: UInt8 = 0
        #expect(write(ends[1], &byte, 1) == -1)
        #expect(errno == EPIPE)
    }
}

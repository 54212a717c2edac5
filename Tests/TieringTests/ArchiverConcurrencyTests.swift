import Digest
import Platform
import Records
import Simulation
import Synchronization
import TestSupport
import Testing
import Tiering

/// Several transfers at once, each of which reads, digests and writes at the same time.
@Suite(.timeLimit(.minutes(1))) struct ArchiverConcurrencyTests {
    /// Opens once `count` callers have come, who wait for that.
    private final class Meeting: Sendable {
        private let latch = Latch()
        private let arrived = Locked(0)
        private let count: Int

        init(of count: Int) { self.count = count }

        func join() async {
            let all = arrived.withLock { arrived in
                arrived += 1
                return arrived >= count
            }
            if all { latch.open() }
            await latch.wait()
        }
    }

    /// A bench with rows of `ranges` ranges, the oldest first, all of them closed.
    private static func bench(ranges: Int) async throws -> Bench {
        let bench = Bench(.testReading)
        await bench.server.createStream(bench.type.name)
        for number in 0..<ranges {
            let time = 1_795_000_000_000 + number * 60_000
            let values = (bench.type.eventTimeKeys + ["ts_ms"]).map { ($0, "\(time)") }
            try await bench.store(number * 10..<number * 10 + 9, values: Dictionary(values) { $1 })
        }
        bench.clock.advance(by: .seconds(ranges * 60 + 60))
        return bench
    }

    @Test func `a range is written to cold while another one is`() async throws {
        let bench = try await Self.bench(ranges: 4)
        let (faults, meeting) = (Faults(), Meeting(of: 2))
        faults.interrupt { if $0 == "write rows" { await meeting.join() } }
        try await bench.pass(bench.tiers(faults: faults), concurrency: 2)
        #expect(await bench.cold.ledger.map(\.state) == Array(repeating: .verified, count: 4))
        #expect(await bench.evidence().cold.count == 36)
    }

    @Test func `the next rows are read from hot while cold takes the last`() async throws {
        let bench = try await Self.bench(ranges: 1)
        let (faults, meeting) = (Faults(), Meeting(of: 2))
        let reads = Locked(0)
        faults.interrupt { operation in
            let isSecondRead =
                operation == "read rows"
                && reads.withLock { reads in
                    reads += 1
                    return reads == 2
                }
            if operation == "write rows" || isSecondRead { await meeting.join() }
        }
        try await bench.pass(bench.tiers(faults: faults), concurrency: 1)
        #expect(await bench.evidence().cold.count == 9)
    }

    @Test func `no more than two chunks are in memory, however many there are`() async throws {
        actor Endless: RowStream {
            private(set) var read = 0
            func next() async throws(StoreError) -> [UInt8]? {
                read += 1
                return read <= 1_000 ? [] : nil
            }
        }
        let stream = Endless()
        var (done, most) = (0, 0)
        try await stream.forEach { _ throws(StoreError) in
            await Task.yield()
            most = max(most, await stream.read - done)
            done += 1
        }
        #expect(done == 1_000)
        #expect(most <= 2)
    }

    @Test(arguments: [1, 3]) func `ranges are begun oldest first, each once`(concurrency: Int) async throws {
        let bench = try await Self.bench(ranges: 6)
        let copied = Locked<[Timestamp]>([])
        try await bench.pass(bench.tiers(), concurrency: concurrency) { event in
            if case .moved(let transfer, from: .planned) = event { copied.withLock { $0.append(transfer.range.start) } }
        }
        let starts = copied.withLock { $0 }
        #expect(starts.sorted() == (0..<6).map { bench.range.start.advanced(byMicros: Int64($0) * Bench.rangeMicros) })
        // Of several under way, the first to begin may be the last to end.
        if concurrency == 1 { #expect(starts == starts.sorted()) }
    }

    @Test func `a transfer that fails does not keep the others from running`() async throws {
        let bench = try await Self.bench(ranges: 5)
        let faults = Faults()
        faults.plan("commit copy", .before)
        try await bench.pass(bench.tiers(faults: faults), concurrency: 3)
        let states = await bench.cold.ledger.map(\.state)
        #expect(states.count { $0 == .failed } == 1)
        #expect(states.count { $0 == .verified } == 4)
    }

    @Test func `a mismatch halts its type, and the transfers that are under way end`() async throws {
        let bench = try await Self.bench(ranges: 6)
        let faults = Faults()
        let isDone = Locked(false)
        faults.interrupt { operation in
            // The second range may be read back before the first is there: that is asked again.
            guard operation == "read back", !isDone.withLock({ $0 }) else { return }
            if await bench.cold.loseRow(of: bench.type.name, in: bench.range) { isDone.withLock { $0 = true } }
        }
        try await bench.pass(bench.tiers(faults: faults), concurrency: 2)
        let states = await bench.cold.ledger.map(\.state)
        #expect(states.count { $0 == .mismatched } == 1)
        #expect(states.count < 6, "no range is begun once one is mismatched: \(states)")
        #expect(states.allSatisfy { $0 == .mismatched || $0 == .verified })
    }

    @Test func `all transfers end where another archiver has taken over`() async throws {
        let bench = try await Self.bench(ranges: 4)
        await bench.hot.setEndsSessions(false)
        await bench.cold.setEndsSessions(false)
        let (faults, meeting, other) = (Faults(), Meeting(of: 2), bench.tiers("another"))
        let isTaken = Locked(false)
        faults.interrupt { operation in
            guard operation == "write rows" else { return }
            await meeting.join()
            guard
                isTaken.withLock({ taken in
                    defer { taken = true }
                    return !taken
                })
            else { return }
            await bench.cold.expireLease()
            do {
                guard case .held(let token, _) = try await other.acquireLease() else { return }
                try await other.takeOver(token)
            } catch { Issue.record(error) }
        }
        let error = await #expect(throws: StoreError.self) {
            try await bench.pass(bench.tiers(faults: faults), concurrency: 2)
        }
        #expect(error?.code == .fenced)
        #expect(await bench.evidence().cold.count <= 9, "at most what was committed before the take-over")
        #expect(await bench.cold.ledger.allSatisfy { $0.state != .verified && $0.state != .failed })
    }
}

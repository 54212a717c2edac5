import Platform
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct ServiceGroupTests {
    /// A clock on which a grace is over at once, or never.
    private struct StubClock: Clock {
        let graceEnds: Bool
        var now: ContinuousClock.Instant { ContinuousClock.now }
        var minimumResolution: Duration { .zero }
        func sleep(until deadline: ContinuousClock.Instant, tolerance: Duration?) async throws {
            guard !graceEnds else { return }
            await Latch().wait()  // until cancelled
            throw CancellationError()
        }
    }

    private final class Journal: Sendable {
        private let entries = Mutex<[String]>([])
        func note(_ entry: String) { entries.withLock { $0.append(entry) } }
        var all: [String] { entries.withLock { $0 } }
    }

    private struct Failure: Error {}

    private struct Scripted: Service {
        let name: String
        let journal: Journal
        var started = Latch()
        var body: @Sendable (Latch) async throws -> Void = { await $0.wait() }

        func run(until stop: Latch) async throws {
            started.open()
            defer { journal.note("\(name) ended") }
            try await body(stop)
        }
    }

    private func run(_ services: [Scripted], graceEnds: Bool = false, stop: Latch, skipGrace: Latch = Latch()) async
        -> ServiceGroupError?
    {
        let group = ServiceGroup(services, grace: .seconds(30), clock: StubClock(graceEnds: graceEnds))
        do {
            try await group.run(until: stop, skipGrace: skipGrace)
            return nil
        } catch { return error }
    }

    @Test func `services stop from last to first, each after the one that may use it`() async {
        let journal = Journal()
        let services = ["store", "lanes", "http"].map { name in
            Scripted(name: name, journal: journal) { stop in
                await stop.wait()
                // Asked too early, a service that drains slowly would be overtaken.
                for _ in 0..<100 { await Task.yield() }
            }
        }
        let stop = Latch()
        async let failure = run(services, stop: stop)
        for service in services { await service.started.wait() }
        stop.open()
        #expect(await failure == nil)
        #expect(journal.all == ["http ended", "lanes ended", "store ended"])
    }

    @Test func `a service that fails ends the group, in order, and its error is the group's`() async {
        let journal = Journal()
        let services = [
            Scripted(name: "a", journal: journal), Scripted(name: "b", journal: journal) { _ in throw Failure() },
            Scripted(name: "c", journal: journal),
        ]
        let failure = await run(services, stop: Latch())
        guard case .failed("b", let error)? = failure else {
            Issue.record("unexpected: \(String(describing: failure))")
            return
        }
        #expect(error is Failure)
        #expect(journal.all == ["b ended", "c ended", "a ended"])
    }

    @Test func `a service that ends unasked ends the group`() async {
        let journal = Journal()
        let services = [
            Scripted(name: "a", journal: journal), Scripted(name: "b", journal: journal) { _ in },
        ]
        guard case .endedUnasked("b")? = await run(services, stop: Latch()) else {
            Issue.record("the group did not notice")
            return
        }
        #expect(journal.all == ["b ended", "a ended"])
    }

    @Test func `what does not stop within the grace is cancelled and named`() async {
        let journal = Journal()
        let services = [
            Scripted(name: "a", journal: journal),
            Scripted(name: "stubborn", journal: journal) { _ in await Latch().wait() },
        ]
        let stop = Latch()
        stop.open()
        let failure = await run(services, graceEnds: true, stop: stop)
        guard case .cancelled(let names)? = failure else {
            Issue.record("unexpected: \(String(describing: failure))")
            return
        }
        #expect(names.contains("stubborn"))
        #expect(journal.all.count == 2)
    }

    @Test func `a second signal skips the grace`() async {
        let stubborn = Scripted(name: "stubborn", journal: Journal()) { _ in await Latch().wait() }
        let (stop, skip) = (Latch(), Latch())
        async let failure = run([stubborn], stop: stop, skipGrace: skip)
        await stubborn.started.wait()
        stop.open()
        skip.open()
        guard case .cancelled(["stubborn"])? = await failure else {
            Issue.record("the group waited or lied")
            return
        }
    }

    @Test func `starting and stopping under stress ends each service once`() async {
        for round in 0..<200 {
            let journal = Journal()
            let services = (0..<5).map { Scripted(name: "\($0)", journal: journal) }
            let stop = Latch()
            async let failure = run(services, stop: stop)
            for _ in 0..<(round % 10) { await Task.yield() }
            stop.open()
            #expect(await failure == nil)
            #expect(journal.all.count == 5)
        }
    }
}

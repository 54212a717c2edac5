import PrivateServers
import TestSupport
import Testing

/// A server and a network that fail: the lane reads on from its position, and nothing is lost or stored twice.
@Suite(.serialized, .privatePostgres(.init(listensOnTCP: true)), .privateNATS, .timeLimit(.minutes(5)))
struct NATSFaultTests {
    enum Fault: String, CaseIterable { case restart, kill, reset, cut }

    @Test(arguments: Fault.allCases)
    func `a server that goes away while a batch is being committed costs nothing`(_ fault: Fault) async throws {
        let run = try await FaultRun(FaultRun.small)
        let hot = try await run.startReading()
        let connections = run.nats.connections
        try await run.whileUnread { _ in
            switch fault {
            case .restart: try await PrivateNATS.current.restart()
            case .kill:
                await PrivateNATS.current.kill()
                try await PrivateNATS.current.start()
            case .reset: run.nats.reset()
            case .cut: run.nats.cut()
            }
        }
        try await run.publish(20)
        try await run.expectExact()
        #expect(run.nats.connections > connections)
        try await hot.awaitHealthy()
        #expect(await hot.stop() == .exited(0))
    }

    @Test func `a cable that is pulled and plugged in again costs nothing`() async throws {
        let run = try await FaultRun(FaultRun.small)
        let hot = try await run.startReading()
        run.nats.stall()
        try await run.publish(60)
        try await hot.awaitTrouble(["nats", "timeout", "nothing is lost"])
        run.nats.resume()
        try await run.expectExact(within: .seconds(15))
        try await hot.awaitHealthy()
        #expect(await hot.stop() == .exited(0))
    }

    @Test(.slow) func `a connection that neither side knows to be dead is given up by itself`() async throws {
        let run = try await FaultRun(FaultRun.small)
        let hot = try await run.startReading()
        run.nats.strand()
        try await run.publish(60)
        // Two pings unanswered, 5 s apart, and a third to come.
        try await run.expectExact(within: .seconds(25))
        try await hot.awaitHealthy()
        #expect(await hot.stop() == .exited(0))
    }

    @Test func `a connection of a few kilobytes a second is slow, and nothing else`() async throws {
        let run = try await FaultRun(FaultRun.small)
        let hot = try await run.startReading()
        let connections = run.nats.connections
        run.nats.throttle(bytesPerSecond: 10_000, chunk: 100)
        try await run.publish(50)
        try await run.expectExact()
        run.nats.throttle(bytesPerSecond: nil)
        #expect(run.nats.connections == connections)
        #expect(await hot.stop() == .exited(0))
    }

    @Test func `a server that is away at the start is waited for, and named`() async throws {
        let run = try await FaultRun(FaultRun.small)
        await PrivateNATS.current.kill()
        let hot = try await run.start()
        try await hot.awaitTrouble(["nats: connect", "tried again by itself"])
        try await PrivateNATS.current.start()
        try await run.stage.awaitReading(hot, lanes: 1)
        try await run.publish(60)
        try await run.expectExact()
        try await hot.awaitHealthy()
        #expect(await hot.stop() == .exited(0))
    }
}

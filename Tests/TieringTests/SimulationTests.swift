import Simulation
import Testing

@Suite struct SimulationTests {
    @Test func `without faults everything published is stored, proved into cold and pruned from hot`() async throws {
        let world = Worlds.make(seed: 7) { $0.faultShare = 0 }
        try await world.run(steps: 400)
        let report = try await world.converge()
        #expect(report.isExact, "\(report)")
        print(report, world.trace.counts)
    }

    @Test func `with faults the invariants hold after every step, and in the end everything is there`() async throws {
        let seed = Worlds.seed
        let world = Worlds.make(seed: seed) { $0.traceLines = 1_000_000 }
        do {
            try await world.run(steps: 10_000)
            let report = try await world.converge()
            print(report, world.trace.counts)
            #expect(report.isExact, "SEED=\(seed): \(report)")
        } catch {
            Issue.record("SEED=\(seed): \(error)\n\(world.trace.lastLines.joined(separator: "\n"))")
        }
    }
}

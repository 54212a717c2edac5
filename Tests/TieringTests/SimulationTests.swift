import Simulation
import Testing

/// Ingest and archive as a whole under everything that can go wrong, drawn from a seed.
///
/// `SEED=<number>` in the environment repeats a run that failed.
@Suite struct SimulationTests {
    private static func run(_ world: World, seed: UInt64, steps: Int) async -> SetReport? {
        do throws(Invariants.Violation) {
            try await world.run(steps: steps)
            let report = try await world.converge()
            #expect(report.isExact, "SEED=\(seed): \(report)")
            return report
        } catch {
            Issue.record("SEED=\(seed): \(error)\n\(world.trace.lastLines.joined(separator: "\n"))")
            return nil
        }
    }

    @Test func `without faults everything published is stored, proved into cold and pruned from hot`() async throws {
        let world = Worlds.make(seed: 7) { $0.faultShare = 0 }
        let report = try #require(await Self.run(world, seed: 7, steps: 500))
        #expect(report.stored > 50 && report.quarantined > 0 && report.repeated > 0, "\(report)")
        #expect(world.trace.counts["pruned", default: 0] > 0)
    }

    @Test func `the invariants hold through 10,000 steps of faults, and in the end everything is there`() async throws {
        let seed = Worlds.seed
        let world = Worlds.make(seed: seed)
        let report = try #require(await Self.run(world, seed: seed, steps: 10_000))
        print("simulation: seed=\(seed) \(report) trace=\(String(world.trace.hash, radix: 16))")
        // A run in which nothing happens proves nothing.
        for what in [
            "published poison", "published conflict", "published late", "lane restarted", "lane lost", "lanes killed",
            "gap discarded", "gap recreated", "archiver fenced", "archiver killed", "transfer failed", "pruned",
            "request", "server's clock jumped", "partition rests", "partition dropped", "pinned", "scrub",
            "cold damaged", "part asked for", "part verified",
        ] {
            #expect(world.trace.counts[what, default: 0] > 0, "SEED=\(seed): no \(what) in \(world.trace.counts)")
        }
    }

    @Test(arguments: [UInt64(11), 12, 13, 14])
    func `the invariants hold for seeds that everybody runs`(seed: UInt64) async throws {
        _ = await Self.run(Worlds.make(seed: seed), seed: seed, steps: 800)
    }

    @Test func `the invariants hold while cold lets go what is past its own retention`() async throws {
        let seed = Worlds.seed
        let world = Worlds.make(seed: seed) { $0.coldRetention = 8 }
        _ = try #require(await Self.run(world, seed: seed, steps: 4_000))
        #expect(world.trace.counts["expired", default: 0] > 0, "SEED=\(seed): \(world.trace.counts)")
    }

    @Test func `one seed is one run, and another seed is another`() async throws {
        var hashes: [UInt64] = []
        for seed in [UInt64(21), 21, 22] {
            let world = Worlds.make(seed: seed)
            _ = await Self.run(world, seed: seed, steps: 600)
            hashes.append(world.trace.hash)
        }
        #expect(hashes[0] == hashes[1])
        #expect(hashes[0] != hashes[2])
    }
}

import Simulation
import Testing

/// Each guard taken away: the simulation must notice, or it proves nothing about the guard.
@Suite struct GuardTests {
    struct Mutation: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let change: @Sendable (inout World.Options) -> Void

        init(_ what: String, _ change: @escaping @Sendable (inout World.Options) -> Void) {
            testDescription = what
            self.change = change
        }
    }

    static let mutations = [
        Mutation("a lane that accepts what comes after a lost delivery") { $0.streamFlaws = .hidesLostDeliveries },
        Mutation("a consumer that resumes where the deliveries ended") { $0.streamFlaws = .resumesConsumers },
        Mutation("a lane that writes after another one took it") { $0.hotFlaws = .ignoresLaneFence },
        Mutation("a position that is written before the rows") { $0.hotFlaws = .movesPositionFirst },
        Mutation("a lane that takes a conflict for a repeat") { $0.hotFlaws = .forgetsConflicts },
        Mutation("a prune that does not compare what it deletes") { $0.hotFlaws = .prunesUnproved },
        Mutation("a partition that rests without comparing stamps") { $0.hotFlaws = .restsUnproved },
        Mutation("an archiver that works under a token that is past") {
            $0.hotFlaws = .ignoresArchiveFence
            $0.coldFlaws = .ignoresFence
        },
        Mutation("a part that is not added to what its range must be") { $0.coldFlaws = .forgetsParts },
        Mutation("a merge that replaces") { $0.coldFlaws = .replaces },
        Mutation("a proof that reads the copy instead of cold, where cold loses rows") {
            $0.coldFlaws = [.readsBackTheCopy, .losesRows]
        },
    ]

    @Test(arguments: mutations)
    func `the invariants notice a guard that is missing`(_ mutation: Mutation) async throws {
        var caught: Invariants.Violation?
        for seed in 1...UInt64(16) where caught == nil {
            let world = Worlds.make(seed: seed, change: mutation.change)
            do throws(Invariants.Violation) {
                try await world.run(steps: 3_000)
                let report = try await world.converge()
                #expect(report.isExact)
            } catch {
                caught = error
            }
        }
        #expect(caught != nil)
    }

    @Test func `cold that loses rows is noticed by the proof itself`() async throws {
        let world = Worlds.make(seed: 1) { $0.coldFlaws = .losesRows }
        let violation = await #expect(throws: Invariants.Violation.self) { try await world.run(steps: 3_000) }
        #expect(violation?.detail.contains("is mismatched") == true)
    }
}

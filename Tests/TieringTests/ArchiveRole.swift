import Platform
import Records
import Simulation
import TestSupport
import Tiering

/// One archive service over a bench, with its own bell and board.
struct ArchiveRole {
    let bench: Bench
    let board = ArchiveBoard()
    let bell = Bell()
    let service: ArchiveService<MemoryTiers, ManualClock>

    init(
        _ bench: Bench,
        holder: String = "one",
        schedule: ArchiveSchedule = ArchiveSchedule(.every(.seconds(60))),
        faults: Faults = Faults()
    ) {
        self.bench = bench
        let tiers = bench.tiers(holder, faults: faults)
        service = ArchiveService(
            bench.archiver(tiers, board: board),
            tiers: tiers,
            clock: bench.clock,
            schedule: schedule,
            now: { bench.clock.timestamp },
            lease: .seconds(30),
            bell: bell,
            board: board,
            report: { _ in }
        )
    }
}

extension Bench {
    /// One with five rows in hot, whose clock shows 2026-11-18T11:46:40 in UTC, one hour later on the wall.
    static func filled() async throws -> Bench {
        let bench = Bench(.testReading)
        await bench.server.createStream(bench.type.name)
        try await bench.store(0..<5)
        return bench
    }
}

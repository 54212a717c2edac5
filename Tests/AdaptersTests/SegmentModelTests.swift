import Adapters
import Digest
import Foundation
import Platform
import PrivateServers
import Records
import Simulation
import TestSupport
import Testing
import Tiering

/// Copies, merges, packing, retention and changes of the format in any order, against a list of rows.
@Suite(.slow, .privatePostgres, .timeLimit(.minutes(3))) struct SegmentModelTests {
    /// `SEED=7` repeats a run.
    private static let seed =
        ProcessInfo.processInfo.environment["SEED"].flatMap(UInt64.init) ?? .random(in: 1...1_000_000)
    private static let hours: Int64 = 4

    /// What cold must hold: of each hour, the rows that may come and which of them have.
    private struct Model {
        let range: TimeRange
        var rows: [[UInt8]] = []
        var held: Set<Int> = []

        init(_ type: RecordType, hour: Int64, seed: UInt64) {
            let start = PackTests.start.advanced(byMicros: hour * Tiers.bucket)
            range = TimeRange(containing: start, width: Tiers.bucket)
            var random = RandomRows(type, seed: seed)
            random.ts = range.start.micros
            for _ in 0..<60 { rows.append(random.rows(1)) }
        }

        func summary(_ digester: ContentDigester) throws -> Summary {
            let chosen = held.flatMap { rows[$0] }
            return try digester.summarize(chosen.span)
        }
    }

    @Test(arguments: [Catalog.standard.types[1], PackTests.rate])
    func `whatever is done to it in whatever order, cold holds what was given and not taken`(
        type: RecordType
    ) async throws {
        var random = SeededGenerator(seed: Self.seed)
        var cold = try await PackTests.Cold(type, .segments)
        var models = (0..<Self.hours).map { Model(type, hour: $0, seed: Self.seed + UInt64($0)) }
        let digester = ContentDigester(type: type)
        for step in 0..<40 {
            let place = Int.random(in: models.indices, using: &random)
            let operation = random.next() % 8
            switch operation {
            case 0...3:
                let chosen = models[place].rows.indices.filter { _ in random.next() % 4 == 0 }
                guard !chosen.isEmpty else { continue }
                let isFirst = models[place].held.isEmpty
                let rows = chosen.flatMap { models[place].rows[$0] }
                try await cold.copy(rows, into: models[place].range, merges: !isFirst || random.next() % 2 == 0)
                models[place].held.formUnion(chosen)
            case 4, 5: _ = try await cold.pack(atMost: [50, 1_000][Int(random.next() % 2)])
            case 6:
                try await cold.settle("pruned")
                let ledger = try await cold.archive.target.ledger().filter { $0.range == models[place].range }
                guard try await !cold.archive.target.expire(ledger, type: type).isEmpty else { continue }
                models[place].held = []
                try await cold.tiers.tell(
                    cold.tiers.cold,
                    "DELETE FROM thermocline_store.transfer WHERE state = 'expired'"
                )
            default: try await cold.turn(to: random.next() % 2 == 0 ? .rows : .segments)
            }
            try await cold.settle()
            for model in models { cold.expected[model.range] = try model.summary(digester) }
            try #require(try await cold.isAsProved(), "SEED=\(Self.seed), step \(step): operation \(operation)")
        }
        await cold.close()
    }
}

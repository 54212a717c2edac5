import Digest
import Records
import Simulation
import TestSupport
import Testing
import Tiering

/// A mismatch is followed to its rows, and both versions of each are told.
@Suite struct BisectionTests {
    /// A type's rows in both tiers, proved.
    private func proved(_ type: RecordType, _ numbers: Range<Int>) async throws -> Bench {
        let bench = Bench(type)
        await bench.server.createStream(type.name)
        try await bench.store(numbers)
        bench.clock.advance(by: .seconds(61))
        try await bench.pass(bench.tiers())
        bench.clock.advance(by: .seconds(31))
        return bench
    }

    private func differences(_ bench: Bench, isWhole: Bool = true, limit: Int = 10) async throws -> Differences {
        let runner = try await bench.runner()
        var bisection = Bisection(
            source: runner.source,
            target: runner.target,
            type: bench.type,
            isWhole: isWhole,
            limit: limit
        )
        return try await bisection.differences(in: bench.range)
    }

    @Test(arguments: Catalog.underTest.types)
    func `one flipped bit is found in one row of many, and both versions are told`(type: RecordType) async throws {
        let bench = try await proved(type, 0..<1_500)
        #expect(try await differences(bench).isEmpty)
        await bench.cold.flipBit(of: type.name, in: bench.range)
        let found = try await differences(bench)
        #expect(found.rows.count == 1 && found.more == 0, "\(found)")
        let row = try #require(found.rows.first)
        #expect(row.contains("ts=") && row.contains(": hot ") && row.contains(" / cold "), "\(row)")
        await bench.cold.mend()
        #expect(try await differences(bench).isEmpty)
    }

    @Test func `a row that only one tier has is told with that tier`() async throws {
        let bench = try await proved(.testReading, 0..<1_500)
        await bench.cold.loseRow(of: bench.type.name, in: bench.range)
        #expect(try await differences(bench).rows.map { $0.hasPrefix("only in hot: ts=") } == [true])
        await bench.cold.mend()
        await bench.hot.loseRow(of: bench.type.name, in: bench.range)
        #expect(try await differences(bench).rows.map { $0.hasPrefix("only in cold: ts=") } == [true])
    }

    @Test func `rows beyond the limit are counted`() async throws {
        let bench = try await proved(.testReading, 0..<1_500)
        for _ in 0..<700 { await bench.cold.loseRow(of: bench.type.name, in: bench.range) }
        let found = try await differences(bench, limit: 3)
        #expect(found.rows.count == 3)
        #expect(found.more == 697)
        #expect(found.description.hasSuffix("; and 697 more"))
    }

    @Test func `what cold holds beside hot, and what it keeps as a conflict, is no difference`() async throws {
        let bench = try await proved(.testReading, 0..<20)
        await bench.cold.request("asked", type: bench.type.name, range: bench.range, prunes: true)
        try await bench.pass(bench.tiers())
        #expect(await bench.cold.ledger.map(\.state) == [.pruned])
        // A new row, and one whose key cold holds otherwise.
        try await bench.store(20..<21)
        try await bench.store(4..<5, values: ["detail": #"{"a":2}"#])
        bench.clock.advance(by: .seconds(31))
        let pass = try await bench.runner()
        let copied = try await pass.copy(try #require(await bench.cold.ledger.first.map(planned)), type: bench.type)
        #expect(copied.cold?.rows == 21)
        #expect(try await differences(bench, isWhole: false).isEmpty)
        #expect(try await !differences(bench, isWhole: true).isEmpty)
    }

    private func planned(_ transfer: Transfer) -> Transfer {
        var transfer = transfer
        transfer.plan()
        return transfer
    }
}

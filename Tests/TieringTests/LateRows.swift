import Digest
import Platform
import Records
import Simulation
import TestSupport
import Tiering

/// An archiver beside a writer of late rows, on servers in memory: what happens when is a plan's.
///
/// The range is copied and verified, falls due by both clocks, is pruned, rests and is dropped; all the while the
/// writer may store, and the archiver may be killed or miss an answer.
actor LateRows {
    enum Action: Sendable, CaseIterable {
        /// A row of the range that nobody has seen.
        case new
        /// A row of the range again, as it was.
        case same
        /// The key of a row of the range with other content.
        case other
        /// The archiver is gone, and its request never arrived.
        case kill
        /// The archiver never hears that its request was carried out.
        case loseAnswer
    }

    struct Wrong: Error, CustomStringConvertible {
        let description: String
    }

    private static let passes = 4
    private let bench: Bench
    private let plan: [Explorer<Action>.Event]
    private var operations: [String] = []
    private var next = 0
    private var faults = Faults()
    private var archivers = 0
    /// Rows of the range that nobody had seen before, and contents that came under a key that was known.
    private var rows = 3
    private var others = 0
    private var published: [String: Set<Digest128>] = [:]
    private var coldBefore = RowSet()
    private var failure: (any Error)?

    init(
        _ type: RecordType,
        coldFlaws: ColdDatabase.Flaws = [],
        hotFlaws: HotDatabase.Flaws = [],
        plan: [Explorer<Action>.Event]
    ) {
        bench = Bench(type, coldFlaws: coldFlaws, hotFlaws: hotFlaws)
        self.plan = plan
    }

    /// What an operation of this name may meet, where none that comes to the same is met beside it.
    ///
    /// A writer meets hot alone: what it does before an operation on cold, it may as well do before the next on hot. An
    /// archiver that fails at what only reads leaves what one leaves that fails at the next change. It fails once a
    /// plan.
    static func choices(_ plan: [Explorer<Action>.Event], _ operation: String) -> [Action] {
        var choices: [Action] = []
        if meetsHot(operation) { choices += [.new, .same, .other] }
        if !onlyReads(operation) && !plan.contains(where: { $0.action == .kill || $0.action == .loseAnswer }) {
            choices += [.kill, .loseAnswer]
        }
        return choices
    }

    private static func meetsHot(_ operation: String) -> Bool {
        [
            "read activity", "read the newest event", "read the prune log", "open snapshot", "prune", "raise fence",
        ].contains(operation)
    }

    private static func onlyReads(_ operation: String) -> Bool {
        operation.hasPrefix("read")
            || ["connect", "open snapshot", "begin copy", "write rows", "count missing"].contains(operation)
    }

    /// Runs the plan to its end and returns the operations that were met.
    ///
    /// Throws: `Invariants.Violation`, `Wrong` where something halts, is lost or does not come to rest.
    func run() async throws -> [String] {
        await bench.server.createStream(bench.type.name)
        try await store(0..<3)
        bench.clock.advance(by: .seconds(61))
        for number in 0..<Self.passes {
            await pass(hooked: true)
            if let failure { throw failure }
            if number == 0 { try await fallDue() }
            bench.clock.advance(by: .seconds(31))
        }
        let met = operations
        var before: [Transfer] = []
        for _ in 0..<4 {
            await pass(hooked: false)
            bench.clock.advance(by: .seconds(31))
            let now = await bench.cold.ledger
            if now == before { break }
            before = now
        }
        try await checkEnd()
        return met
    }

    /// Past retention by both clocks: time passes, and an event comes that is as late.
    private func fallDue() async throws {
        bench.clock.advance(by: .seconds(3_600))
        let later = (bench.type.eventTimeKeys + ["ts_ms"]).map { ($0, "1795003661000") }
        try await store(900..<901, values: Dictionary(later) { $1 })
    }

    private func pass(hooked: Bool) async {
        if faults.isDead || archivers == 0 {
            faults = Faults()
            archivers += 1
        }
        faults.interrupt { [weak self] operation in if hooked { await self?.met(operation) } }
        // What a fault does to a pass is the next one's to mend; what must hold is checked beside it.
        do { try await bench.pass(bench.tiers("archiver \(archivers)", faults: faults)) } catch {}
    }

    private func met(_ operation: String) async {
        let number = operations.count
        operations.append(operation)
        do {
            while next < plan.count, plan[next].operation == number {
                next += 1
                try await act(plan[next - 1].action, before: operation)
            }
            try await check()
        } catch {
            failure = failure ?? error
        }
    }

    private func act(_ action: Action, before operation: String) async throws {
        switch action {
        case .new:
            try await store(rows..<rows + 1)
            rows += 1
        case .same: try await store(0..<1)
        case .other:
            others += 1
            let before = await kept()
            try await store(0..<1, values: ["price": "7.\(others)", "funding_rate": "7.\(others)"])
            guard await kept() == before + 1 else { throw Wrong(description: "content \(others) was not kept") }
        case .kill: faults.kill()
        case .loseAnswer: faults.plan(operation, .after)
        }
    }

    /// Contents of rows that were in hot, and messages in quarantine.
    private func kept() async -> Int {
        await published.values.reduce(0) { $0 + $1.count } + bench.evidence().quarantined.count
    }

    private func store(_ numbers: Range<Int>, values: [String: String] = [:]) async throws {
        try await bench.store(numbers, values: values)
        for (identity, content) in await bench.evidence().hot.rows { published[identity, default: []].insert(content) }
    }

    private func check() async throws {
        var evidence = await bench.evidence()
        evidence.published = published
        evidence.quarantined = []
        try Invariants.check(evidence, coldBefore: coldBefore)
        coldBefore = evidence.cold
        if let halted = await bench.cold.halted {
            throw Wrong(description: "\(halted.range) is \(halted.state): \(halted.error ?? "")")
        }
    }

    private func checkEnd() async throws {
        try await check()
        let evidence = await bench.evidence()
        // The event that made the range fall due is still hot, and archived.
        guard evidence.cold.count == rows + 1, evidence.hot.count == 1 else {
            throw Wrong(
                description:
                    "of \(rows + 1) rows cold holds \(evidence.cold.count), and hot \(evidence.hot.count), not 1"
            )
        }
        for (identity, contents) in published {
            let held = (evidence.conflicts[identity] ?? []).union([evidence.cold.rows[identity]].compactMap(\.self))
            guard contents.isSubset(of: held) else { throw Wrong(description: "cold lacks a content of \(identity)") }
        }
        let states = await Set(bench.cold.ledger.map(\.state))
        guard states.isSubset(of: [.verified, .pruned]) else { throw Wrong(description: "it rests \(states)") }
    }
}

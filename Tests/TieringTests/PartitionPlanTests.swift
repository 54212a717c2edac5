import Digest
import Records
import TestSupport
import Testing
import Tiering

/// Which partitions may leave hot, decided without a server.
@Suite struct PartitionPlanTests {
    private static let hour: Int64 = 3_600_000_000
    private static let day = 24 * hour
    private static let type = RecordType.testReading
    private static let planner = Planner(
        policy: ArchivePolicy(
            rangeMicros: 12 * hour,
            safetyLagMicros: 0,
            retentionMicros: 3 * day,
            partitionMicros: [type.name: day]
        )
    )

    /// `number` counts half days.
    private static func range(_ number: Int64) -> TimeRange {
        TimeRange(containing: Timestamp(micros: number * 12 * hour), width: 12 * hour)
    }

    private static func at(days: Int64) -> Timestamp { Timestamp(micros: days * day) }

    private static func partition(_ number: Int64) -> HotPartition {
        HotPartition(type: type.name, range: TimeRange(containing: at(days: number), width: day))
    }

    private static func activity(_ number: Int64, rows: Int = 3, stamp: String = "a") -> RangeActivity {
        RangeActivity(type: type.name, range: range(number), stamp: stamp, rows: rows)
    }

    private static func transfer(_ number: Int64, _ state: Transfer.State = .verified) -> Transfer {
        var transfer = Transfer(id: "t\(number)", type: type.name, range: range(number), state: state)
        transfer.stamp = "a"
        return transfer
    }

    /// The days that may leave, and the ranges of each that were verified.
    private static func due(
        _ activity: [RangeActivity],
        _ ledger: [Transfer],
        existing: [Int64] = [20],
        wall: Int64 = 24,
        newest: Int64? = 24,
        planner: Planner = planner
    ) -> [Int64: [String]] {
        let clock = PruneClock(wall: at(days: wall), newestEvent: newest.map(at))
        let due = planner.duePartitions(
            activity: activity,
            ledger: ledger,
            existing: existing.map(partition),
            clock: clock
        )
        return Dictionary(
            uniqueKeysWithValues: due.map { ($0.partition.range.start.micros / day, $0.transfers.map(\.id)) }
        )
    }

    private static let both = [activity(40), activity(41)]

    @Test func `a day goes once all of it is verified and past retention, not a range of it alone`() {
        #expect(Self.due(Self.both, [Self.transfer(40), Self.transfer(41)]) == [20: ["t40", "t41"]])
        #expect(Self.due(Self.both, [Self.transfer(40)]).isEmpty)
        let clock = PruneClock(wall: Self.at(days: 24), newestEvent: Self.at(days: 24))
        #expect(Self.planner.step(of: Self.transfer(40), clock: clock) == nil)
        var asked = Self.transfer(40)
        asked.prunes = true
        #expect(Self.planner.step(of: asked, clock: clock) == .prune)
    }

    @Test(arguments: [Transfer.State.planned, .copied, .unaccounted, .failed])
    func `a range in any other state keeps its day`(state: Transfer.State) {
        #expect(Self.due(Self.both, [Self.transfer(40), Self.transfer(41, state)]).isEmpty)
    }

    @Test func `a changed stamp keeps the day, and a range that was asked for and pruned does not`() {
        let ledger = [Self.transfer(40), Self.transfer(41)]
        #expect(Self.due([Self.activity(40), Self.activity(41, stamp: "b")], ledger).isEmpty)
        let pruned = [Self.transfer(40), Self.transfer(41, .pruned)]
        #expect(Self.due([Self.activity(40), Self.activity(41, rows: 0)], pruned) == [20: ["t40"]])
        #expect(Self.due([Self.activity(40), Self.activity(41, rows: 1)], pruned).isEmpty)
    }

    @Test func `an empty partition goes when it is past, whatever its width`() {
        #expect(Self.due([], []) == [20: []])
        var policy = Self.planner.policy
        policy.partitionMicros = [:]
        let planner = Planner(policy: policy)
        let emptied = [Self.activity(40, rows: 0), Self.activity(41, rows: 0)]
        let pruned = [Self.transfer(40, .pruned), Self.transfer(41, .pruned)]
        #expect(Self.due(emptied, pruned, planner: planner) == [20: []])
        #expect(Self.due(Self.both, [Self.transfer(40), Self.transfer(41)], planner: planner).isEmpty)
    }

    @Test func `a range without rows leaves by itself, and a partition that is gone is not asked for`() {
        #expect(Self.due([], [Self.transfer(40)], existing: []).isEmpty)
        var empty = Self.transfer(40)
        empty.hot = .zero
        let clock = PruneClock(wall: Self.at(days: 24), newestEvent: Self.at(days: 24))
        #expect(Self.planner.step(of: empty, clock: clock) == .prune)
    }

    @Test func `ranges that do not divide a partition leave by themselves`() {
        var policy = Self.planner.policy
        policy.rangeMicros = 2 * Self.day
        let planner = Planner(policy: policy)
        let range = TimeRange(containing: Self.at(days: 20), width: 2 * Self.day)
        var wide = Transfer(id: "w", type: Self.type.name, range: range)
        wide.state = .verified
        #expect(planner.wholePartition(of: wide) == nil)
        let clock = PruneClock(wall: Self.at(days: 30), newestEvent: Self.at(days: 30))
        #expect(planner.step(of: wide, clock: clock) == .prune)
    }

    @Test func `a mismatched range keeps every partition of its type`() {
        let ledger = [Self.transfer(40), Self.transfer(41), Self.transfer(7, .mismatched)]
        #expect(Self.due(Self.both, ledger).isEmpty)
    }

    @Test func `with archive prune off nothing leaves`() {
        var policy = Self.planner.policy
        policy.prunes = false
        #expect(Self.due(Self.both, [Self.transfer(40), Self.transfer(41)], planner: Planner(policy: policy)).isEmpty)
    }

    /// Day 20 ends at 21 and is due at 24: days of (wall, newest event), and whether it may leave.
    @Test(arguments: [
        (24, 24, true), (23, 24, false), (24, 23, false), (25, 23, false), (23, 25, false), (24, nil, false),
        // A row of the year 2100 was committed, or the wall clock says 2100: the other clock keeps the day.
        (23, 47_482, false), (47_482, 23, false), (47_482, nil, false),
    ])
    func `a clock that is wrong alone makes nothing old`(wall: Int64, newest: Int64?, leaves: Bool) {
        let due = Self.due(Self.both, [Self.transfer(40), Self.transfer(41)], wall: wall, newest: newest)
        #expect(due.isEmpty != leaves)
        // The same for a range that leaves by DELETE.
        var policy = Self.planner.policy
        policy.partitionMicros = [:]
        let clock = PruneClock(wall: Self.at(days: wall), newestEvent: newest.map(Self.at))
        let step = Planner(policy: policy).step(of: Self.transfer(41), clock: clock)
        #expect((step == .prune) == leaves)
    }

    @Test func `a partition of the year 2100 is not past whatever its row says of the time`() {
        let future = Self.partition(47_482)
        let due = Self.planner.duePartitions(
            activity: [],
            ledger: [],
            existing: [future],
            clock: PruneClock(wall: Self.at(days: 24), newestEvent: future.range.end)
        )
        #expect(due.isEmpty)
    }
}

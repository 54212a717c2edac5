import Digest
import Records
import Testing
import TestSupport
import Tiering

@Suite struct PlannerTests {
    private static let hour: Int64 = 3_600_000_000
    private static let policy = ArchivePolicy(
        rangeMicros: hour,
        safetyLagMicros: hour / 4,
        retentionMicros: 24 * hour,
        retentionByType: ["funding_rate": 48 * hour]
    )
    private static let planner = Planner(policy: policy)

    private static func range(_ number: Int64) -> TimeRange {
        TimeRange(start: at(number), end: at(number + 1))
    }

    private static func at(_ hours: Int64, minus micros: Int64 = 0) -> Timestamp {
        Timestamp(micros: hours * hour - micros)
    }

    private static func activity(
        _ type: RecordType,
        _ number: Int64,
        stamp: String = "a",
        rows: Int = 3
    ) -> RangeActivity {
        RangeActivity(type: type.name, range: range(number), stamp: stamp, rows: rows)
    }

    private static func transfer(
        _ type: RecordType,
        _ number: Int64,
        _ state: Transfer.State,
        stamp: String = "a"
    ) -> Transfer {
        var transfer = Transfer(id: "t\(number)", type: type.name, range: range(number), state: state)
        transfer.stamp = stamp
        return transfer
    }

    private static func plan(
        _ activity: [RangeActivity] = [],
        _ ledger: [Transfer] = [],
        wall: Timestamp,
        newest: Timestamp? = nil,
        planner: Planner = planner
    ) -> [Transfer] {
        planner.plan(
            activity: activity,
            ledger: ledger,
            clock: PruneClock(wall: wall, newestEvent: newest ?? wall),
            newID: { "new" }
        )
    }

    @Test(arguments: Catalog.underTest.types)
    func `a range is copied once it ends behind the safety lag, and not before`(type: RecordType) {
        let closed = Self.at(11).advanced(byMicros: Self.hour / 4)
        #expect(Self.plan([Self.activity(type, 10)], wall: closed.advanced(byMicros: -1)).isEmpty)
        let due = Self.plan([Self.activity(type, 10)], wall: closed)
        #expect(due == [Transfer(id: "new", type: type.name, range: Self.range(10))])
    }

    @Test func `ranges of the future rest, whatever the data's clock says`() {
        let type = RecordType.testReading
        #expect(Self.plan([Self.activity(type, 900)], wall: Self.at(20), newest: Self.at(2_000)).isEmpty)
    }

    @Test func `the oldest range goes first, and of two types the first by name`() {
        let types = Catalog.underTest.types.sorted { $0.name < $1.name }
        let activity = [3, 1, 2].flatMap { number in types.shuffled().map { Self.activity($0, number) } }
        let due = Self.plan(activity, wall: Self.at(20))
        #expect(due.map(\.range.start) == [1, 2, 3].flatMap { number in types.map { _ in Self.at(number) } })
        #expect(due.prefix(types.count).map(\.type) == types.map(\.name))
    }

    @Test(arguments: [Transfer.State.verified, .pruned])
    func `a range whose stamp changed since it was verified is planned again, also after its prune`(
        state: Transfer.State
    ) {
        let type = RecordType.testReading
        var known = Self.transfer(type, 10, state)
        known.cold = Summary(rows: 3, digest: .zero)
        let rows = state == .verified ? 3 : 0
        #expect(Self.plan([Self.activity(type, 10, rows: rows)], [known], wall: Self.at(20)).isEmpty)
        let due = Self.plan([Self.activity(type, 10, stamp: "b")], [known], wall: Self.at(20))
        #expect(due.map(\.state) == [.planned])
        #expect(due.first?.id == known.id)
        #expect(due.first?.cold == known.cold, "what cold must be stays known")
    }

    @Test func `what hot holds again, or no longer, after it went back is planned again`() {
        let type = RecordType.testReading
        let pruned = Self.transfer(type, 10, .pruned)
        #expect(Self.plan([Self.activity(type, 10)], [pruned], wall: Self.at(20)).map(\.state) == [.planned])
        #expect(Self.plan([], [pruned], wall: Self.at(20)).isEmpty, "what is gone from hot is settled")
        let verified = Self.transfer(type, 10, .verified)
        #expect(Self.plan([], [verified], wall: Self.at(20)).map(\.state) == [.planned])
        #expect(Self.plan([], [Self.transfer(type, 10, .verified, stamp: "")], wall: Self.at(20)).isEmpty)
    }

    @Test func `nothing is pruned before both clocks are past its retention`() {
        let type = RecordType.testReading
        let known = Self.transfer(type, 10, .verified)
        let due = Self.at(11 + 24)
        func steps(wall: Timestamp, newest: Timestamp?) -> [Transfer] {
            Self.planner.plan(
                activity: [Self.activity(type, 10)],
                ledger: [known],
                clock: PruneClock(wall: wall, newestEvent: newest),
                newID: { "new" }
            )
        }
        #expect(steps(wall: due, newest: due).count == 1)
        #expect(steps(wall: due.advanced(byMicros: -1), newest: Self.at(900)).isEmpty, "a clock of data that ran ahead")
        #expect(steps(wall: Self.at(900), newest: due.advanced(byMicros: -1)).isEmpty, "data that stopped coming")
        #expect(steps(wall: Self.at(900), newest: nil).isEmpty, "no data at all")
    }

    @Test func `a type has its own retention, and pruning can be switched off`() throws {
        let type = try #require(Catalog.standard.type(named: "funding_rate"))
        let known = Self.transfer(type, 10, .verified)
        let activity = [Self.activity(type, 10)]
        #expect(Self.plan(activity, [known], wall: Self.at(11 + 47)).isEmpty)
        #expect(Self.plan(activity, [known], wall: Self.at(11 + 48)).count == 1)
        var policy = Self.policy
        policy.prunes = false
        #expect(Self.plan(activity, [known], wall: Self.at(500), planner: Planner(policy: policy)).isEmpty)
    }

    @Test func `a request prunes as soon as verified, but never an open range`() {
        var asked = Self.transfer(.testReading, 10, .verified)
        asked.request = "r"
        asked.prunes = true
        let clock = PruneClock(wall: Self.at(12), newestEvent: nil)
        #expect(Self.planner.step(of: asked, clock: clock) == .prune)
        #expect(Self.planner.step(of: asked, clock: PruneClock(wall: Self.at(11), newestEvent: nil)) == nil)
        var policy = Self.policy
        policy.prunes = false
        #expect(Planner(policy: policy).step(of: asked, clock: clock) == .prune, "asked for is asked for")
    }

    @Test func `a request copies an open range, which is planned again once it is closed`() {
        let type = RecordType.testReading
        var asked = Self.transfer(type, 10, .planned)
        asked.request = "r"
        #expect(Self.plan([Self.activity(type, 10)], [asked], wall: Self.at(10)).map(\.state) == [.planned])
        asked.state = .verified
        let late = [Self.activity(type, 10, stamp: "b")]
        #expect(Self.plan(late, [asked], wall: Self.at(11)).isEmpty)
        #expect(Self.plan(late, [asked], wall: Self.at(12)).map(\.state) == [.planned])
    }

    @Test func `a mismatched range halts its type and no other`() throws {
        let (type, other) = (RecordType.testReading, try #require(Catalog.standard.type(named: "trade")))
        let ledger = [Self.transfer(type, 10, .mismatched), Self.transfer(type, 11, .copied)]
        let due = Self.plan([Self.activity(type, 12), Self.activity(other, 12)], ledger, wall: Self.at(100))
        #expect(due.map(\.type) == [other.name])
    }

    @Test(arguments: [
        (Transfer.State.planned, Planner.Step.copy), (.failed, .copy), (.unaccounted, .copy), (.copied, .verify),
        (.verified, .prune),
    ])
    func `each state has one step that follows`(state: Transfer.State, step: Planner.Step) {
        let clock = PruneClock(wall: Self.at(100), newestEvent: Self.at(100))
        #expect(Self.planner.step(of: Self.transfer(.testReading, 10, state), clock: clock) == step)
    }

    @Test(arguments: [Transfer.State.pruned, .mismatched])
    func `what is done or halted has none`(state: Transfer.State) {
        let clock = PruneClock(wall: Self.at(100), newestEvent: Self.at(100))
        #expect(Self.planner.step(of: Self.transfer(.testReading, 10, state), clock: clock) == nil)
    }

    @Test func `ranges of another archive.range are history, but a mismatch stays one`() {
        let type = Catalog.standard.types[1]
        var old = Self.transfer(type, 0, .verified)
        old.range = TimeRange(start: Self.at(0), end: Self.at(2))
        old.prunes = true
        let due = Self.plan([Self.activity(type, 0)], [old], wall: Self.at(100))
        #expect(due.map(\.range) == [Self.range(0)], "today's range is moved, the old one is left alone")
        old.state = .mismatched
        #expect(Self.plan([Self.activity(type, 0)], [old], wall: Self.at(100)).isEmpty)
    }

    @Test func `cold lets go what hot pruned, past cold's retention by both clocks, and never half of an overlap`() {
        let type = Catalog.standard.types[0]
        var policy = Self.policy
        policy.coldRetentionMicros = 100 * Self.hour
        let planner = Planner(policy: policy)
        func expiring(_ ledger: [Transfer], wall: Int64 = 200, newest: Int64 = 200) -> [[Timestamp]] {
            let clock = PruneClock(wall: Self.at(wall), newestEvent: Self.at(newest))
            return planner.expiring(ledger, clock: clock).map { $0.map(\.range.start) }
        }
        func transfer(_ number: Int64, _ state: Transfer.State, width: Int64 = 1) -> Transfer {
            let range = TimeRange(start: Self.at(number), end: Self.at(number + width))
            var transfer = Transfer(id: "\(number)/\(width)", type: type.name, range: range, state: state)
            transfer.manifest = 1
            return transfer
        }
        #expect(expiring([transfer(99, .pruned), transfer(100, .pruned)]) == [[Self.at(99)]])
        #expect(expiring([transfer(99, .pruned)], wall: 199) == [])
        #expect(expiring([transfer(99, .pruned)], newest: 199) == [])
        for state in Transfer.State.allCases where state != .pruned { #expect(expiring([transfer(1, state)]) == []) }
        #expect(expiring([transfer(2, .pruned), transfer(1, .verified, width: 3)]) == [])
        #expect(expiring([transfer(2, .pruned), transfer(1, .pruned, width: 3)]) == [[Self.at(1), Self.at(2)]])
        #expect(expiring([transfer(2, .pruned), transfer(1, .expired, width: 3)]) == [[Self.at(2)]])
        #expect(expiring([transfer(1, .pruned), transfer(9, .mismatched)]) == [])
        let clock = PruneClock(wall: Self.at(999), newestEvent: Self.at(999))
        #expect(Self.planner.expiring([transfer(1, .pruned)], clock: clock).isEmpty, "off unless set")
    }
}

import Digest
import Records
import TestSupport
import Testing
import Tiering

/// Which parts of ranges a request means, and when they are carried; decided without a server.
@Suite struct PartPlanTests {
    private static let hour: Int64 = 3_600_000_000
    private static let type = RecordType.testReading.name
    private static let policy = ArchivePolicy(rangeMicros: hour, safetyLagMicros: 0, retentionMicros: 2 * hour)
    private static let planner = Planner(policy: policy)
    private static let okx = TransferFilter(exchange: "okx")

    private static func at(_ hours: Double) -> Timestamp { Timestamp(micros: Int64(hours * Double(hour))) }

    private static func range(_ from: Double, _ to: Double) -> TimeRange { TimeRange(start: at(from), end: at(to)) }

    private static func activity(_ number: Int) -> RangeActivity {
        RangeActivity(type: type, range: range(Double(number), Double(number + 1)), stamp: "a", rows: 3)
    }

    private static func transfer(
        _ state: Transfer.State,
        _ filter: TransferFilter? = nil,
        id: String = "whole"
    ) -> Transfer {
        var transfer = Transfer(id: id, type: type, range: range(10, 11), filter: filter, state: state)
        transfer.stamp = "a"
        if filter != nil { transfer.request = "r" }
        return transfer
    }

    private static func targets(
        _ range: TimeRange,
        _ filter: TransferFilter = TransferFilter(),
        prunes: Bool = false
    ) throws -> [TransferRequest.Target] {
        try TransferRequest(type: type, range: range, filter: filter, prunes: prunes)
            .targets(activity: (10...12).map(activity), ledger: [], planner: planner, wall: at(20))
    }

    // MARK: Requests

    @Test func `a request means ranges whole that it covers whole, and the time that it covers of the others`() throws {
        let found = try Self.targets(Self.range(10.5, 12.25))
        #expect(found.map(\.range) == [Self.range(10, 11), Self.range(11, 12), Self.range(12, 13)])
        #expect(found.map { $0.filter?.time } == [Self.range(10.5, 11), nil, Self.range(12, 12.25)])
        #expect(found[1].filter == nil)
    }

    @Test func `a filtered request means parts of every range that it touches`() throws {
        let found = try Self.targets(Self.range(10, 11.5), Self.okx)
        #expect(found.map(\.filter) == [Self.okx, TransferFilter(exchange: "okx", time: Self.range(11, 11.5))])
    }

    @Test func `pruning is refused for parts, whatever makes them`() {
        let codes = [(Self.range(10, 11), Self.okx), (Self.range(10, 10.5), TransferFilter())].map { range, filter in
            #expect(throws: TransferRequest.Refusal.self) { try Self.targets(range, filter, prunes: true) }?.code
        }
        #expect(codes == ["partial_prune", "partial_range"])
    }

    @Test(arguments: [
        okx, TransferFilter(time: range(10.5, 11)),
        TransferFilter(exchange: "a", marketType: "spot", symbol: "B-C_D", time: range(10, 10.25)), TransferFilter(),
    ])
    func `the ledger's text of a filter reads back as the filter`(filter: TransferFilter) {
        #expect(TransferFilter(filter.description) == filter)
    }

    @Test(arguments: [
        "exchange", "exchange=", "price=1", "symbol=A exchange=b", "from=2026-11-20T00:00:00Z", "to=x from=y",
    ])
    func `what no filter writes is none`(text: String) { #expect(TransferFilter(text) == nil) }

    // MARK: Planning

    private static func plan(_ ledger: [Transfer], _ parts: [Transfer], wall: Double = 11) -> [String] {
        planner.plan(
            activity: [activity(10)],
            ledger: ledger,
            parts: parts,
            clock: PruneClock(wall: at(wall), newestEvent: at(wall)),
            newID: { "new" }
        ).map(\.id)
    }

    @Test func `parts follow the whole of their range, and are carried where that is open`() {
        let parts = [transfer(.planned, .half, "b"), transfer(.failed, Self.okx, "a")]
        #expect(Self.plan([], parts) == ["new", "a", "b"])
        #expect(Self.plan([], parts, wall: 10.5) == ["a", "b"])
        #expect(Self.plan([Self.transfer(.verified)], parts) == ["a", "b"])
    }

    private func transfer(_ state: Transfer.State, _ filter: TransferFilter, _ id: String) -> Transfer {
        Self.transfer(state, filter, id: id)
    }

    @Test func `what was copied of a range is proved before anything else of it is carried`() {
        let parts = [transfer(.planned, .half, "b"), transfer(.copied, Self.okx, "a")]
        #expect(Self.plan([], parts) == ["a"])
        #expect(Self.plan([Self.transfer(.planned)], parts) == ["a"])
    }

    @Test func `a mismatched part halts its type, and what cold let go takes none`() {
        #expect(Self.plan([], [transfer(.mismatched, Self.okx, "a")]).isEmpty)
        #expect(Self.plan([Self.transfer(.expired)], [transfer(.planned, Self.okx, "a")]).isEmpty)
    }

    @Test func `a part is done once it is verified, however old its range is`() {
        let clock = PruneClock(wall: Self.at(100), newestEvent: Self.at(100))
        #expect(Self.planner.step(of: Self.transfer(.verified), clock: clock) == .prune)
        #expect(Self.planner.step(of: Self.transfer(.verified, Self.okx), clock: clock) == nil)
    }

    @Test func `nothing leaves either tier while a part of it is on its way`() {
        var policy = Self.policy
        policy.partitionMicros = [Self.type: 24 * Self.hour]
        policy.coldRetentionMicros = Self.hour
        let planner = Planner(policy: policy)
        let clock = PruneClock(wall: Self.at(100), newestEvent: Self.at(100))
        let part = transfer(.planned, Self.okx, "a")
        func due(_ parts: [Transfer]) -> Int {
            planner.duePartitions(
                activity: [Self.activity(10)],
                ledger: [Self.transfer(.verified)],
                parts: parts,
                existing: [],
                clock: clock
            ).count
        }
        #expect(due([]) == 1 && due([part]) == 0)
        var pruned = Self.transfer(.pruned)
        pruned.manifest = 1
        #expect(planner.expiring([pruned], parts: [], clock: clock).count == 1)
        #expect(planner.expiring([pruned], parts: [part], clock: clock).isEmpty)
    }
}

extension TransferFilter {
    fileprivate static let half = TransferFilter(
        time: TimeRange(start: Timestamp(micros: 36_000_000_000), end: Timestamp(micros: 37_800_000_000))
    )
}

import Platform
import Records
import Simulation
import TestSupport
import Testing
import Tiering

/// When passes begin; in these worlds clocks on the wall are an hour ahead of UTC.
@Suite(.timeLimit(.minutes(1))) struct ArchiveScheduleTests {
    private static func instant(_ text: String) throws -> Timestamp { try #require(Timestamp(iso8601: text)) }

    @Test(arguments: [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:10Z", "2026-01-01T00:01:00Z"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z", "2026-01-01T00:05:00Z"),
    ])
    func `an interval counts from the start of the last pass`(last: String, now: String, next: String) throws {
        let schedule = ArchiveSchedule(.every(.seconds(60)))
        let due = schedule.nextPass(after: try Self.instant(last), at: try Self.instant(now), in: .utc)
        #expect(due == (try Self.instant(next)))
    }

    @Test func `of several expressions the first that is due counts, and one that was missed is due at once`() throws {
        let cron = try [CronExpression("0 2 * * *"), CronExpression("0 14 * * sun")]
        let schedule = ArchiveSchedule(.cron(cron))
        for (last, now, next) in [
            ("2026-01-03T03:00:00Z", "2026-01-03T03:10:00Z", "2026-01-04T02:00:00Z"),
            ("2026-01-04T02:00:00Z", "2026-01-04T02:10:00Z", "2026-01-04T14:00:00Z"),
            // Down for days: one run makes up for all.
            ("2026-01-04T02:00:00Z", "2026-01-09T12:00:00Z", "2026-01-09T12:00:00Z"),
            ("2026-01-09T12:00:00Z", "2026-01-09T12:30:00Z", "2026-01-10T02:00:00Z"),
        ] {
            let due = schedule.nextPass(after: try Self.instant(last), at: try Self.instant(now), in: .utc)
            #expect(due == (try Self.instant(next)), "\(last) \(now)")
        }
    }

    @Test func `what is due outside of the windows waits for the next one`() throws {
        let windows = try [#require(DailyWindow("22:00-06:00")), #require(DailyWindow("12:00-13:00"))]
        let schedule = ArchiveSchedule(.every(.seconds(60)), windows: windows)
        for (last, next) in [
            ("2026-01-01T05:58:00Z", "2026-01-01T05:59:00Z"), ("2026-01-01T05:59:00Z", "2026-01-01T12:00:00Z"),
            ("2026-01-01T12:59:30Z", "2026-01-01T22:00:00Z"),
        ] {
            let due = schedule.nextPass(after: try Self.instant(last), at: try Self.instant(last), in: .utc)
            #expect(due == (try Self.instant(next)), "\(last)")
        }
    }

    private static func role(_ schedule: ArchiveSchedule, faults: Faults = Faults()) async throws -> ArchiveRole {
        ArchiveRole(try await Bench.filled(), schedule: schedule, faults: faults)
    }

    @Test func `a pass runs when an expression is due by the clock on the wall, and not before`() async throws {
        let role = try await Self.role(ArchiveSchedule(.cron([CronExpression("0 14 * * *")])))
        let stop = Latch()
        async let run: Void = role.service.run(until: stop)
        await role.bench.clock.waitForSleepers(2)
        #expect(role.board.current.nextPass == (try Self.instant("2026-11-18T13:00:00Z")))
        #expect(role.board.current.passes == 0)
        try await role.poll("the pass") { $0.passes == 1 }
        let begun = try #require(await role.bench.cold.lastPass)
        #expect(begun >= (try Self.instant("2026-11-18T13:00:00Z")))
        try await role.poll("the next one") {
            $0.nextPass.map { $0.micros - begun.micros > 80_000_000_000 } == true
        }
        #expect(role.board.current.passes == 1)
        stop.open()
        try await run
    }

    @Test func `a run that was missed while no archiver ran is made up for once`() async throws {
        let role = try await Self.role(ArchiveSchedule(.cron([CronExpression("0 2 * * *")])))
        await role.bench.cold.recordPass(at: try Self.instant("2026-11-15T01:00:00Z"))
        let stop = Latch()
        async let run: Void = role.service.run(until: stop)
        try await role.poll("the missed pass") { $0.passes == 1 }
        try await role.poll("the next one") { $0.nextPass == Timestamp(iso8601: "2026-11-19T01:00:00Z") }
        #expect(role.board.current.passes == 1)
        stop.open()
        try await run
    }

    @Test func `a scheduled pass that fails is tried again until it is done`() async throws {
        let faults = Faults()
        faults.plan("read ledger", .before)
        let role = try await Self.role(ArchiveSchedule(.cron([CronExpression("0 14 * * *")])), faults: faults)
        let stop = Latch()
        async let run: Void = role.service.run(until: stop)
        try await role.poll("the pass") { $0.passes == 1 }
        #expect(await role.bench.cold.lastPass != nil)
        stop.open()
        try await run
    }

    @Test func `outside of the windows nothing is begun, even when asked for, and nothing fails`() async throws {
        let window = try #require(DailyWindow("22:00-06:00"))
        let role = try await Self.role(ArchiveSchedule(.every(.seconds(60)), windows: [window]))
        let stop = Latch()
        async let run: Void = role.service.run(until: stop)
        await role.bench.clock.waitForSleepers(2)
        #expect(role.board.current.paused == "archive.windows are shut until 2026-11-18T21:00:00Z")
        role.bell.ring()
        await role.bench.clock.waitForSleepers(2)
        #expect(role.board.current.passes == 0)
        #expect(role.board.current.state == .archiving)
        try await role.poll("a pass in the window") { $0.passes > 0 }
        #expect(role.bench.clock.timestamp >= (try Self.instant("2026-11-18T21:00:00Z")))
        #expect(role.board.current.paused == nil)
        stop.open()
        try await run
    }
}

extension ArchiveRole {
    /// Lets time pass until `condition` holds.
    fileprivate func poll(_ what: String, _ condition: @escaping @Sendable (ArchiveStatus) -> Bool) async throws {
        let (clock, board) = (bench.clock, board)
        try await TestSupport.poll(what) {
            clock.advance(by: .seconds(600))
            return condition(board.current)
        }
    }
}

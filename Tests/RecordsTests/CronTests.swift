import Records
import Testing

/// When a pass is due, by the clock on the wall.
@Suite struct CronTests {
    static func instant(_ text: String) throws -> Timestamp {
        try #require(Timestamp(iso8601: text))
    }

    /// Europe/Berlin in 2026: forward on 29 March and back on 25 October, each at 01:00 UTC.
    static func berlin() throws -> LocalTime {
        let hour: Int64 = 3_600_000_000
        return LocalTime(changes: [
            LocalTime.Change(at: try instant("2025-10-26T01:00:00Z"), offsetMicros: hour),
            LocalTime.Change(at: try instant("2026-03-29T01:00:00Z"), offsetMicros: 2 * hour),
            LocalTime.Change(at: try instant("2026-10-25T01:00:00Z"), offsetMicros: hour),
        ])
    }

    @Test(arguments: [
        ("* * * * *", "2026-01-01T00:00:30Z", "2026-01-01T00:01:00Z"),
        ("*/15 * * * *", "2026-01-01T00:15:00Z", "2026-01-01T00:30:00Z"),
        ("5/20 * * * *", "2026-01-01T00:25:00Z", "2026-01-01T00:45:00Z"),
        ("0 2 * * *", "2026-01-01T02:00:00Z", "2026-01-02T02:00:00Z"),
        ("0 2 * * *", "2026-01-01T01:59:59.999999Z", "2026-01-01T02:00:00Z"),
        ("30 1,13 * * *", "2026-01-01T02:00:00Z", "2026-01-01T13:30:00Z"),
        ("0 0 1 * *", "2026-01-31T12:00:00Z", "2026-02-01T00:00:00Z"),
        ("0 0 31 * *", "2026-01-31T12:00:00Z", "2026-03-31T00:00:00Z"),
        ("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"),
        // 2026-01-01 is a Thursday.
        ("0 3 * * mon-fri", "2026-01-02T03:00:00Z", "2026-01-05T03:00:00Z"),
        ("0 3 * * 7", "2026-01-01T00:00:00Z", "2026-01-04T03:00:00Z"),
        ("0 3 * * SUN", "2026-01-01T00:00:00Z", "2026-01-04T03:00:00Z"),
        ("0 3 * jun,Jul *", "2026-01-01T00:00:00Z", "2026-06-01T03:00:00Z"),
        // Either kind of day.
        ("0 3 13 * fri", "2026-01-01T00:00:00Z", "2026-01-02T03:00:00Z"),
        ("0 3 13 * fri", "2026-01-10T00:00:00Z", "2026-01-13T03:00:00Z"),
        // A step of every day of a month is no restriction by which either would do.
        ("0 3 */2 * fri", "2026-01-03T00:00:00Z", "2026-01-09T03:00:00Z"),
        ("0 0 * * *", "1969-12-30T12:00:00Z", "1969-12-31T00:00:00Z"),
    ])
    func `an expression is due next`(text: String, after: String, expected: String) throws {
        let due = try CronExpression(text).next(after: Self.instant(after), in: .utc)
        #expect(due == (try Self.instant(expected)), "\(due)")
    }

    @Test(arguments: [
        // 02:00 to 03:00 does not exist: due at the jump, once.
        ("30 2 * * *", "2026-03-28T12:00:00Z", ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]),
        ("0,30 2 * * *", "2026-03-28T12:00:00Z", ["2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"]),
        ("0 3 * * *", "2026-03-28T12:00:00Z", ["2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"]),
        ("*/30 * * * *", "2026-03-29T00:30:00Z", ["2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"]),
        // 02:00 to 03:00 comes twice: the first counts, and both where every hour is meant.
        ("30 2 * * *", "2026-10-24T12:00:00Z", ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
        ("30 2 * * *", "2026-10-25T01:15:00Z", ["2026-10-26T01:30:00Z"]),
        (
            "30 * * * *", "2026-10-24T23:45:00Z",
            ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"]
        ),
        ("0 4 * * *", "2026-10-24T12:00:00Z", ["2026-10-25T03:00:00Z", "2026-10-26T03:00:00Z"]),
    ])
    func `a clock that is put forward or back leaves nothing out and does nothing twice`(
        text: String,
        after: String,
        expected: [String]
    ) throws {
        let (cron, zone) = (try CronExpression(text), try Self.berlin())
        var time = try Self.instant(after)
        for text in expected {
            time = cron.next(after: time, in: zone)
            #expect(time == (try Self.instant(text)), "\(time)")
        }
    }

    @Test(arguments: [
        "", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "5-1 * * * *",
        "*/0 * * * *", "a * * * *", "1- * * * *", "1,,2 * * * *", "1/2/3 * * * *", "-1 * * * *", "+1 * * * *",
        "* * * monday *", "0 0 30 2 *", "0 0 31 4,6 *", "99999999999999999999 * * * *", "*-5 * * * *",
    ])
    func `what is no expression is refused`(text: String) {
        #expect(throws: CronExpression.Invalid.self) { try CronExpression(text) }
    }

    @Test func `a window is open from its start to its end, over midnight too`() throws {
        let night = try #require(DailyWindow("22:00-06:00"))
        let zone = try Self.berlin()
        for (text, isOpen) in [
            ("2026-01-01T20:59:59Z", false), ("2026-01-01T21:00:00Z", true), ("2026-01-01T23:30:00Z", true),
            ("2026-01-02T04:59:59Z", true), ("2026-01-02T05:00:00Z", false), ("2026-07-01T20:00:00Z", true),
        ] {
            #expect(night.contains(try Self.instant(text), in: zone) == isOpen, "\(text)")
        }
        let noon = try Self.instant("2026-01-01T11:00:00Z")
        #expect(night.opening(after: noon, in: zone) == (try Self.instant("2026-01-01T21:00:00Z")))
        let all = try #require(DailyWindow("00:00-24:00"))
        #expect(all.contains(noon, in: zone))
        let same = try #require(DailyWindow("08:00-08:00"))
        #expect(same.contains(noon, in: zone), "a whole day")
        #expect("\(night)" == "22:00-06:00")
    }

    @Test(arguments: [
        "", "22:00", "22-06", "24:00-06:00", "22:60-06:00", "22:00-24:01", "2:00-6:00", "22:00-06:00-07:00",
    ])
    func `what is no window is refused`(text: String) { #expect(DailyWindow(text) == nil) }
}

import Records
import TestSupport
import Testing

/// Times keep their instant in every form, and never become 1970, now or a trap.
struct TimestampTests {
    private static let type = RecordType.testReading
    private static let instant = Timestamp(milliseconds: 1_723_161_346_087)

    @Test(arguments: [
        "1723161346087", "1723161346087.0", "1.723161346087e12", #""1723161346087""#, "1723161346087000",
        "1723161346087000000",
        "1723161346.087", #""2024-08-08T23:55:46.087Z""#, #""2024-08-08 23:55:46.087""#,
        #""2024-08-08T23:55:46.087+00:00Z""#,
        #""2024-08-09T07:55:46.087+08:00""#, #""2024-08-08T18:55:46.087-05:00""#, #""2024-08-08T20:25:46.087-03:30""#,
        #""2024-08-08T23:55:46.087000+0000""#, #""2024-08-09T01:55:46.087+02""#, #""2024-08-08T23:55:46.087000999Z""#,
    ])
    func `every form of the wire gives the same instant`(_ text: String) throws {
        for key in ["reading_ts_ms", "ts_ms"] {
            let values = ["reading_ts_ms": "null", "ts_ms": "null"].merging([key: text]) { $1 }
            #expect(try sample(Self.type, values)["ts"] == .timestamp(Self.instant), "\(key)")
        }
        let values = ["reading_ts_ms": "null", "ts_ms": "null", "timestamp": text]
        #expect(try sample(Self.type, values)["ts"] == .timestamp(Self.instant))
    }

    @Test(arguments: [
        "true", "[]", "{}", #""""#, #""now""#, #""infinity""#, #""yesterday""#, #""08/08/2024 23:57:58""#,
        #""2024-02-30T00:00:00Z""#,
        #""2023-02-29 00:00:00""#, #""2024-08-08T24:00:00Z""#, #""2024-08-08T23:60:00Z""#, #""2016-12-31T23:59:60Z""#,
        #""2024-08-08""#,
        #""2024-08-08T23:55:46 Z""#, #"" 2024-08-08T23:55:46Z""#, #""2024-08-08T23:55:46.Z""#,
        #""2024-08-08T23:55:46+8""#,
        #""2024-08-08T23:55:46+08:00Z""#, #""2024-08-08T23:55:46+16:00""#, #""2024-08-08T23:55:46ZZ""#, "1e30",
        "9223372036854775808000",
    ])
    func `what is no time is refused in every key`(_ text: String) {
        for key in ["reading_ts_ms", "ts_ms", "timestamp", "settled_at"] {
            let reason = refusal(Self.type, [key: text])
            #expect(reason == .invalidTime || reason == .wrongKind, "\(key)")
        }
    }

    @Test(arguments: [
        "0", "1", "-1723161346087", "9223372036854775807", "4102444800000", "253402300799999",
        #""1970-01-01T00:00:00Z""#, "1230767999999",
    ])
    func `a time outside the window is refused`(_ text: String) {
        for key in ["reading_ts_ms", "ts_ms", "timestamp"] {
            #expect(refusal(Self.type, [key: text]) == .timeOutOfRange, "\(key)")
        }
    }

    @Test func `the window ends one day after the stream time`() {
        let last = streamTime.micros / 1_000 + 86_400_000
        #expect(refusal(Self.type, ["reading_ts_ms": String(last)]) == nil)
        #expect(refusal(Self.type, ["reading_ts_ms": String(last + 1)]) == .timeOutOfRange)
        #expect(refusal(Self.type, ["reading_ts_ms": "1230768000000"]) == nil)
    }

    @Test func `the window is as wide as the limits say`() throws {
        var limits = DecodeLimits()
        limits.earliestYear = 2026
        limits.maxAhead = .seconds(2)
        func reason(_ milliseconds: Int64) throws -> DecodeError.Reason? {
            let message = SampleMessage(Self.type, values: ["reading_ts_ms": String(milliseconds)])
            do {
                _ = try decode(Self.type, message.payload, subject: message.subject, limits: limits)
                return nil
            } catch let error as DecodeError {
                return error.reason
            }
        }
        let last = streamTime.micros / 1_000 + 2_000
        #expect(try reason(last) == nil)
        #expect(try reason(last + 1) == .timeOutOfRange)
        // 2026-01-01.
        #expect(try reason(1_767_225_600_000) == nil)
        #expect(try reason(1_767_225_599_999) == .timeOutOfRange)
    }

    @Test func `the event time is the type's own, else ts_ms, else timestamp, never now`() throws {
        let trade = try recordType("trade")
        let own = try sample(trade, ["trade_ts_ms": "1723161346087", "ts_ms": "1723161347000"])
        #expect(own["ts"] == .timestamp(Self.instant))
        #expect(own["published_at"] == .timestamp(Timestamp(milliseconds: 1_723_161_347_000)))
        let published = try sample(trade, ["trade_ts_ms": "null", "ts_ms": "1723161346087"])
        #expect(published["ts"] == .timestamp(Self.instant))
        #expect(published["published_at"] == published["ts"])
        #expect(refusal(trade, ["trade_ts_ms": "null", "ts_ms": "null"]) == .missingTime)
    }

    @Test func `a time that is not the event time is content, not lost`() throws {
        let row = try sample(Self.type, ["timestamp": #""2024-08-08 23:55:46""#])
        #expect(row["extra"] == .json(#"{"timestamp": "2024-08-08 23:55:46"}"#))
    }

    @Test func `two tellings of one time must agree`() {
        #expect(
            refusal(
                .liquidation,
                ["liquidation_time": #""2026-11-18T08:26:40+00:00""#, "liquidation_ts_ms": "1794990400000"]
            ) == nil
        )
        #expect(
            refusal(
                .liquidation,
                ["liquidation_time": #""2026-11-18T08:26:40""#, "liquidation_ts_ms": "1794990400999"]
            ) == nil
        )
        #expect(
            refusal(
                .liquidation,
                ["liquidation_time": #""2026-11-18T08:26:40.5Z""#, "liquidation_ts_ms": "1794990400499"]
            )
                == .aliasesDisagree
        )
        #expect(
            refusal(
                .liquidation,
                ["liquidation_time": #""2011-01-01T00:00:00Z""#, "liquidation_ts_ms": "1794990400000"]
            )
                == .aliasesDisagree
        )
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00Z"), (1_795_163_317_413_936, "2026-11-20T08:28:37.413936Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00Z"), (253_402_300_799_000_000, "9999-12-31T23:59:59Z"),
            (1_000, "1970-01-01T00:00:00.001000Z"),
        ] as [(Int64, String)]
    )
    func `a timestamp survives its text`(_ micros: Int64, _ text: String) {
        #expect(Timestamp(micros: micros).description == text)
        #expect(Timestamp(iso8601: text, zoneRequired: true) == Timestamp(micros: micros))
    }

    @Test func `the ends of the clock neither trap nor wrap`() {
        #expect(Timestamp(micros: .max).description == "294247-01-10T04:00:54.775807Z")
        #expect(Timestamp(micros: .min).description.hasPrefix("-290308-"))
        #expect(Timestamp(milliseconds: .max) == Timestamp(micros: .max))
        #expect(Timestamp(postgresMicros: .max) == Timestamp(micros: .max))
        #expect(Timestamp(micros: .min).postgresMicros == .min)
    }

    @Test func `a zone can be required`() {
        #expect(Timestamp(iso8601: "2026-11-20T08:28:37") != nil)
        #expect(Timestamp(iso8601: "2026-11-20T08:28:37", zoneRequired: true) == nil)
        #expect(
            Timestamp(iso8601: "2026-11-20T08:28:37+01:00", zoneRequired: true)?.description == "2026-11-20T07:28:37Z"
        )
    }

    @Test func `every day of eight centuries survives its text`() throws {
        for day in stride(from: -146_097, to: 146_097, by: 13) {
            let time = Timestamp(micros: Int64(day) * 86_400_000_000)
            #expect(Timestamp(iso8601: time.description) == time)
        }
    }
}

extension RecordType {
    fileprivate static var liquidation: RecordType {
        Catalog.standard.types.first { $0.name == "liquidation" } ?? .testReading
    }
}

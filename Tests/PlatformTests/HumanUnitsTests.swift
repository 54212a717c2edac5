import Platform
import Testing

@Suite struct HumanUnitsTests {
    @Test(
        arguments: [
            ("30s", Duration.seconds(30)), ("3d", .seconds(259_200)), ("1h30m", .seconds(5_400)),
            ("20ms", .milliseconds(20)), ("500us", .microseconds(500)),
            ("1d2h3m4s5ms6us", .microseconds(93_784_005_006)), ("0s", .zero),
        ]
    )
    func `a duration is read and written the same`(text: String, duration: Duration) throws {
        #expect(try HumanUnits.duration(text) == duration)
        #expect(HumanUnits.format(duration) == text)
    }

    @Test(
        arguments: [
            ("30", "lacks a unit"), ("", "is not a duration"), ("s", "is not a duration"),
            ("3 d", "unknown unit \" d\""), ("1x", "unknown unit \"x\"; known are us, ms, s, m, h, d"),
            ("1m1h", "out of order"), ("1s1s", "out of order"), ("99999999999999d", "too large"),
            ("99999999999999999999s", "too large"), ("-1s", "is not a duration"), ("1.5h", "unknown unit"),
        ]
    )
    func `what is not a duration is refused with the reason`(text: String, reason: String) {
        let error = #expect(throws: UnitError.self) { try HumanUnits.duration(text) }
        #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
    }

    @Test(arguments: [("64MiB", 64 << 20), ("4KiB", 4096), ("1GiB", 1 << 30), ("1001B", 1001), ("0B", 0)])
    func `a size is read and written the same`(text: String, count: Int) throws {
        #expect(try HumanUnits.byteCount(text) == count)
        #expect(HumanUnits.format(byteCount: count) == text)
    }

    @Test func `a bare number counts bytes, decimal units are decimal`() throws {
        #expect(try HumanUnits.byteCount("4096") == 4096)
        #expect(try HumanUnits.byteCount("2MB") == 2_000_000)
        #expect(throws: UnitError.self) { try HumanUnits.byteCount("-1") }
        #expect(throws: UnitError.self) { try HumanUnits.byteCount("64Mib") }
    }

    @Test(arguments: ["127.0.0.1:8085", "[::1]:0", "0.0.0.0:80", "localhost:8086", "[fe80::1]:1", "127.9.9.9:1"])
    func `a listen address is read and written the same`(text: String) throws {
        let address = try ListenAddress(parsing: text)
        #expect(address.description == text)
        #expect(address.isLoopback == !["0.0.0.0:80", "[fe80::1]:1"].contains(text))
    }

    @Test(arguments: ["8085", "127.0.0.1", "127.0.0.1:99999", "::1:8085", ":8085", "http://a:80", "a b:80", ""])
    func `what is not a listen address is refused`(text: String) {
        #expect(throws: UnitError.self) { try ListenAddress(parsing: text) }
    }

    /// A name that only begins like the loopback network belongs to somebody else.
    @Test func `a host name is not a loopback address`() throws {
        #expect(try !ListenAddress(parsing: "127.0.0.1.example.com:1").isLoopback)
        #expect(try !ListenAddress(parsing: "127.0.0.256:1").isLoopback)
    }
}

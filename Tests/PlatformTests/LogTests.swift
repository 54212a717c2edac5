import Platform
import Synchronization
import Testing

private final class Lines: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func append(_ line: [UInt8]) { lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) } }
    func logger(_ level: LogLevel = .info, _ format: LogFormat = .json) -> Logger {
        Logger(level: level, format: format) { self.append($0) }
    }
}

@Suite struct LogTests {
    struct Failure: Error, CustomStringConvertible {
        var description: String { "the \"server\" is away" }
    }

    @Test func `a JSON line carries message, common fields and typed keys in order`() throws {
        let lines = Lines()
        lines.logger().with(.service("hot"), .type("trade")).info(
            "batch stored",
            .rows(5),
            .duration(.milliseconds(12))
        )
        let line = try #require(lines.all.first)
        #expect(line.hasSuffix("\n"))
        let value = try JSONValue(parsing: Array(line.utf8))
        let keys = value.members?.map(\.key)
        #expect(keys == ["time", "level", "message", "service", "type", "rows", "duration_ms"])
        #expect(value["message"]?.string == "batch stored")
        #expect(value["rows"]?.int == 5)
        #expect(value["duration_ms"]?.int == 12)
        let time = try #require(value["time"]?.string)
        #expect(time.count == 27 && time.hasPrefix("20") && time.hasSuffix("Z"))
    }

    @Test func `a pretty line is short and quotes only what has spaces`() throws {
        let lines = Lines()
        lines.logger(.debug, .pretty).warning("retrying", .tier("cold"), .error(Failure()), .attempt(3))
        let line = try #require(lines.all.first)
        #expect(line.dropFirst(12) == " warning retrying tier=cold error=\"the \\\"server\\\" is away\" attempt=3\n")
    }

    @Test(arguments: LogLevel.allCases)
    func `only lines of the level and above are written`(level: LogLevel) {
        let lines = Lines()
        let logger = lines.logger(level)
        logger.debug("x")
        logger.info("x")
        logger.warning("x")
        logger.error("x")
        #expect(lines.all.count == LogLevel.allCases.count { $0 >= level })
    }
}

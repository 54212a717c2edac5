internal import Glibc

/// How much a line matters, and to whom.
package enum LogLevel: String, Sendable, CaseIterable, Comparable {
    /// For whoever looks for a fault.
    case debug
    /// A pass did something.
    case info
    /// We are retrying.
    case warning
    /// A person must act.
    case error

    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    package static func < (a: LogLevel, b: LogLevel) -> Bool { a.rank < b.rank }
}

/// How lines look.
package enum LogFormat: String, Sendable, CaseIterable {
    /// Pretty on a terminal, JSON everywhere else.
    case auto
    case json
    case pretty
}

/// Writes log lines: a static lower-case message and typed keys, one object per line.
///
/// A value that everything receives. Each line is one `write(2)`, so lines of several threads do not mix and a crash
/// loses none.
package struct Logger: Sendable {
    package typealias Sink = @Sendable ([UInt8]) -> Void

    private let level: LogLevel
    private let isPretty: Bool
    private let sink: Sink
    private var common: [LogField] = []

    /// A logger to stderr.
    package init(level: LogLevel = .info, format: LogFormat = .auto) {
        self.init(level: level, format: format == .auto ? Self.formatForStandardError() : format) { line in
            Self.writeToStandardError(line)
        }
    }

    /// A logger that hands each line, with its newline, to `sink`; `.auto` means JSON here.
    package init(level: LogLevel, format: LogFormat, sink: @escaping Sink) {
        self.level = level
        self.isPretty = format == .pretty
        self.sink = sink
    }

    /// A logger that writes nothing, for tests that do not look.
    package static let silent = Logger(level: .error, format: .json) { _ in }

    /// The same logger with more fields on every line.
    package func with(_ fields: LogField...) -> Logger {
        var logger = self
        logger.common += fields
        return logger
    }

    package func debug(_ message: StaticString, _ fields: LogField...) { log(.debug, message, fields) }
    package func info(_ message: StaticString, _ fields: LogField...) { log(.info, message, fields) }
    package func warning(_ message: StaticString, _ fields: LogField...) { log(.warning, message, fields) }
    package func error(_ message: StaticString, _ fields: LogField...) { log(.error, message, fields) }

    /// Writes one line of a level that is only known now.
    package func log(_ level: LogLevel, _ message: StaticString, _ fields: [LogField]) {
        guard level >= self.level else { return }
        var line = isPretty ? pretty(level, message, fields) : json(level, message, fields)
        line.append(UInt8(ascii: "\n"))
        sink(line)
    }

    private func json(_ level: LogLevel, _ message: StaticString, _ fields: [LogField]) -> [UInt8] {
        JSONWriter.object { json in
            json.field("time", Self.time())
            json.field("level", level.rawValue)
            json.field("message", "\(message)")
            for field in common + fields { json.field(field.key, field.value) }
        }
    }

    private func pretty(_ level: LogLevel, _ message: StaticString, _ fields: [LogField]) -> [UInt8] {
        let name = level.rawValue + String(repeating: " ", count: 7 - level.rawValue.count)
        var line = "\(Self.time().dropFirst(11).dropLast(4)) \(name) \(message)"
        for field in common + fields {
            var value = JSONWriter()
            value.value(field.value)
            let text = String(decoding: value.bytes, as: UTF8.self)
            let isBare = !text.contains(" ") && !text.contains("\\")
            line += " \(field.key)=\(isBare ? text.filter { $0 != "\"" } : text)"
        }
        return Array(line.utf8)
    }

    /// The wall clock as ISO 8601 in UTC, to the microsecond: `2026-01-31T23:59:59.000001Z`.
    private static func time() -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var date = tm()
        gmtime_r(&now.tv_sec, &date)
        func digits(_ value: some BinaryInteger, _ width: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        return "\(digits(date.tm_year + 1900, 4))-\(digits(date.tm_mon + 1, 2))-\(digits(date.tm_mday, 2))"
            + "T\(digits(date.tm_hour, 2)):\(digits(date.tm_min, 2)):\(digits(date.tm_sec, 2))"
            + ".\(digits(now.tv_nsec / 1_000, 6))Z"
    }

    private static func formatForStandardError() -> LogFormat { isatty(STDERR_FILENO) == 1 ? .pretty : .json }

    private static func writeToStandardError(_ line: [UInt8]) {
        var written = 0
        while written < line.count {
            let count = line[written...].withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            // Nobody is left to tell that stderr is gone.
            guard count > 0 else { return }
            written += count
        }
    }
}

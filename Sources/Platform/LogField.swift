/// One typed key of a log line; every key that a line may carry is in this file.
package struct LogField: Sendable {
    package let key: String
    package let value: JSONValue

    private init(_ key: String, _ text: String) {
        self.key = key
        value = .string(text)
    }

    private init(_ key: String, _ number: some BinaryInteger) {
        self.key = key
        value = .number(String(number))
    }

    // Who and where.
    package static func service(_ name: String) -> Self { .init("service", name) }
    package static func version(_ text: String) -> Self { .init("version", text) }
    package static func type(_ name: String) -> Self { .init("type", name) }
    package static func tier(_ name: String) -> Self { .init("tier", name) }
    package static func source(_ name: String) -> Self { .init("source", name) }
    package static func stream(_ name: String) -> Self { .init("stream", name) }
    package static func subject(_ text: String) -> Self { .init("subject", text) }
    package static func consumer(_ name: String) -> Self { .init("consumer", name) }
    package static func table(_ name: String) -> Self { .init("table", name) }
    package static func owner(_ text: String) -> Self { .init("owner", text) }
    package static func address(_ text: String) -> Self { .init("address", text) }
    package static func path(_ text: String) -> Self { .init("path", text) }
    package static func signal(_ name: String) -> Self { .init("signal", name) }

    // What was touched.
    package static func rangeStart(_ time: some CustomStringConvertible) -> Self { .init("range_start", "\(time)") }
    package static func rangeEnd(_ time: some CustomStringConvertible) -> Self { .init("range_end", "\(time)") }
    package static func filter(_ text: some CustomStringConvertible) -> Self { .init("filter", "\(text)") }
    package static func transfer(_ id: some CustomStringConvertible) -> Self { .init("transfer", "\(id)") }
    package static func state(_ name: String) -> Self { .init("state", name) }
    package static func position(_ sequence: UInt64) -> Self { .init("position", sequence) }
    package static func sequence(_ sequence: UInt64) -> Self { .init("sequence", sequence) }
    package static func epoch(_ number: Int) -> Self { .init("epoch", number) }
    package static func token(_ number: Int) -> Self { .init("token", number) }

    // How much, how long.
    package static func rows(_ count: Int) -> Self { .init("rows", count) }
    package static func repeated(_ count: Int) -> Self { .init("repeated", count) }
    package static func quarantined(_ count: Int) -> Self { .init("quarantined", count) }
    package static func count(_ count: Int) -> Self { .init("count", count) }
    package static func bytes(_ count: Int) -> Self { .init("bytes", count) }
    package static func bytesBefore(_ count: Int) -> Self { .init("bytes_before", count) }
    package static func bytesAfter(_ count: Int) -> Self { .init("bytes_after", count) }
    package static func attempt(_ number: Int) -> Self { .init("attempt", number) }
    package static func duration(_ span: Duration) -> Self { .init("duration_ms", milliseconds(span)) }
    package static func delay(_ span: Duration) -> Self { .init("delay_ms", milliseconds(span)) }

    // What went wrong, and what follows.
    package static func operation(_ name: String) -> Self { .init("operation", name) }
    package static func code(_ name: String) -> Self { .init("code", name) }
    package static func sqlState(_ code: String) -> Self { .init("sqlstate", code) }
    package static func disposition(_ name: String) -> Self { .init("disposition", name) }
    package static func reason(_ name: String) -> Self { .init("reason", name) }
    package static func error(_ error: any Error) -> Self { .init("error", "\(error)") }
    package static func detail(_ text: String) -> Self { .init("detail", text) }

    private static func milliseconds(_ span: Duration) -> Int64 {
        let (seconds, attoseconds) = span.components
        return seconds * 1_000 + attoseconds / 1_000_000_000_000_000
    }
}

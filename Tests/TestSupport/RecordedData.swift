package import Foundation
package import Records

/// One message of the recorded market data, its payload byte for byte.
package struct RecordedMessage: Sendable {
    package let subject: String
    /// Empty for what the collector publishes with core NATS.
    package let headers: [String: String]
    package let payload: [UInt8]
    package let receivedAt: Timestamp

    /// First token of the subject, for example `lsr_all_account`.
    package var firstToken: String { String(subject.prefix { $0 != "." }) }
}

/// The shared test data: `../shared/data` beside the package, or where `THERMOCLINE_TEST_DATA` says.
package enum RecordedData {
    package struct Unreadable: Error, CustomStringConvertible {
        package let description: String

        package init(_ description: String) { self.description = description }
    }

    /// What `expected.json` says of one type; `lsr` stands there as its two kinds.
    package struct Expected: Decodable, Sendable {
        package let messages: Int
        package let distinctNaturalKeys: Int
        /// Exact decimals by message key.
        package let sums: [String: String]
        package let nonNull: [String: Int]
        package let eventTsMsMin: Int64
        package let eventTsMsMax: Int64
        /// Messages by `exchange/market_type`.
        package let byExchangeMarket: [String: Int]
    }

    package static let directory: URL = {
        if let path = ProcessInfo.processInfo.environment["THERMOCLINE_TEST_DATA"] { return URL(fileURLWithPath: path) }
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return root.deletingLastPathComponent().appendingPathComponent("../shared/data").standardizedFileURL
    }()

    /// Whether the data is there; tests that need it are skipped where it is not.
    package static var isAvailable: Bool { FileManager.default.isReadableFile(atPath: file("real/era_c.jsonl").path) }

    package static let skipped: String = "no recorded data: set THERMOCLINE_TEST_DATA to shared/data"

    package static func file(_ name: String) -> URL { directory.appendingPathComponent(name) }

    /// The lines of a file, without their ends.
    package static func lines(_ name: String) throws -> [Data] {
        try Data(contentsOf: file(name), options: .alwaysMapped).split(separator: 0x0A)
    }

    /// Every message of `real/era_c.jsonl`, in order.
    package static func eraC() throws -> [RecordedMessage] { try lines("real/era_c.jsonl").map(message) }

    /// Expectations by first token of the subject.
    package static func expected() throws -> [String: Expected] {
        struct Document: Decodable {
            struct File: Decodable { let types: [String: Expected] }
            let files: [String: File]
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let document = try decoder.decode(Document.self, from: Data(contentsOf: file("real/expected.json")))
        guard let types = document.files["era_c.jsonl"]?.types else { throw Unreadable("expected.json") }
        return types
    }

    private static func message(_ line: Data) throws -> RecordedMessage {
        struct Head: Decodable {
            let subject: String
            let headers: [String: String]
        }
        let payloadMark = Data(#","payload":"#.utf8)
        let receivedMark = Data(#","received_at_ms":"#.utf8)
        guard let payload = line.range(of: payloadMark),
            let received = line.range(of: receivedMark, options: .backwards),
            let milliseconds = Int64(String(decoding: line[received.upperBound...].dropLast(), as: UTF8.self))
        else { throw Unreadable("a line of era_c.jsonl") }
        let head = try JSONDecoder().decode(Head.self, from: line[..<payload.lowerBound] + Data("}".utf8))
        return RecordedMessage(
            subject: head.subject,
            headers: head.headers,
            payload: Array(line[payload.upperBound..<received.lowerBound]),
            receivedAt: Timestamp(milliseconds: milliseconds)
        )
    }
}

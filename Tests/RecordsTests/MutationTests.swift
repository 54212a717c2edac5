import Foundation
import Records
import Simulation
import TestSupport
import Testing

/// Whatever the bytes, a message becomes a row or an error, never a trap.
@Suite(.enabled(if: RecordedData.isAvailable, Comment(rawValue: RecordedData.skipped)), .timeLimit(.minutes(5)))
struct MutationTests {
    private static let seed = ProcessInfo.processInfo.environment["SEED"].flatMap(UInt64.init) ?? 20_261_120

    @Test func `mutated messages are rows or errors`() throws {
        var generator = SeededGenerator(seed: Self.seed)
        let messages = try RecordedData.eraC().filter { $0.payload.count < 4_000 }
        let fragments = [
            "1e999999999", "\\ud800", "\\u0000", "null", "[[[[", "}}", "-", ".", "\"\"", "1E-100", "{\"price\":",
        ]
        var refused = 0
        for _ in 0..<4_000 {
            let message = try #require(messages.randomElement(using: &generator))
            var payload = message.payload
            for _ in 0...Int.random(in: 0..<4, using: &generator) where !payload.isEmpty {
                let offset = Int.random(in: 0..<payload.count, using: &generator)
                switch Int.random(in: 0..<5, using: &generator) {
                case 0: payload[offset] = UInt8.random(in: 0...255, using: &generator)
                case 1: payload.removeSubrange(offset..<min(payload.count, offset + 5))
                case 2:
                    payload.insert(
                        contentsOf: Array((fragments.randomElement(using: &generator) ?? "").utf8),
                        at: offset
                    )
                case 3: payload.removeLast(payload.count - offset)
                default: payload[offset] = 0x30 + UInt8.random(in: 0...9, using: &generator)
                }
            }
            refused += try expectRowOrError(message, payload)
        }
        #expect(refused > 1_000, "seed \(Self.seed)")
    }

    /// Returns 1 for an error.
    private func expectRowOrError(_ message: RecordedMessage, _ payload: [UInt8]) throws -> Int {
        let type = try #require(Catalog.standard.type(ofSubject: message.firstToken))
        do {
            let rows = try decode(type, payload, subject: message.subject)
            #expect(rows.count == 1)
            let identity = RowIdentity(type: type)
            #expect(try identity.key(of: rows.bytes.span) == rows.key(of: rows.rows[0]))
            #expect(try !identity.content(of: rows.bytes.span).isEmpty)
            return 0
        } catch is DecodeError {
            return 1
        }
    }

    @Test func `mutated rows are rows or errors`() throws {
        var generator = SeededGenerator(seed: Self.seed)
        for type in Catalog.underTest.types {
            let message = SampleMessage(type, values: ["note": #"{"a":[1.5,"x"]}"#])
            let row = try decode(type, message.payload, subject: message.subject).bytes
            let identity = RowIdentity(type: type)
            var refused = 0
            for _ in 0..<1_000 {
                var mutated = row
                let offset = Int.random(in: 0..<mutated.count, using: &generator)
                mutated[offset] = UInt8.random(in: 0...255, using: &generator)
                if Bool.random(using: &generator) { mutated.removeLast(Int.random(in: 0..<20, using: &generator)) }
                do throws(CopyRowError) {
                    _ = try identity.content(of: mutated.span)
                } catch {
                    refused += 1
                }
            }
            #expect(refused > 100, "\(type.name), seed \(Self.seed)")
        }
    }
}

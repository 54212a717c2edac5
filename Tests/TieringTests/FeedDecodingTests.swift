import Records
import Simulation
import Testing

/// The feed against the decoder: what it calls good is a row, what it calls poison is none.
@Suite struct FeedDecodingTests {
    /// Decodes into one batch per type; nil, or why there is no row.
    private static func decode(_ message: FeedMessage, into batches: inout [String: RowBatch]) throws -> DecodeError? {
        let type = try #require(Catalog.standard.type(named: message.type))
        let decoder = RecordDecoder(type: type, catalog: .standard)
        let subject = [UInt8](message.subject.utf8)
        let origin = MessageOrigin(sequence: 1, time: message.at, receivedAt: message.at)
        do throws(DecodeError) {
            try decoder.decode(
                message.payload.span,
                subject: subject.span,
                origin: origin,
                into: &batches[message.type, default: RowBatch()]
            )
            return nil
        } catch {
            return error
        }
    }

    @Test func `good, late and repeated messages are rows, poison is none, and repeats share their key`() throws {
        var options = Feed.Options()
        options.poisonShare = 0.2
        options.duplicateShare = 0.1
        options.lateShare = 0.1
        var batches: [String: RowBatch] = [:]
        var new: [String: Int] = [:]
        for message in FeedTests.messages(6_000, options: options) {
            let error = try Self.decode(message, into: &batches)
            let isRow = error == nil
            #expect(
                isRow == (message.kind != .poison),
                "\(message.kind) \(message.subject): \(String(describing: error))"
            )
            if message.kind == .good || message.kind == .late { new[message.type, default: 0] += 1 }
        }
        #expect(Set(batches.keys) == Set(FeedTests.types))
        for (type, batch) in batches {
            var batch = batch
            _ = batch.deduplicateAndSort(as: try #require(Catalog.standard.type(named: type)))
            #expect(batch.count == new[type] && !batch.hasContestedKeys, "\(type)")
        }
    }

    @Test func `poison is refused for many reasons`() throws {
        var options = Feed.Options()
        options.poisonShare = 1
        options.duplicateShare = 0
        var batches: [String: RowBatch] = [:]
        var reasons: Set<String> = []
        for message in FeedTests.messages(2_000, options: options) {
            if let error = try Self.decode(message, into: &batches) { reasons.insert("\(error.reason)") }
        }
        #expect(reasons.count >= 7, "\(reasons.sorted())")
    }
}

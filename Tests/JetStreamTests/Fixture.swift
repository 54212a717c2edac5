import JetStream
import PrivateServers
import TestSupport

/// A connection, a publisher and a stream of a test's own on the suite's server.
struct Fixture {
    let connection: JetStreamConnection
    let publisher: JetStreamPublisher
    /// Stream name, and first token of its subjects.
    let stream: String

    /// Connects, at `port` if a proxy stands in front, and creates a stream over `<stream>.>` unless told not to.
    init(port: UInt16? = nil, createsStream: Bool = true) async throws {
        let url = port.map { PrivateNATS.url(port: $0) } ?? PrivateNATS.current.url
        connection = try await JetStreamConnection(ConnectionOptions(url: url, name: "test"))
        publisher = try JetStreamPublisher(connection)
        stream = "s\(UInt64.random(in: 0...(.max)))"
        if createsStream { try await connection.createStream(.init(name: stream, subjects: ["\(stream).>"])) }
    }

    /// Creates a consumer under a random name and binds to it.
    func consumer(
        from sequence: UInt64 = 1,
        filter: String? = nil,
        ackPolicy: ConsumerConfiguration.AckPolicy = .all,
        throughLibrary: Bool = false
    ) async throws -> PullConsumer {
        let name = "thermocline-test-\(UInt64.random(in: 0...(.max)))"
        try await connection.createConsumer(
            stream,
            ConsumerConfiguration(name: name, filterSubject: filter, startSequence: sequence, ackPolicy: ackPolicy)
        )
        return try PullConsumer(connection, stream: stream, name: name, throughLibrary: throughLibrary)
    }

    /// Stores messages `<stream>.n` whose payload is `bytes` long and begins with the number.
    func store(_ numbers: Range<Int>, bytes: Int = 10) async throws {
        let messages = numbers.map { number in
            let text = Array("\(number) ".utf8)
            return OutgoingMessage(
                "\(stream).\(number)",
                text + [UInt8](repeating: UInt8(ascii: "x"), count: max(0, bytes - text.count))
            )
        }
        let summary = try await publisher.store(messages, within: .seconds(30))
        guard summary.stored == numbers.count else { throw PollTimeout(description: "stored \(summary)") }
    }
}

/// Fetches until `count` messages have come; each must be the consumer's next, delivered for the first time.
func readAll(
    _ consumer: PullConsumer,
    count: Int,
    maxMessages: Int = 1_000,
    maxBytes: Int = 8 << 20
) async throws -> [UInt64] {
    var sequences: [UInt64] = []
    try await poll("\(count) messages", within: .seconds(30)) {
        let delivery = try await consumer.fetch(
            maxMessages: maxMessages,
            maxBytes: maxBytes,
            timeout: .milliseconds(500)
        )
        for entry in delivery.entries {
            guard entry.deliveryCount == 1, entry.consumerSequence == UInt64(sequences.count + 1) else {
                throw PollTimeout(description: "out of order: \(entry) after \(sequences.count)")
            }
            sequences.append(entry.streamSequence)
        }
        return sequences.count >= count
    }
    return sequences
}

import Platform
import JetStream
import PrivateServers
import Testing
import TestSupport

@Suite(.privateNATS, .timeLimit(.minutes(2)))
struct StreamTests {
    @Test func `a stream is created as configured and described as it stands`() async throws {
        let fixture = try await Fixture(createsStream: false)
        let connection = fixture.connection
        #expect(try await connection.stream(named: fixture.stream) == nil)
        let configuration = StreamConfiguration(
            name: fixture.stream,
            subjects: ["\(fixture.stream).a", "\(fixture.stream).b.>"],
            maxAge: .seconds(3_600),
            maxBytes: 1 << 20,
            maxMessages: 100,
            maxConsumers: 50,
            duplicateWindow: .seconds(300)
        )
        let made = try await connection.createStream(configuration)
        #expect(made.configuration == configuration)
        #expect(made.firstMicros == nil && made.lastMicros == nil && made.lastSequence == 0)
        #expect(made.createdMicros > 1_700_000_000_000_000)
        #expect(try await connection.createStream(configuration).createdMicros == made.createdMicros)

        _ = try await fixture.publisher.store(
            (0..<150).map { OutgoingMessage("\(fixture.stream).a", Array("\($0)".utf8)) }
        )
        let status = try #require(try await connection.stream(named: fixture.stream))
        #expect(status.firstSequence == 51 && status.lastSequence == 150 && status.messages == 100)
        let first = try #require(try await connection.message(in: fixture.stream, sequence: 51))
        #expect(status.firstMicros == first.timeMicros)
        #expect(try await connection.message(in: fixture.stream, sequence: 50) == nil, "discarded")
        #expect(try await connection.message(in: fixture.stream, sequence: 151) == nil, "not there yet")
    }

    @Test func `another stream's subjects, or another configuration under the name, are refused by type`() async throws
    {
        let fixture = try await Fixture()
        let overlap = await #expect(throws: JetStreamError.self) {
            try await fixture.connection.createStream(.init(name: "other", subjects: ["\(fixture.stream).*.x"]))
        }
        #expect(overlap?.code == .subjectOverlap && overlap?.disposition == .halt)
        let taken = await #expect(throws: JetStreamError.self) {
            try await fixture.connection.createStream(.init(name: fixture.stream, subjects: ["elsewhere"]))
        }
        #expect(taken?.code == .nameTaken)
    }

    @Test func `the streams that capture a pattern are found, wildcards on either side`() async throws {
        let fixture = try await Fixture()
        func capturing(_ text: String) async throws -> [String] {
            try await fixture.connection.streams(capturing: #require(SubjectFilter(text))).map(\.name)
        }
        #expect(try await capturing("\(fixture.stream).a.b") == [fixture.stream])
        #expect(try await capturing("*.a.b").contains(fixture.stream))
        #expect(try await capturing("\(fixture.stream)") == [])
        #expect(try await capturing("nobody.>") == [])
    }

    @Test func `subjects are replaced and the rest of the configuration stays`() async throws {
        let fixture = try await Fixture(createsStream: false)
        var configuration = StreamConfiguration(
            name: fixture.stream,
            subjects: ["\(fixture.stream).a"],
            maxAge: .seconds(60)
        )
        configuration.maxBytes = 1 << 20
        try await fixture.connection.createStream(configuration)
        let updated = try await fixture.connection.updateStreamSubjects(fixture.stream, ["\(fixture.stream).b"])
        #expect(updated.subjects == ["\(fixture.stream).b"])
        #expect(updated.configuration.maxAge == .seconds(60) && updated.configuration.maxBytes == 1 << 20)
    }

    @Test func `a purge keeps the sequence and a deleted message is nil`() async throws {
        let fixture = try await Fixture()
        try await fixture.store(0..<10)
        #expect(try await fixture.connection.deleteMessage(in: fixture.stream, sequence: 9))
        #expect(try await !fixture.connection.deleteMessage(in: fixture.stream, sequence: 9))
        #expect(try await fixture.connection.message(in: fixture.stream, sequence: 9) == nil)
        try await fixture.connection.purge(fixture.stream, before: 6)
        #expect(try await fixture.connection.stream(named: fixture.stream)?.firstSequence == 6)
        try await fixture.connection.purge(fixture.stream)
        let status = try #require(try await fixture.connection.stream(named: fixture.stream))
        #expect(status.messages == 0 && status.firstSequence == 11 && status.lastSequence == 10)
    }

    @Test func `what is asked of a stream that is gone is a typed error to retry`() async throws {
        let fixture = try await Fixture()
        let consumer = try await fixture.consumer()
        #expect(try await fixture.connection.deleteStream(fixture.stream))
        #expect(try await !fixture.connection.deleteStream(fixture.stream))
        #expect(try await fixture.connection.stream(named: fixture.stream) == nil)
        #expect(try await !fixture.connection.deleteConsumer(fixture.stream, consumer.name))
        let create = await #expect(throws: JetStreamError.self) { try await fixture.consumer() }
        #expect(create?.code == .streamNotFound && create?.disposition == .retry)
        let read = await #expect(throws: JetStreamError.self) {
            try await fixture.connection.message(in: fixture.stream, sequence: 1)
        }
        #expect(read?.code == .streamNotFound)
        let fetch = await #expect(throws: JetStreamError.self) {
            while true { _ = try await consumer.fetch(maxMessages: 1, maxBytes: 1_000, timeout: .seconds(1)) }
        }
        #expect(fetch?.code == .consumerNotFound)
        let publish = await #expect(throws: JetStreamError.self) { try await fixture.store(0..<1) }
        #expect(publish?.code == .jetStreamUnavailable)
    }

    @Test func `another consumer under a name that is taken is refused`() async throws {
        let fixture = try await Fixture()
        let configuration = ConsumerConfiguration(name: "a", startSequence: 5)
        let made = try await fixture.connection.createConsumer(fixture.stream, configuration)
        #expect(made.name == "a" && made.stream == fixture.stream && made.pending == 0)
        var other = configuration
        other.startSequence = 6
        let error = await #expect(throws: JetStreamError.self) {
            try await fixture.connection.createConsumer(fixture.stream, other)
        }
        #expect(error?.disposition == .halt, "\(String(describing: error))")
        #expect(try await fixture.connection.consumer(fixture.stream, "a") != nil)
    }

    @Test func `a message published twice under one identifier is stored once`() async throws {
        let fixture = try await Fixture()
        let message = OutgoingMessage("\(fixture.stream).a", [1], identifier: "same")
        #expect(try await fixture.publisher.store([message]) == .init(stored: 1, duplicates: 0))
        #expect(try await fixture.publisher.store([message, message]) == .init(stored: 0, duplicates: 2))
        try await fixture.publisher.publish([OutgoingMessage("\(fixture.stream).a", [2])])
        #expect(try await fixture.connection.stream(named: fixture.stream)?.messages == 2)
    }

    @Test func `a message above the server's limit is rejected`() async throws {
        let fixture = try await Fixture()
        let payload = [UInt8](repeating: 0, count: fixture.connection.maxPayload + 1)
        let error = await #expect(throws: JetStreamError.self) {
            try await fixture.publisher.publish([OutgoingMessage("\(fixture.stream).a", payload)])
        }
        #expect(error?.code == .messageTooLarge && error?.disposition == .reject)
    }
}

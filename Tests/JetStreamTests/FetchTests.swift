import Platform
import JetStream
import PrivateServers
import Testing
import TestSupport

@Suite(.privateNATS, .timeLimit(.minutes(2)))
struct FetchTests {
    @Test(arguments: [false, true])
    func `a message comes as it was sent: subject, headers, a payload of 1 MiB`(_ throughLibrary: Bool) async throws {
        let fixture = try await Fixture()
        let consumer = try await fixture.consumer(throughLibrary: throughLibrary)
        let subject = "\(fixture.stream).a.b"
        // The server's limit of 1 MiB counts the headers too.
        let large = (0..<(1 << 20) - 200).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
        _ = try await fixture.publisher.store([
            OutgoingMessage(
                subject,
                large,
                identifier: "id-1",
                headers: [("Zulu", "z"), ("Alpha", "a 1"), ("Alpha", "a 2")]
            ),
            OutgoingMessage(subject, []),
        ])
        let delivery = try await consumer.fetch(maxMessages: 10, maxBytes: 4 << 20, timeout: .seconds(1))
        #expect(delivery.count == 2)
        let first = try #require(delivery.entries.first)
        #expect(delivery.subject(first) == subject)
        let headers = String(decoding: delivery.bytes[first.headers], as: UTF8.self)
        #expect(headers == "Alpha: a 1\r\nAlpha: a 2\r\nNats-Msg-Id: id-1\r\nZulu: z\r\n")
        #expect(Array(delivery.bytes[first.payload]) == large)
        #expect(first.streamSequence == 1 && first.consumerSequence == 1 && first.deliveryCount == 1)
        let second = try #require(delivery.entries.last)
        #expect(second.headers.isEmpty && second.payload.isEmpty && delivery.subject(second) == subject)
        #expect(delivery.pendingOnServer == 0)

        let stored = try #require(try await fixture.connection.message(in: fixture.stream, sequence: 1))
        #expect(stored.timeMicros == first.timeMicros, "the stream's own time is that of the delivery")
        #expect(stored.subject == subject && stored.payload == large)
        #expect(stored.headers == Array(delivery.bytes[first.headers]))
    }

    @Test func `a fetch is bounded by bytes and a message above the bound comes alone`() async throws {
        let fixture = try await Fixture()
        let consumer = try await fixture.consumer()
        try await fixture.store(0..<100, bytes: 1_000)
        try await fixture.store(100..<101, bytes: 100_000)
        try await fixture.store(101..<110, bytes: 1_000)
        var sizes: [(count: Int, bytes: Int)] = []
        var total = 0
        while total < 110 {
            let delivery = try await consumer.fetch(maxMessages: 1_000, maxBytes: 20_000, timeout: .seconds(1))
            #expect(delivery.entries.first?.consumerSequence == UInt64(total + 1))
            try #require(!delivery.isEmpty)
            sizes.append((delivery.count, delivery.bytes.count))
            total += delivery.count
        }
        #expect(sizes.filter { $0.bytes > 20_000 }.map(\.count) == [1])
        #expect(sizes.count >= 7)
    }

    @Test func `a fetch whose bytes come out exactly does not wait for its timeout`() async throws {
        let fixture = try await Fixture()
        let consumer = try await fixture.consumer()
        try await fixture.store(10..<30, bytes: 1_000)
        // Learn from one message what the server counts for each: the reply subjects of the first five are as long.
        let probe = try await fixture.consumer()
        let one = try await probe.fetch(maxMessages: 1, maxBytes: 1 << 20, timeout: .seconds(1))
        let reply = "$JS.ACK.\(fixture.stream).\(probe.name).1.1.1.\(one.entries[0].timeMicros * 1_000).19"
        let size = one.bytes.count + reply.utf8.count
        let start = ContinuousClock.now
        var count = 0
        while count < 5 {
            count += try await consumer.fetch(
                maxMessages: 100,
                maxBytes: (size + consumer.name.utf8.count - probe.name.utf8.count) * 5,
                timeout: .seconds(1)
            ).count
        }
        #expect(count == 5)
        #expect(ContinuousClock.now - start < .seconds(1), "the timeout was waited for")
    }

    @Test func `a fetch returns at once what is there and waits at most its timeout for the first message`()
        async throws
    {
        let fixture = try await Fixture()
        let consumer = try await fixture.consumer()
        var start = ContinuousClock.now
        for part in 0..<3 {
            try await fixture.store(part * 3..<part * 3 + 3)
            #expect(try await consumer.fetch(maxMessages: 1_000, maxBytes: 1 << 20, timeout: .seconds(1)).count == 3)
        }
        // Three timeouts that were not waited for; what is left of them is for a slow machine.
        #expect(ContinuousClock.now - start < .seconds(3))

        start = ContinuousClock.now
        #expect(try await consumer.fetch(maxMessages: 1_000, maxBytes: 1 << 20, timeout: .milliseconds(200)).isEmpty)
        #expect(ContinuousClock.now - start >= .milliseconds(150))

        async let waiting = consumer.fetch(maxMessages: 1_000, maxBytes: 1 << 20, timeout: .seconds(1))
        try await fixture.store(9..<10)
        #expect(try await waiting.count == 1)
    }

    @Test func `a backlog is delivered whole, however short the timeout`() async throws {
        let fixture = try await Fixture()
        try await fixture.store(0..<30_000, bytes: 200)
        let consumer = try await fixture.consumer()
        let start = ContinuousClock.now
        var count = 0
        while count < 30_000, ContinuousClock.now - start < .seconds(10) {
            count += try await consumer.fetch(maxMessages: 5_000, maxBytes: 4 << 20, timeout: .milliseconds(10)).count
        }
        // An expired request that is taken for a hanging one costs its grace, 2 s each.
        #expect(count == 30_000)
    }

    @Test func `a consumer starts at its sequence and its filter leaves no hole in the consumer sequence`() async throws
    {
        let fixture = try await Fixture()
        try await fixture.store(0..<50)
        let consumer = try await fixture.consumer(from: 41)
        #expect(try await readAll(consumer, count: 10) == Array(41...50))
        let filtered = try await fixture.consumer(from: 2, filter: "\(fixture.stream).7")
        #expect(try await readAll(filtered, count: 1) == [8])
        let unacknowledged = try await fixture.consumer(from: 1, ackPolicy: .none)
        #expect(try await readAll(unacknowledged, count: 50, maxMessages: 7) == Array(1...50))
    }

    @Test func `one acknowledgement moves the floor over the whole delivery, also while a fetch waits`() async throws {
        let fixture = try await Fixture()
        let consumer = try await fixture.consumer()
        try await fixture.store(0..<500)
        let delivery = try await consumer.fetch(maxMessages: 300, maxBytes: 1 << 20, timeout: .seconds(1))
        #expect(delivery.count == 300 && delivery.pendingOnServer == 200)
        try await poll("the server works ahead") {
            try await fixture.connection.consumer(fixture.stream, consumer.name)?.ackPending == 500
        }
        let rest = try await consumer.fetch(maxMessages: 300, maxBytes: 1 << 20, timeout: .seconds(1))
        #expect(rest.count == 200 && rest.pendingOnServer == 0)

        async let idle = consumer.fetch(maxMessages: 1, maxBytes: 1 << 20, timeout: .seconds(1))
        try consumer.acknowledge(#require(delivery.acknowledgement))
        try await poll("the floor moved") {
            let status = try await fixture.connection.consumer(fixture.stream, consumer.name)
            return status?.ackPending == 200 && status?.ackFloorStreamSequence == 300
        }
        try consumer.acknowledge(#require(rest.acknowledgement))
        try await poll("all is acknowledged") {
            try await fixture.connection.consumer(fixture.stream, consumer.name)?.ackPending == 0
        }
        #expect(try await idle.isEmpty)
    }

    @Test func `closing a consumer ends the fetch that waits`() async throws {
        let fixture = try await Fixture()
        let consumer = try await fixture.consumer()
        async let waiting = outcome(of: consumer)
        try await poll("the server has the request") { try await waits(fixture, consumer.name) }
        consumer.close()
        let outcome = await waiting
        let error = #expect(throws: JetStreamError.self) { try outcome.get() }
        #expect(error?.code == .closed)
    }

    @Test func `a consumer that is deleted, before or during a fetch, is a typed error to retry`() async throws {
        let fixture = try await Fixture()
        let consumer = try await fixture.consumer()
        let name = consumer.name
        async let waiting = outcome(of: consumer)
        try await poll("the server has the request") { try await waits(fixture, name) }
        #expect(try await fixture.connection.deleteConsumer(fixture.stream, name))
        let outcome = await waiting
        let during = #expect(throws: JetStreamError.self) { try outcome.get() }
        #expect(during?.code == .consumerNotFound)
        #expect(during?.disposition == .retry)
        let after = await #expect(throws: JetStreamError.self) {
            while true { _ = try await consumer.fetch(maxMessages: 1, maxBytes: 1 << 20, timeout: .seconds(1)) }
        }
        #expect(after?.code == .consumerNotFound)
    }

    /// What a fetch of one message that waits for a second came to.
    private func outcome(of consumer: PullConsumer) async -> Result<Delivery, JetStreamError> {
        do {
            return .success(try await consumer.fetch(maxMessages: 1, maxBytes: 1 << 20, timeout: .seconds(1)))
        } catch {
            return .failure(error)
        }
    }

    /// True when a pull request waits at the server.
    private func waits(_ fixture: Fixture, _ name: String) async throws -> Bool {
        try await fixture.connection.consumer(fixture.stream, name)?.waitingRequests == 1
    }
}

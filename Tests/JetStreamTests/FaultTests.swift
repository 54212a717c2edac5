import Platform
import JetStream
import PrivateServers
import Testing
import TestSupport

@Suite(.privateNATS, .timeLimit(.minutes(2)))
struct FaultTests {
    @Test func `no server is an error to retry, and no URL is one to halt`() async throws {
        let port = try LoopbackPort.free()
        let away = await #expect(throws: JetStreamError.self) {
            try await JetStreamConnection(ConnectionOptions(url: PrivateNATS.url(port: port), name: "test"))
        }
        #expect(away?.code == .unreachable && away?.disposition == .retry)
        let none = await #expect(throws: JetStreamError.self) {
            try await JetStreamConnection(ConnectionOptions(url: "", name: "test"))
        }
        #expect(none?.disposition == .halt, "\(String(describing: none))")
    }

    @Test func `a connection cut in the middle of a delivery throws, and a new consumer at the position reads all`()
        async throws
    {
        let proxy = try FaultProxy(to: PrivateNATS.current.port)
        defer { proxy.stop() }
        let fixture = try await Fixture(port: proxy.port)
        try await fixture.store(0..<1_000, bytes: 500)
        let consumer = try await fixture.consumer()
        proxy.cut(afterBytesToClients: 100_000)
        let error = await #expect(throws: JetStreamError.self) {
            while true { _ = try await consumer.fetch(maxMessages: 1_000, maxBytes: 1 << 20, timeout: .seconds(1)) }
        }
        #expect(error?.code == .disconnected && error?.disposition == .retry)
        try await poll("the connection is back") { fixture.connection.isConnected }
        #expect(try fixture.connection.reconnects() >= 1)
        // The old consumer never speaks again, although the library has restored its subscription.
        let again = await #expect(throws: JetStreamError.self) {
            try await consumer.fetch(maxMessages: 1_000, maxBytes: 1 << 20, timeout: .seconds(1))
        }
        #expect(again?.code == .disconnected)
        let successor = try await fixture.consumer(from: 1)
        #expect(try await readAll(successor, count: 1_000) == Array(1...1_000))
    }

    @Test func `a request while the connection is cut fails at once, and works when it is back`() async throws {
        let proxy = try FaultProxy(to: PrivateNATS.current.port)
        defer { proxy.stop() }
        let fixture = try await Fixture(port: proxy.port)
        proxy.refuse()
        try await poll("the cut is noticed") { !fixture.connection.isConnected }
        let request = await #expect(throws: JetStreamError.self) { try await fixture.connection.streams() }
        #expect(request?.disposition == .retry, "\(String(describing: request))")
        let publish = await #expect(throws: JetStreamError.self) {
            try await fixture.publisher.publish([OutgoingMessage("\(fixture.stream).a", [1])])
        }
        #expect(publish?.code == .disconnected, "a publish is not kept in memory: \(String(describing: publish))")
        proxy.accept()
        try await poll("the connection is back") { fixture.connection.isConnected }
        #expect(try await fixture.connection.stream(named: fixture.stream)?.messages == 0)
    }

    @Test func `a server that hangs ends a fetch within its timeout and a grace`() async throws {
        let proxy = try FaultProxy(to: PrivateNATS.current.port)
        defer { proxy.stop() }
        let fixture = try await Fixture(port: proxy.port)
        let consumer = try await fixture.consumer()
        proxy.stall()
        let error = await #expect(throws: JetStreamError.self) {
            try await consumer.fetch(maxMessages: 1, maxBytes: 1_000, timeout: .milliseconds(200))
        }
        #expect(error?.code == .timeout && error?.disposition == .retry)
        proxy.resume()
        try await fixture.store(0..<5)
        #expect(try await readAll(consumer, count: 5) == Array(1...5))
    }

    @Test func `a server that hangs after a request was sent is an error too`() async throws {
        let proxy = try FaultProxy(to: PrivateNATS.current.port)
        defer { proxy.stop() }
        let fixture = try await Fixture(port: proxy.port)
        let consumer = try await fixture.consumer()
        #expect(try await consumer.fetch(maxMessages: 1, maxBytes: 1_000, timeout: .milliseconds(10)).isEmpty)
        proxy.stall()
        let error = await #expect(throws: JetStreamError.self) {
            while true { _ = try await consumer.fetch(maxMessages: 1, maxBytes: 1_000, timeout: .seconds(1)) }
        }
        #expect(error?.code == .timeout && error?.disposition == .retry)
    }

    @Test func `a connection that is closed says so`() async throws {
        let fixture = try await Fixture()
        let consumer = try await fixture.consumer()
        await fixture.connection.close()
        let error = await #expect(throws: JetStreamError.self) {
            try await consumer.fetch(maxMessages: 1, maxBytes: 1_000, timeout: .milliseconds(200))
        }
        #expect(error?.code == .closed)
        #expect(!fixture.connection.isConnected)
    }
}

@Suite(.timeLimit(.minutes(2)))
struct RestartTests {
    @Test(arguments: [true, false])
    func `after a restart of the server the connection is back, and a new consumer reads on`(_ isKilled: Bool)
        async throws
    {
        // `sync_interval: always` does not exist in 2.9; what is acknowledged is in the page cache and survives a kill.
        let server = try await PrivateNATS()
        let connection = try await JetStreamConnection(ConnectionOptions(url: server.url, name: "test"))
        let publisher = try JetStreamPublisher(connection)
        try await connection.createStream(.init(name: "S", subjects: ["s.>"]))
        let created = try await connection.stream(named: "S")?.createdMicros
        _ = try await publisher.store((0..<100).map { OutgoingMessage("s.a", Array("\($0)".utf8)) })
        try await connection.createConsumer("S", ConsumerConfiguration(name: "first", startSequence: 1))
        let consumer = try PullConsumer(connection, stream: "S", name: "first")
        #expect(try await readAll(consumer, count: 40, maxMessages: 40).count == 40)

        if isKilled { await server.kill() } else { await server.stop() }
        let error = await #expect(throws: JetStreamError.self) {
            while true { _ = try await consumer.fetch(maxMessages: 1, maxBytes: 1_000, timeout: .seconds(1)) }
        }
        #expect(error?.disposition == .retry, "\(String(describing: error))")
        try await server.start()
        try await poll("the connection is back", within: .seconds(30)) { connection.isConnected }
        #expect(try await connection.stream(named: "S")?.createdMicros == created, "the same life of the stream")
        try await connection.createConsumer("S", ConsumerConfiguration(name: "second", startSequence: 41))
        let successor = try PullConsumer(connection, stream: "S", name: "second")
        #expect(try await readAll(successor, count: 60) == Array(41...100))
        await connection.close()
        await server.remove()
    }
}

@preconcurrency import Dispatch
import HTTPServer
import Platform
import TestSupport
import Testing

/// Responses that come from another thread, and servers that stop meanwhile.
@Suite(.timeLimit(.minutes(2))) struct PendingResponseTests {
    let inbox = Inbox()

    private func server(_ limits: HTTPLimits = HTTPLimits()) throws -> HTTPServer {
        let inbox = inbox
        return try HTTPServer(ListenAddress(host: "127.0.0.1", port: 0), limits: limits) { request in
            guard request.path == "/slow" else { return .now(.json { $0.field("status", "healthy") }) }
            let pending = PendingResponse()
            inbox.put(pending)
            return .later(pending)
        }
    }

    @Test func `health answers while a response is pending, which another thread completes`() async throws {
        let server = try server()
        let port = server.address.port
        async let slow = RawClient.request(port, "GET", "/slow")
        try await eventually("the request reaches the handler") { inbox.count == 1 }
        for _ in 0..<10 { #expect(try await RawClient.request(port, "GET", "/health").status == 200) }
        let pending = inbox.take()[0]
        DispatchQueue.global().async { pending.complete(.text("done")) }
        #expect(try await slow.body == "done")
        #expect(!pending.complete(.text("again")), "only the first answer counts")
        server.stop()
    }

    @Test func `a response that is completed before the handler returns is sent at once`() async throws {
        let server = try HTTPServer(ListenAddress(host: "127.0.0.1", port: 0)) { _ in
            let pending = PendingResponse()
            pending.complete(.text("ready"))
            return .later(pending)
        }
        #expect(try await RawClient.request(server.address.port, "GET", "/").body == "ready")
        server.stop()
    }

    @Test func `a response that nobody completes is answered with 504`() async throws {
        var limits = HTTPLimits()
        limits.replyTimeout = .milliseconds(100)
        let server = try server(limits)
        let response = try await RawClient.request(server.address.port, "GET", "/slow")
        #expect(response.status == 504)
        #expect(response.body.contains("no_answer"))
        server.stop()
    }

    @Test func `many requests at once, half of them pending, are all answered`() async throws {
        var limits = HTTPLimits()
        limits.connections = 200
        limits.connectionsPerAddress = 200
        let inbox = inbox
        let server = try HTTPServer(ListenAddress(host: "127.0.0.1", port: 0), limits: limits) { request in
            let answer = HTTPResponse.text(request.path)
            guard request.path.hasSuffix("1") else { return .now(answer) }
            let pending = PendingResponse()
            inbox.put(pending)
            DispatchQueue.global().async { pending.complete(answer) }
            return .later(pending)
        }
        let port = server.address.port
        let answers = try await withThrowingTaskGroup { group in
            for number in 0..<400 {
                group.addTask { try await RawClient.request(port, "GET", "/\(number % 2)").body }
            }
            return try await group.reduce(into: [String: Int]()) { $0[$1, default: 0] += 1 }
        }
        #expect(answers == ["/0": 200, "/1": 200])
        server.stop()
    }

    /// libmicrohttpd aborts the process when it is stopped over suspended connections.
    @Test func `stop answers suspended connections with 503 first`() async throws {
        let server = try server()
        let port = server.address.port
        async let responses = withThrowingTaskGroup { group in
            for _ in 0..<8 { group.addTask { try await RawClient.request(port, "GET", "/slow") } }
            return try await group.reduce(into: [RawClient.Response]()) { $0.append($1) }
        }
        try await eventually("all requests wait") { inbox.count == 8 }
        server.stop()
        let statuses = try await responses.map(\.status)
        #expect(statuses == Array(repeating: 503, count: 8))
        for pending in inbox.take() { #expect(!pending.complete(.text(""))) }
        server.stop()
    }

    @Test func `the end of the last reference stops the server`() async throws {
        var server: HTTPServer? = try server()
        let port = try #require(server?.address.port)
        async let slow = RawClient.request(port, "GET", "/slow")
        try await eventually("the request waits") { inbox.count == 1 }
        server = nil
        #expect(try await slow.status == 503)
        #expect(throws: RawClient.Failure.self) { try RawClient(port: port) }
    }

    @Test func `a port in use is an error that says so`() throws {
        let server = try server()
        let error = #expect(throws: HTTPServerError.self) { try HTTPServer(server.address) { _ in .now(.text("")) } }
        #expect(error?.code == .addressInUse)
        #expect(error?.description == "cannot listen on \(server.address): address already in use")
        let nowhere = ListenAddress(host: "192.0.2.1", port: 0)
        #expect(throws: HTTPServerError.self) { try HTTPServer(nowhere) { _ in .now(.text("")) } }
        server.stop()
    }

    /// A trickle would never be silent for as long as the idle timeout; the deadline of the whole request ends it.
    @Test func `a client whose request does not arrive in time is hung up on`() async throws {
        var limits = HTTPLimits()
        limits.idleTimeout = .seconds(600)
        limits.transferTimeout = .milliseconds(100)
        let server = try server(limits)
        let port = server.address.port
        let heard = try await RawClient.run {
            let client = try RawClient(port: port)
            try client.send("GET /health HTTP/1.1\r\nX-Trickle: 1\r\n")
            return try client.readToEnd()
        }
        #expect(heard == "")
        #expect(try await RawClient.request(port, "GET", "/health").status == 200)
        server.stop()
    }

    @Test func `connections beyond the limit of one address are closed`() async throws {
        var limits = HTTPLimits()
        limits.connectionsPerAddress = 2
        let server = try server(limits)
        let port = server.address.port
        let first = try RawClient(port: port)
        let second = try RawClient(port: port)
        #expect(try await RawClient.run { try RawClient(port: port).readToEnd() } == "")
        withExtendedLifetime((first, second)) {}
        server.stop()
    }

    @Test func `starting and stopping under load leaves nothing behind`() async throws {
        for round in 0..<25 {
            let server = try server()
            let port = server.address.port
            try await withThrowingTaskGroup { group in
                for number in 0..<6 {
                    group.addTask {
                        // A refused or cut connection is what a stop looks like from outside.
                        _ = try? await RawClient.request(port, "GET", number % 2 == 0 ? "/slow" : "/health")
                    }
                }
                if round % 3 != 0 { try await eventually("one request waits") { inbox.count > round / 3 } }
                server.stop()
                try await group.waitForAll()
            }
        }
    }
}

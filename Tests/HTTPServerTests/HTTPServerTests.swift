import HTTPServer
import Platform
import Synchronization
import TestSupport
import Testing

/// What a handler left open, for the test to answer.
final class Inbox: Sendable {
    private let pending = Mutex<[PendingResponse]>([])
    func put(_ response: PendingResponse) { pending.withLock { $0.append(response) } }
    var count: Int { pending.withLock { $0.count } }
    func take() -> [PendingResponse] { pending.withLock { $0 } }
}

/// Waits for a state, not for time.
func eventually(_ what: Comment, _ condition: () -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(20)
    while !condition() {
        try #require(ContinuousClock.now < deadline, what)
        try await Task.sleep(for: .milliseconds(2))  // tidy:allow between two looks of a poll
    }
}

@Suite(.timeLimit(.minutes(2))) struct HTTPServerTests {
    let loopback = ListenAddress(host: "127.0.0.1", port: 0)

    private func server(_ limits: HTTPLimits = HTTPLimits()) throws -> HTTPServer {
        let router = Router([
            Route("GET", "/health", "How it is.") { _ in .now(.json { $0.field("status", "healthy") }) },
            Route("GET", "/things/{id}", "One thing.") { request in
                .now(.text("\(request.parameters["id"] ?? "") \(request.query("q") ?? "-")"))
            },
            Route("POST", "/echo", "The same again.") { .now(.text(String(decoding: $0.body, as: UTF8.self))) },
            Route("GET", "/who", "Who asks.") { request in
                .now(.text("\(request.remoteAddress) \(request.header("x-name") ?? "")"))
            },
        ])
        return try HTTPServer(loopback, limits: limits) { router.reply(to: $0) }
    }

    @Test func `GET answers with the text that scripts grep`() async throws {
        let server = try server()
        #expect(server.address.port != 0)
        let response = try await RawClient.request(server.address.port, "GET", "/health")
        #expect(response.status == 200)
        #expect(response.body.contains(#""status": "healthy""#))
        #expect(response.headers["content-type"] == "application/json")
        #expect(response.headers["cache-control"] == "no-store")
        server.stop()
    }

    @Test func `HEAD answers like GET, without the body`() async throws {
        let server = try server()
        let whole = try await RawClient.request(server.address.port, "GET", "/health")
        let head = try await RawClient.request(server.address.port, "HEAD", "/health")
        #expect(head.status == 200)
        #expect(head.headers["content-length"] == whole.headers["content-length"])
        server.stop()
    }

    @Test func `path, query, header, body and address reach the handler`() async throws {
        let server = try server()
        let port = server.address.port
        #expect(try await RawClient.request(port, "GET", "/things/a%20b?x=1&q=%C3%A9+z").body == "a b é z")
        #expect(try await RawClient.request(port, "POST", "/echo", body: "{\"a\": 1}").body == "{\"a\": 1}")
        #expect(try await RawClient.request(port, "POST", "/echo").body == "")
        #expect(try await RawClient.request(port, "GET", "/who", headers: "X-Name: me\r\n").body == "127.0.0.1 me")
        server.stop()
    }

    @Test func `what fits no route is answered with 404 or 405 and a remedy`() async throws {
        let server = try server()
        let missing = try await RawClient.request(server.address.port, "GET", "/heath")
        #expect(missing.status == 404)
        let error = try JSONValue(parsing: Array(missing.body.utf8))["error"]
        #expect(error?["code"]?.string == "not_found")
        #expect(error?["message"]?.string == "there is nothing at /heath")
        #expect(error?["remedy"]?.string?.contains("/health") == true)
        let wrong = try await RawClient.request(server.address.port, "POST", "/health", body: "x")
        #expect(wrong.status == 405)
        #expect(wrong.headers["allow"] == "GET, HEAD")
        #expect(try await RawClient.request(server.address.port, "GET", "/things/").status == 404)
        server.stop()
    }

    @Test func `several requests share a connection`() async throws {
        let server = try server()
        let port = server.address.port
        let bodies = try await RawClient.run {
            let client = try RawClient(port: port)
            return try (0..<50).map { number in
                try client.send("GET /things/\(number) HTTP/1.1\r\nHost: test\r\n\r\n")
                return try client.response().body
            }
        }
        #expect(bodies == (0..<50).map { "\($0) -" })
        server.stop()
    }

    @Test func `a body beyond the limit is read to its end and answered with 413`() async throws {
        var limits = HTTPLimits()
        limits.bodyBytes = 1_000
        let server = try server(limits)
        let port = server.address.port
        let fits = String(repeating: "x", count: 1_000)
        #expect(try await RawClient.request(port, "POST", "/echo", body: fits).body == fits)
        let large = String(repeating: "x", count: 3_000_000)
        let refused = try await RawClient.request(port, "POST", "/echo", body: large)
        #expect(refused.status == 413)
        #expect(refused.body.contains("body_too_large"))
        let chunked = try await RawClient.run {
            let client = try RawClient(port: port)
            try client.send("POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in 0..<20 { try client.send("64\r\n\(String(repeating: "y", count: 100))\r\n") }
            try client.send("0\r\n\r\n")
            return try client.response()
        }
        #expect(chunked.status == 413)
        let asked = try await RawClient.run {
            let client = try RawClient(port: port)
            try client.send(
                "POST /echo HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 5000000\r\n\r\n"
            )
            return try client.response()
        }
        #expect(asked.status == 413)
        #expect(try await RawClient.request(port, "GET", "/health").status == 200)
        server.stop()
    }

    @Test func `what is not HTTP is answered or closed, and hurts nobody`() async throws {
        let server = try server()
        let port = server.address.port
        for garbage in ["\u{16}\u{3}\u{1}garbage\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\0\0\0\r\n\r\n"] {
            _ = try await RawClient.run {
                let client = try RawClient(port: port)
                try client.send(garbage)
            }
        }
        let headers = (0..<2_000).map { "X-Header-\($0): \(String(repeating: "h", count: 20))\r\n" }.joined()
        let refused = try await RawClient.request(port, "GET", "/health", headers: headers)
        #expect(refused.status == 431)
        #expect(try await RawClient.request(port, "GET", "/health").status == 200)
        server.stop()
    }
}

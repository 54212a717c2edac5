internal import Foundation
internal import Glibc

/// One TCP connection that sends what a test says, byte by byte, and reads responses.
package final class RawClient: Sendable {
    package struct Failure: Error {
        package let what: String
    }
    package struct Response: Sendable, Equatable {
        package var status = 0
        package var headers: [String: String] = [:]
        package var body = ""
    }

    private let descriptor: Int32

    package init(port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var timeout = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 else { throw Failure(what: "connect: \(errno)") }
    }

    deinit { close(descriptor) }

    package func send(_ text: String) throws { try send(Array(text.utf8)) }

    package func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure(what: "send: \(errno)") }
            sent += count
        }
    }

    /// Reads until the server closes.
    package func readToEnd() throws -> String {
        var bytes: [UInt8] = []
        while let part = try readSome() { bytes += part }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Reads one response; its body is as long as it says, or absent where `hasBody` is false.
    package func response(hasBody: Bool = true) throws -> Response {
        var bytes: [UInt8] = []
        let end = Array("\r\n\r\n".utf8)
        func headEnd() -> Int? { bytes.indices.first { bytes[$0...].starts(with: end) }.map { $0 + 4 } }
        while headEnd() == nil {
            guard let part = try readSome() else { throw Failure(what: "closed before the response") }
            bytes += part
        }
        let bodyStart = headEnd() ?? 0
        let lines = String(decoding: bytes[..<(bodyStart - 4)], as: UTF8.self).split(separator: "\r\n")
        var response = Response()
        response.status = Int(lines[0].split(separator: " ")[1]) ?? 0
        for line in lines.dropFirst() {
            let pair = line.split(separator: ":", maxSplits: 1)
            response.headers[pair[0].lowercased()] = String(pair[1].drop { $0 == " " })
        }
        let length = hasBody ? Int(response.headers["content-length"] ?? "") ?? 0 : 0
        while bytes.count < bodyStart + length {
            guard let part = try readSome() else { throw Failure(what: "closed inside the body") }
            bytes += part
        }
        response.body = String(decoding: bytes[bodyStart...], as: UTF8.self)
        return response
    }

    private func readSome() throws -> [UInt8]? {
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(descriptor, &chunk, chunk.count, 0)
        guard count >= 0 else { throw Failure(what: "recv: \(errno)") }
        return count == 0 ? nil : Array(chunk[..<count])
    }

    /// Runs a blocking body on a thread of its own; a dispatch queue adds threads one a second.
    package static func run<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result(catching: body)) }
        }
    }

    /// One request on a connection of its own.
    package static func request(
        _ port: UInt16,
        _ method: String,
        _ path: String,
        body: String = "",
        headers: String = ""
    ) async throws -> Response {
        try await run {
            let client = try RawClient(port: port)
            try client.send(
                "\(method) \(path) HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\(headers)"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
            )
            return try client.response(hasBody: method != "HEAD")
        }
    }
}

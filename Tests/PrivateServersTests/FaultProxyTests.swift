import Foundation
import PrivateServers
import Testing
import TestSupport

@Suite(.privateNATS, .timeLimit(.minutes(1)))
struct FaultProxyTests {
    /// A blocking client of the proxy that speaks just enough NATS: the server greets, and answers each PING with PONG.
    private final class Client {
        private let descriptor: Int32
        init(_ port: UInt16) throws {
            descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
            var limit = timeval(tv_sec: 5, tv_usec: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
            let result = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            guard result == 0 else { throw POSIXError(.ECONNREFUSED) }
        }
        deinit { close(descriptor) }

        func ping() { _ = send(descriptor, "PING\r\n", 6, Int32(MSG_NOSIGNAL)) }

        /// Reads until `end`, at most `limit` bytes; what came before if the connection ended.
        func read(until end: String, limit: Int = 1 << 16) -> String {
            var bytes: [UInt8] = []
            var byte: UInt8 = 0
            while bytes.count < limit, recv(descriptor, &byte, 1, 0) == 1 {
                bytes.append(byte)
                if byte == end.utf8.last, String(decoding: bytes, as: UTF8.self).hasSuffix(end) { break }
            }
            return String(decoding: bytes, as: UTF8.self)
        }

        /// True if nothing arrives for `milliseconds`; false if something does, or the connection ends.
        func isSilent(for milliseconds: Int32) -> Bool {
            var descriptors = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            return Glibc.poll(&descriptors, 1, milliseconds) == 0
        }
    }

    @Test func `it forwards both ways, and counts`() throws {
        let proxy = try FaultProxy(to: PrivateNATS.current.port)
        defer { proxy.stop() }
        let client = try Client(proxy.port)
        let greeting = client.read(until: "\r\n")
        #expect(greeting.hasPrefix("INFO {"))
        client.ping()
        #expect(client.read(until: "PONG\r\n").hasSuffix("PONG\r\n"))
        #expect(proxy.connections == 1)
        #expect(proxy.bytesToClients >= greeting.utf8.count + 6)
    }

    @Test func `a cut ends every connection and new ones are taken`() throws {
        let proxy = try FaultProxy(to: PrivateNATS.current.port)
        defer { proxy.stop() }
        let clients = try (0..<3).map { _ in try Client(proxy.port) }
        for client in clients { #expect(client.read(until: "\r\n").hasPrefix("INFO {")) }
        proxy.cut()
        for client in clients { #expect(client.read(until: "never") == "") }
        #expect(try Client(proxy.port).read(until: "\r\n").hasPrefix("INFO {"))
    }

    @Test func `a cut after so many bytes lets exactly those through`() throws {
        let proxy = try FaultProxy(to: PrivateNATS.current.port)
        defer { proxy.stop() }
        proxy.cut(afterBytesToClients: 40)
        #expect(try Client(proxy.port).read(until: "never").utf8.count == 40)
        #expect(try Client(proxy.port).read(until: "\r\n").utf8.count > 40)
    }

    @Test func `a stall holds what is sent and lets it go afterwards`() throws {
        let proxy = try FaultProxy(to: PrivateNATS.current.port)
        defer { proxy.stop() }
        let client = try Client(proxy.port)
        #expect(client.read(until: "\r\n").hasPrefix("INFO {"))
        proxy.stall()
        client.ping()
        #expect(client.isSilent(for: 200))
        proxy.resume()
        #expect(client.read(until: "PONG\r\n").hasSuffix("PONG\r\n"))
    }

    @Test func `a reset ends every connection`() throws {
        let proxy = try FaultProxy(to: PrivateNATS.current.port)
        defer { proxy.stop() }
        let client = try Client(proxy.port)
        #expect(client.read(until: "\r\n").hasPrefix("INFO {"))
        proxy.reset()
        #expect(client.read(until: "never") == "")
        #expect(errno == ECONNRESET)
        #expect(try Client(proxy.port).read(until: "\r\n").hasPrefix("INFO {"))
    }

    @Test func `a stranded connection is dead for ever and not ended, new ones are served`() throws {
        let proxy = try FaultProxy(to: PrivateNATS.current.port)
        defer { proxy.stop() }
        let old = try Client(proxy.port)
        #expect(old.read(until: "\r\n").hasPrefix("INFO {"))
        proxy.strand()
        old.ping()
        #expect(try Client(proxy.port).read(until: "\r\n").hasPrefix("INFO {"))
        #expect(old.isSilent(for: 200))
    }

    @Test func `a throttle lets no more through than it says, until it ends`() throws {
        let proxy = try FaultProxy(to: PrivateNATS.current.port)
        defer { proxy.stop() }
        proxy.throttle(bytesPerSecond: 200, chunk: 20)
        let start = ContinuousClock.now
        let client = try Client(proxy.port)
        #expect(client.read(until: "never", limit: 60).utf8.count == 60)
        // Two pauses of 100 ms lie between three chunks; unpaced they would come within a millisecond.
        #expect(start.duration(to: .now) >= .milliseconds(150))
        proxy.throttle(bytesPerSecond: nil)
        #expect(client.read(until: "\r\n").hasSuffix("\r\n"))
    }

    @Test func `a refusal closes new connections at once until it ends`() throws {
        let proxy = try FaultProxy(to: PrivateNATS.current.port)
        defer { proxy.stop() }
        let old = try Client(proxy.port)
        #expect(old.read(until: "\r\n").hasPrefix("INFO {"))
        proxy.refuse()
        #expect(old.read(until: "never") == "")
        #expect(try Client(proxy.port).read(until: "never") == "")
        proxy.accept()
        #expect(try Client(proxy.port).read(until: "\r\n").hasPrefix("INFO {"))
    }

    @Test func `of a held answer so much comes as may pass, and the connection stops again where it is told`() throws {
        let proxy = try FaultProxy(to: PrivateNATS.current.port)
        defer { proxy.stop() }
        let client = try Client(proxy.port)
        #expect(client.read(until: "\r\n").hasPrefix("INFO {"))
        proxy.hold(.answer(to: "PING", passing: 2))
        client.ping()
        #expect(client.read(until: "PO") == "PO")
        #expect(client.isSilent(for: 200))
        #expect(proxy.isHolding)
        proxy.release(until: .answer(to: "PING"))
        #expect(client.read(until: "NG\r\n") == "NG\r\n")
        client.ping()
        #expect(client.isSilent(for: 200))
        #expect(proxy.isHolding)
        proxy.release()
        #expect(client.read(until: "PONG\r\n") == "PONG\r\n")
    }

    @Test func `a held request waits from its place on, and a cut drops it`() throws {
        let proxy = try FaultProxy(to: PrivateNATS.current.port)
        defer { proxy.stop() }
        let (held, other) = (try Client(proxy.port), try Client(proxy.port))
        for client in [held, other] { #expect(client.read(until: "\r\n").hasPrefix("INFO {")) }
        proxy.hold(.request("NG\r\n"))
        held.ping()
        #expect(held.isSilent(for: 200))
        #expect(proxy.isHolding)
        other.ping()
        #expect(other.read(until: "PONG\r\n").hasSuffix("PONG\r\n"))
        proxy.cut()
        #expect(held.read(until: "never") == "")
    }

    @Test func `what is held goes on when it is released`() throws {
        let proxy = try FaultProxy(to: PrivateNATS.current.port)
        defer { proxy.stop() }
        let client = try Client(proxy.port)
        #expect(client.read(until: "\r\n").hasPrefix("INFO {"))
        for hold in [Hold.request("PING", passing: 2), .answer(to: "PING")] {
            proxy.hold(hold)
            client.ping()
            #expect(client.isSilent(for: 200))
            proxy.release()
            #expect(client.read(until: "PONG\r\n").hasSuffix("PONG\r\n"))
        }
    }
}

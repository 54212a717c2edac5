internal import Glibc

/// TCP ports of 127.0.0.1.
package enum LoopbackPort {
    /// Returns a port that nothing listens on, below the range from which the kernel takes ports for outgoing
    /// connections.
    ///
    /// From inside that range another program's connection could take the port while its server is down, and a client
    /// that reconnects for ever could even connect to itself (TCP simultaneous open).
    /// Throws: `.refused` when 200 random ports are all taken.
    package static func free() throws(ServerError) -> UInt16 {
        for _ in 0..<200 {
            let port = UInt16.random(in: 10_240..<32_000)
            if isFree(port) { return port }
        }
        throw ServerError(.refused, "127.0.0.1", "no free port")
    }

    private static func isFree(_ port: UInt16) -> Bool {
        withSocket { descriptor in
            var on: Int32 = 1
            // As the servers do: a connection in TIME_WAIT does not occupy its port.
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
            // Not listened on: a process that is just being forked would hold that for a moment longer than we do.
            return withAddress(port) { bind(descriptor, $0, $1) == 0 }
        } ?? false
    }

    /// Connects and returns what the server says first, at most 4 KiB; nil if it refuses or says nothing for `seconds`.
    ///
    /// Blocks: call it on a thread of its own.
    static func greeting(_ port: UInt16, seconds: Int) -> String? {
        withSocket { descriptor in
            var limit = timeval(tv_sec: seconds, tv_usec: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
            guard withAddress(port, { connect(descriptor, $0, $1) == 0 }) else { return nil }
            var bytes = [UInt8](repeating: 0, count: 4 << 10)
            let count = recv(descriptor, &bytes, bytes.count, 0)
            return count > 0 ? String(decoding: bytes[0..<count], as: UTF8.self) : nil
        }
    }

    private static func withSocket<R>(_ body: (Int32) -> R?) -> R? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return body(descriptor)
    }

    private static func withAddress<R>(_ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, size) }
        }
    }
}

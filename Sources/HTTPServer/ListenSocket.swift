internal import Glibc
internal import Platform

/// Owns one listening TCP socket.
///
/// Ours, not libmicrohttpd's, because only so the reason of a failure is known.
struct ListenSocket: ~Copyable {
    private let descriptor: Int32

    private init(adopting descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Binds the first address that `address.host` stands for.
    static func open(_ address: ListenAddress) throws(HTTPServerError) -> ListenSocket {
        func failure(_ code: HTTPServerError.Code, _ detail: String) -> HTTPServerError {
            HTTPServerError(code: code, address: address.description, detail: detail)
        }
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        var found: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(address.host, "\(address.port)", &hints, &found)
        guard code == 0, let found else { throw failure(.badAddress, String(cString: gai_strerror(code))) }
        defer { freeaddrinfo(found) }
        let info = found.pointee
        let type = info.ai_socktype | Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = socket(info.ai_family, type, info.ai_protocol)
        guard descriptor >= 0 else { throw failure(.system, SystemError.text(errno)) }
        let socket = ListenSocket(adopting: descriptor)
        // A restart must not wait for the old connections to leave TIME_WAIT.
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        guard bind(descriptor, info.ai_addr, info.ai_addrlen) == 0, listen(descriptor, 128) == 0 else {
            let reason = errno
            let code: HTTPServerError.Code =
                reason == EADDRINUSE ? .addressInUse : reason == EACCES ? .forbidden : .system
            throw failure(code, SystemError.text(reason))
        }
        return socket
    }

    /// Gives the descriptor to an owner that will close it.
    consuming func release() -> Int32 {
        let descriptor = descriptor
        discard self
        return descriptor
    }

    /// The port that the system chose.
    var port: UInt16 {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                guard getsockname(descriptor, address, &length) == 0 else { return 0 }
                // The port stands at the same place in sockaddr_in and sockaddr_in6.
                return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                    UInt16(bigEndian: $0.pointee.sin_port)
                }
            }
        }
    }
}

internal import CMicroHTTPD
internal import Glibc

/// One request on its way in, and its response on its way out.
///
/// Lives from the request line to the last byte of the response, on libmicrohttpd's thread only.
final class Exchange {
    private let method: String
    private let path: String
    private let limit: Int
    private var body: [UInt8] = []
    private var isTooLarge = false
    private(set) var pending: PendingResponse?

    init(method: String, path: String, limit: Int) {
        self.method = method
        self.path = path
        self.limit = limit
    }

    /// Adds a part of the body; what is beyond the limit is read and thrown away, so that the client hears the answer.
    func receive(_ part: UnsafeRawBufferPointer) {
        guard !isTooLarge, body.count + part.count <= limit else {
            isTooLarge = true
            body = []
            return
        }
        body.append(contentsOf: part)
    }

    /// Whether the client asks before it sends a body that is too large.
    func mayBeRefusedUnread(_ connection: OpaquePointer) -> Bool {
        let headers = Self.values(of: connection, kind: .HEADER_KIND)
        let length = headers.first { $0.name.lowercased() == "content-length" }?.value
        let isAsking = headers.contains {
            $0.name.lowercased() == "expect" && $0.value.lowercased() == "100-continue"
        }
        return isAsking && (length.flatMap { Int($0) } ?? 0) > limit
    }

    /// Asks the handler for the reply.
    func reply(_ connection: OpaquePointer, _ handler: HTTPServer.Handler) -> HTTPReply {
        guard !isTooLarge else { return .now(.tooLarge(limit: limit)) }
        let headers = Self.values(of: connection, kind: .HEADER_KIND).map { ($0.name.lowercased(), $0.value) }
        let request = HTTPRequest(
            method: method,
            path: path,
            query: Self.values(of: connection, kind: .GET_ARGUMENT_KIND),
            headers: headers,
            body: body,
            remoteAddress: Self.remoteAddress(of: connection)
        )
        body = []
        let reply = handler(request)
        if case .later(let pending) = reply { self.pending = pending }
        return reply
    }

    private final class Values {
        var items: [(name: String, value: String)] = []
    }

    private static func values(of connection: OpaquePointer, kind: MHD_ValueKind) -> [(name: String, value: String)] {
        let values = Values()
        withExtendedLifetime(values) {
            let context = Unmanaged.passUnretained(values).toOpaque()
            _ = MHD_get_connection_values_n(
                connection,
                kind,
                { context, _, name, nameLength, value, valueLength in
                    guard let context else { return .NO }
                    Unmanaged<Values>.fromOpaque(context).takeUnretainedValue().items
                        .append((text(name, nameLength), text(value, valueLength)))
                    return .YES
                },
                context
            )
        }
        return values.items
    }

    private static func remoteAddress(of connection: OpaquePointer) -> String {
        guard let info = thermocline_http_info(connection, .CONNECTION_INFO_CLIENT_ADDRESS),
            let address = info.pointee.client_addr
        else { return "" }
        let length =
            address.pointee.sa_family == AF_INET6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
        var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let code = getnameinfo(address, socklen_t(length), &host, socklen_t(host.count), nil, 0, NI_NUMERICHOST)
        guard code == 0 else { return "" }
        return String(decoding: host.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

/// Copies what C lends; bytes that are not UTF-8 become replacement characters.
private func text(_ bytes: UnsafePointer<CChar>?, _ count: Int) -> String {
    String(decoding: UnsafeRawBufferPointer(start: bytes, count: bytes == nil ? 0 : count), as: UTF8.self)
}

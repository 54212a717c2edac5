internal import CMicroHTTPD
@preconcurrency internal import Dispatch

/// What libmicrohttpd's callbacks are given: everything that outlives a request.
///
/// The callbacks are functions of this file and not closures: a closure written in a main actor's context would trap on
/// libmicrohttpd's thread.
final class ServerContext: Sendable {
    let handler: HTTPServer.Handler
    let limits: HTTPLimits
    let connections: Connections
    /// Entered by every request, left when its response is sent.
    let inFlight = DispatchGroup()

    init(limits: HTTPLimits, handler: @escaping HTTPServer.Handler) {
        self.handler = handler
        self.limits = limits
        connections = Connections(limits: limits)
    }

    static func borrow(_ pointer: UnsafeMutableRawPointer?) -> ServerContext? {
        pointer.map { Unmanaged<ServerContext>.fromOpaque($0).takeUnretainedValue() }
    }

    /// Takes one step of a request: its start, a part of its body, its end, or its return from being suspended.
    func advance(
        _ connection: OpaquePointer,
        _ exchange: Exchange,
        _ part: UnsafeRawBufferPointer
    ) -> MHD_Result {
        guard part.isEmpty else {
            exchange.receive(part)
            return .YES
        }
        if let pending = exchange.pending { return answer(connection, pending) }
        guard !connections.isStopping else { return send(.stopping, connection) }
        switch exchange.reply(connection, handler) {
        case .now(let response): return send(response, connection)
        case .later(let pending):
            if !connections.waits(ServerContext.id(connection), for: pending) { pending.complete(.stopping) }
            return answer(connection, pending)
        }
    }

    private func answer(_ connection: OpaquePointer, _ pending: PendingResponse) -> MHD_Result {
        guard let response = pending.takeOrSuspend(connection) else { return .YES }
        return send(response, connection)
    }

    /// Queues a response; `.NO` closes the connection.
    func send(_ response: HTTPResponse, _ connection: OpaquePointer) -> MHD_Result {
        connections.sends(ServerContext.id(connection))
        let queued = response.body.withUnsafeBytes { body in
            // Copied at once: with MHD_RESPMEM_MUST_COPY the buffer is only read.
            MHD_create_response_from_buffer(
                body.count,
                UnsafeMutableRawPointer(mutating: body.baseAddress),
                .RESPMEM_MUST_COPY
            )
        }
        guard let queued else { return .NO }
        defer { MHD_destroy_response(queued) }
        for header in response.headers + Self.commonHeaders {
            // A header that libmicrohttpd refuses (a line break in its value) must not be sent; the response may.
            _ = MHD_add_response_header(queued, header.name, header.value)
        }
        if connections.isStopping { _ = MHD_add_response_header(queued, "Connection", "close") }
        return MHD_queue_response(connection, UInt32(response.status), queued)
    }

    private static let commonHeaders: [(name: String, value: String)] = [
        ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"),
    ]

    static func id(_ connection: OpaquePointer) -> Connections.ID { UInt(bitPattern: connection) }
}

/// Called by libmicrohttpd at the start of a request, for every part of its body, at its end, and when it is resumed.
func httpHandle(
    _ context: UnsafeMutableRawPointer?,
    _ connection: OpaquePointer?,
    _ path: UnsafePointer<CChar>?,
    _ method: UnsafePointer<CChar>?,
    _: UnsafePointer<CChar>?,
    _ part: UnsafePointer<CChar>?,
    _ partSize: UnsafeMutablePointer<Int>?,
    _ slot: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
    guard let context = ServerContext.borrow(context), let connection, let path, let method, let partSize, let slot
    else { return .NO }
    guard let known = slot.pointee else {
        let exchange = Exchange(
            method: String(cString: method),
            path: String(cString: path),
            limit: context.limits.bodyBytes
        )
        slot.pointee = Unmanaged.passRetained(exchange).toOpaque()
        context.inFlight.enter()
        guard exchange.mayBeRefusedUnread(connection) else { return .YES }
        return context.send(.tooLarge(limit: context.limits.bodyBytes), connection)
    }
    let exchange = Unmanaged<Exchange>.fromOpaque(known).takeUnretainedValue()
    let bytes = UnsafeRawBufferPointer(start: part, count: partSize.pointee)
    partSize.pointee = 0
    return context.advance(connection, exchange, bytes)
}

/// Called by libmicrohttpd when a request is over, however it ended.
func httpComplete(
    _ context: UnsafeMutableRawPointer?,
    _ connection: OpaquePointer?,
    _ slot: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
    _: MHD_RequestTerminationCode
) {
    guard let context = ServerContext.borrow(context), let connection, let slot, let known = slot.pointee else {
        return
    }
    slot.pointee = nil
    Unmanaged<Exchange>.fromOpaque(known).release()
    context.connections.listens(ServerContext.id(connection))
    context.inFlight.leave()
}

/// Called by libmicrohttpd when a connection opens and before it is closed.
func httpConnect(
    _ context: UnsafeMutableRawPointer?,
    _ connection: OpaquePointer?,
    _: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
    _ event: MHD_ConnectionNotificationCode
) {
    guard let context = ServerContext.borrow(context), let connection else { return }
    let id = ServerContext.id(connection)
    guard event == .CONNECTION_NOTIFY_STARTED else { return context.connections.closed(id) }
    guard let info = thermocline_http_info(connection, .CONNECTION_INFO_CONNECTION_FD) else { return }
    context.connections.opened(id, descriptor: info.pointee.connect_fd)
}

internal import CNATS
internal import Platform

/// Reads the messages of one consumer, on a thread of its own; `fetch` blocks that thread only.
///
/// Its requests are its own and not the library's `natsSubscription_Fetch`: that tells a deleted consumer from a
/// message that is too large only by the text of a status, and may write past its list when messages of an earlier
/// request come late. Here each request has a reply subject of its own, so a late status is known as one.
/// Source: https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-13.md
package actor PullConsumer {
    /// A subscription, as shared with `close`, which ends a fetch from another thread.
    private final class Subscription: @unchecked Sendable {
        // @unchecked: cnats locks natsSubscription itself; "the library is thread-safe" (nats.h, nats_Open).
        let handle: SubscriptionHandle
        init(_ handle: consuming SubscriptionHandle) { self.handle = handle }
        var raw: OpaquePointer { handle.raw }
    }

    /// How a request to the server ended.
    private enum Outcome {
        /// As much as was asked for is here.
        case filled
        /// The server has no more, or its time is up.
        case ended
        /// The next message is larger than what is left of the bytes asked for.
        case tooLarge
        /// Neither messages nor an end came in time.
        case silent
    }

    /// Messages and statuses are looked for in slices, so that a cut connection is noticed before the timeout.
    private static let slice: Int64 = 100
    /// Milliseconds between two messages of a request that has expired: a longer silence is its end.
    private static let pause: Int64 = 20
    /// How long the server may take to send what it holds already.
    private static let serving = Duration.seconds(1)
    /// The server ends a request itself; one that is over and was not ended is asked about.
    private static let patience = Duration.milliseconds(100)
    /// How long the server may take to answer that.
    private static let grace = Duration.seconds(2)

    package nonisolated let stream: String
    package nonisolated let name: String
    private let link: Link
    private let subscription: Subscription
    private let inbox: String
    private let pullSubject: String
    private let reconnectsAtStart: UInt64
    private var requests = 0
    private var lastBytes = 0
    /// Messages that the server held for us after the last one delivered.
    private var pendingOnServer: UInt64 = 0
    private let executor: BlockingExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Binds to a consumer that `createConsumer` made.
    ///
    /// Throws: `.disconnected`, `.closed`.
    package init(_ connection: JetStreamConnection, stream: String, name: String) throws(JetStreamError) {
        self.stream = stream
        self.name = name
        link = connection.link
        reconnectsAtStart = try link.reconnects()
        inbox = try link.inbox()
        pullSubject = "$JS.API.CONSUMER.MSG.NEXT.\(stream).\(name)"
        subscription = Subscription(try link.subscribe("\(inbox).*"))
        executor = BlockingExecutor(label: "pull \(stream)/\(name)")
    }

    /// Returns what is there, at once; if nothing is, waits for the first message, and returns nothing after `timeout`.
    ///
    /// At most `maxMessages` and about `maxBytes`; a message that is larger comes alone. Gathering a batch out of
    /// crumbs is the caller's. `close` ends it early.
    /// Throws: `.disconnected`, `.consumerNotFound`, `.timeout`, `.dropped`, `.protocolViolation` (each: new consumer),
    /// `.closed`.
    package func fetch(maxMessages: Int, maxBytes: Int, timeout: Duration) throws(JetStreamError) -> Delivery {
        // 1 s: a request cannot be taken back from the server, so this bounds a shutdown that does not `close`.
        precondition(maxMessages > 0 && maxBytes > 0 && timeout > .zero && timeout <= .seconds(1))
        try checkUncut()
        var delivery = Delivery()
        delivery.reserve(bytes: min(lastBytes, maxBytes), entries: 64)
        defer { lastBytes = delivery.bytes.count }
        let limit = (messages: maxMessages, bytes: maxBytes)
        // What came late for an earlier request.
        if try pendingInLibrary() > 0,
            try collect(&delivery, limit, expiry: .now, until: .now, request: nil) == .filled
        {
            return delivery
        }
        switch try request(&delivery, limit, timeout) {
        case .filled, .ended: break
        case .tooLarge:
            guard delivery.isEmpty else { break }
            if case .silent = try request(&delivery, (1, .max), timeout) { try checkAnswered(delivery) }
        case .silent: try checkAnswered(delivery)
        }
        return delivery
    }

    /// Acknowledges a delivery without waiting for the server to have read it, also while a fetch is under way.
    ///
    /// Correctness must not rest on it: the position in the database decides what is read again.
    /// Throws: `.disconnected`, `.closed`.
    package nonisolated func acknowledge(_ acknowledgement: Delivery.Acknowledgement) throws(JetStreamError) {
        try link.publish(acknowledgement.subject, Array("+ACK".utf8))
    }

    /// Ends the subscription, and with `.closed` a fetch under way; the consumer itself is deleted through the
    /// connection.
    package nonisolated func close() { natsSubscription_Unsubscribe(subscription.raw) }

    private func request(
        _ delivery: inout Delivery,
        _ limit: (messages: Int, bytes: Int),
        _ timeout: Duration
    ) throws(JetStreamError) -> Outcome {
        requests += 1
        let reply = "\(inbox).\(requests)"
        let bytes = limit.bytes == .max ? "" : ",\"max_bytes\":\(limit.bytes - delivery.wireBytes)"
        // With `no_wait` and `expires` the server waits for the first message and ends when it has sent what is there.
        // A request that expires while it is served ends in silence, so one that will be served gets time for it.
        let expires = pendingOnServer > 0 ? max(timeout, Self.serving) : timeout
        let body = """
            {"batch":\(limit.messages - delivery.count)\(bytes),"no_wait":true,"expires":\(expires.nanoseconds)}
            """
        let expiry = ContinuousClock.now + expires
        try link.publish(pullSubject, reply: reply, Array(body.utf8))
        return try collect(&delivery, limit, expiry: expiry, until: expiry + Self.patience, request: reply)
    }

    /// Moves messages from the library into `delivery` until the limit, the end of the request, or the deadline.
    private func collect(
        _ delivery: inout Delivery,
        _ limit: (messages: Int, bytes: Int),
        expiry: ContinuousClock.Instant,
        until deadline: ContinuousClock.Instant,
        request: String?
    ) throws(JetStreamError) -> Outcome {
        var isServed = false
        while true {
            var raw: OpaquePointer?
            let slice = request == nil ? 1 : isServed && ContinuousClock.now >= expiry ? Self.pause : Self.slice
            let status = natsSubscription_NextMsg(&raw, subscription.raw, slice)
            if status == NATS_TIMEOUT {
                try checkUncut()
                let now = ContinuousClock.now
                if now >= deadline { return .silent }
                // It expired while it was being served: what still comes belongs to the next delivery.
                if isServed && now >= expiry { return .ended }
                continue
            }
            try JetStreamError.check(status, "fetch", "\(stream)/\(name)")
            guard let raw else { throw error(.misuse) }
            let message = MessageHandle(adopting: raw)
            if message.reply.isEmpty {
                guard let outcome = try outcome(of: message, request: request) else { continue }
                return outcome
            }
            guard delivery.append(message) else { throw error(.protocolViolation) }
            isServed = request != nil
            pendingOnServer = delivery.pendingOnServer ?? 0
            if delivery.count >= limit.messages || delivery.wireBytes >= limit.bytes { return .filled }
        }
    }

    /// Reads a status message; nil for one that ends nothing, or ends an earlier request.
    private func outcome(of message: borrowing MessageHandle, request: String?) throws(JetStreamError) -> Outcome? {
        guard let request, message.subject.elementsEqual(request.utf8) else { return nil }
        switch message.header("Status") {
        case "100": return nil
        case "404", "408": return .ended
        // The server says what is left of the request only when a message did not fit.
        case "409" where message.header("Nats-Pending-Bytes") != nil: return .tooLarge
        case "409": throw error(.consumerNotFound)
        case let status: throw error(.protocolViolation, "status \(status ?? "none")")
        }
    }

    /// Throws if the connection is cut, or was since the consumer was bound: messages on their way are lost then.
    private func checkUncut() throws(JetStreamError) {
        if try link.reconnects() != reconnectsAtStart { throw error(.disconnected) }
        // A closed connection or subscription is the library's to report.
        let status = natsConnection_Status(link.raw)
        if status == NATS_CONN_STATUS_RECONNECTING || status == NATS_CONN_STATUS_DISCONNECTED {
            throw error(.disconnected)
        }
    }

    /// Judges a request that brought nothing and that the server did not end.
    ///
    /// It met a consumer that is gone, to whose requests nobody answers, or a server that hangs; or it expired in the
    /// very moment it was to be served, and the next one will be.
    private func checkAnswered(_ delivery: Delivery) throws(JetStreamError) {
        guard delivery.isEmpty else { return }
        var options = jsOptions()
        jsOptions_Init(&options)
        options.Wait = Self.grace.milliseconds
        var info: UnsafeMutablePointer<jsConsumerInfo>?
        var code = jsErrCode(0)
        let status = js_GetConsumerInfo(&info, link.jetStream, stream, name, &options, &code)
        defer { jsConsumerInfo_Destroy(info) }
        if status == NATS_OK, let info {
            pendingOnServer = info.pointee.NumPending
            return
        }
        if code == JSConsumerNotFoundErr || code == JSStreamNotFoundErr { throw error(.consumerNotFound) }
        throw error(.timeout)
    }

    private func pendingInLibrary() throws(JetStreamError) -> Int32 {
        var count: Int32 = 0
        try JetStreamError.check(
            natsSubscription_GetPending(subscription.raw, &count, nil),
            "fetch",
            "\(stream)/\(name)"
        )
        return count
    }

    private func error(_ code: JetStreamError.Code, _ detail: String = "") -> JetStreamError {
        JetStreamError(code, "fetch", "\(stream)/\(name)", detail)
    }
}

internal import CNATS
internal import Platform

/// Reads the messages of one consumer, on a thread of its own; `fetch` blocks that thread only.
///
/// The server is kept busy ahead of us: what was asked for and not fetched yet waits in the library, bounded by the
/// credit that the caller gives. Requests are our own and not the library's `natsSubscription_Fetch`: that tells a
/// deleted consumer from a message that is too large only by the text of a status, asks for nothing while we decode,
/// and may write past its list when messages of an earlier request come late. Here each request has a reply subject of
/// its own, so its end is known as such whenever it comes.
/// Source: https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-13.md
package actor PullConsumer {
    /// What one fetch may bring.
    private struct Limit {
        let messages: Int
        let bytes: Int
        func isReached(by delivery: Delivery) -> Bool {
            delivery.count >= messages || delivery.wireBytes >= bytes
        }
    }

    /// Between two looks whether a request has ended without a word.
    private static let slice = Duration.milliseconds(100)
    /// Left to the server before what it is sending is read: reading each crumb at once would cost a switch for each.
    private static let gulp = Duration.milliseconds(1)
    /// A server that holds more and sends nothing for so long is not waited for.
    private static let pause = Duration.milliseconds(20)
    /// A request lives so long; a consumer that is gone is noticed after it.
    private static let life = Duration.seconds(1)
    /// How long the server may take to say whether a consumer is there.
    private static let grace = Duration.seconds(2)

    package nonisolated let stream: String
    package nonisolated let name: String
    private let link: Link
    private let alarm = Alarm()
    private let inbox: String
    private let pullSubject: String
    private let readsThroughLibrary: Bool
    /// Made by the first fetch; nil again once it is cut or this consumer closed.
    private var wire: Wire?
    private var wasCut = false
    private var window = PullWindow()
    /// What the last fetch brought: the next one will be like it.
    private var last = (bytes: 0, count: 0)
    private let executor: BlockingExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Binds to a consumer that `createConsumer` made; the first fetch connects.
    ///
    /// All goes `throughLibrary` on an encrypted connection in any case. Throws: `.misuse` when out of memory.
    package init(
        _ connection: JetStreamConnection,
        stream: String,
        name: String,
        throughLibrary: Bool = false
    ) throws(JetStreamError) {
        readsThroughLibrary = throughLibrary
        self.stream = stream
        self.name = name
        link = connection.link
        inbox = try link.inbox()
        pullSubject = "$JS.API.CONSUMER.MSG.NEXT.\(stream).\(name)"
        executor = BlockingExecutor(label: "pull \(stream)/\(name)")
    }

    /// Returns what the server holds, at once; if it holds nothing, waits for the first message, and returns nothing
    /// after `timeout`.
    ///
    /// At most `maxMessages` and about `maxBytes`, as the server counts them; with what may still come for the next
    /// fetch no more than `credit`, and a message that is larger than that comes alone. Once the server holds no more,
    /// `linger` is given to what comes next. `close` ends it early.
    /// Throws: `.disconnected`, `.consumerNotFound`, `.timeout`, `.dropped`, `.protocolViolation` (each: new consumer),
    /// `.closed`.
    package func fetch(
        maxMessages: Int,
        maxBytes: Int,
        credit: Int? = nil,
        timeout: Duration,
        linger: Duration = .zero
    ) throws(JetStreamError) -> Delivery {
        precondition(maxMessages > 0 && maxBytes > 0 && timeout > .zero)
        let wire = try connected()
        var delivery = Delivery()
        let limit = Limit(messages: maxMessages, bytes: maxBytes)
        let credit = max(credit ?? maxBytes, 1)
        delivery.reserve(bytes: min(last.bytes, limit.bytes), entries: min(last.count, limit.messages))
        defer { last = (delivery.bytes.count, delivery.count) }
        let deadline = ContinuousClock.now + timeout
        var taken = MessageList()
        try drain(into: &delivery, limit, from: wire, keeping: &taken)
        while delivery.isEmpty && ContinuousClock.now < deadline {
            try ask(credit, on: wire)
            let left = ContinuousClock.now.duration(to: deadline)
            if !wire.read(waiting: min(Self.slice, max(left, .zero))) { try check(wire) }
            try drain(into: &delivery, limit, from: wire, keeping: &taken)
        }
        if !delivery.isEmpty {
            try gather(&delivery, limit, credit, until: .now + linger, from: wire, keeping: &taken)
        }
        delivery.outstanding = window.open
        return delivery
    }

    /// Reads what the server has sent, so that a fetch that comes late finds the connection alive.
    ///
    /// Throws: `.disconnected`, `.closed`.
    package func tend() throws(JetStreamError) {
        let wire = try connected()
        if !wire.hold() { try check(wire) }
    }

    /// Takes all that the server is sending, up to the limit, and once it holds no more waits until `end`.
    private func gather(
        _ delivery: inout Delivery,
        _ limit: Limit,
        _ credit: Int,
        until end: ContinuousClock.Instant,
        from wire: Wire,
        keeping taken: inout MessageList
    ) throws(JetStreamError) {
        while !limit.isReached(by: delivery) {
            // A message larger than the credit comes alone.
            if window.asksAlone { return }
            if credit > delivery.wireBytes { try ask(credit - delivery.wireBytes, on: wire) }
            let isSending = delivery.pendingOnServer != 0 && window.isOpen
            let left = ContinuousClock.now.duration(to: end)
            if isSending { _ = alarm.wait(Self.gulp) } else if left > .zero { _ = alarm.wait(left) }
            guard wire.read(waiting: isSending ? Self.pause : .zero) else { return try check(wire) }
            try drain(into: &delivery, limit, from: wire, keeping: &taken)
        }
    }

    /// Acknowledges a delivery without waiting for the server to have read it, also while a fetch is under way.
    ///
    /// Correctness must not rest on it: the position in the database decides what is read again.
    /// Throws: `.disconnected`, `.closed`.
    package nonisolated func acknowledge(_ acknowledgement: Delivery.Acknowledgement) throws(JetStreamError) {
        try link.publish(acknowledgement.subject, Array("+ACK".utf8))
    }

    /// Ends a fetch under way with `.closed`; the consumer itself is deleted through the connection.
    package nonisolated func close() { alarm.ring() }

    /// The connection of this consumer; made once, since what is on its way when it is cut never comes.
    private func connected() throws(JetStreamError) -> Wire {
        if let wire {
            try check(wire)
            return wire
        }
        guard !wasCut else { throw error(.disconnected) }
        let made = try Wire(
            link.options,
            subject: "\(inbox).*",
            alarm: alarm,
            throughLibrary: readsThroughLibrary
        )
        wire = made
        return made
    }

    /// Throws if the connection is cut: messages on their way are lost then.
    private func check(_ wire: Wire) throws(JetStreamError) {
        guard !alarm.isRung, !link.isClosed else {
            self.wire = nil
            throw error(.closed)
        }
        guard wire.isConnected else {
            self.wire = nil
            wasCut = true
            throw error(.disconnected)
        }
    }

    /// Asks the server for more where what was asked for does not fill the credit.
    private func ask(_ credit: Int, on wire: Wire) throws(JetStreamError) {
        let now = ContinuousClock.now
        if window.expire(at: now) { try checkConsumer() }
        guard let bytes = window.wanted(credit) else { return }
        let number = window.ask(bytes, until: now + Self.life)
        // Without a limit in bytes the next message comes, however large.
        let limit = bytes == 0 ? "\"batch\":1" : "\"batch\":1000000,\"max_bytes\":\(bytes)"
        let body = "{\(limit),\"expires\":\(Self.life.nanoseconds)}"
        try wire.publish(pullSubject, reply: "\(inbox).\(number)", Array(body.utf8))
    }

    /// Takes what has come, up to the limit.
    private func drain(
        into delivery: inout Delivery,
        _ limit: Limit,
        from wire: Wire,
        keeping taken: inout MessageList
    ) throws(JetStreamError) {
        if wire.isEncrypted { return try drainLibrary(into: &delivery, limit, from: wire, keeping: &taken) }
        while !limit.isReached(by: delivery), let frame = try next(from: wire) { try take(frame, into: &delivery) }
    }

    private func next(from wire: Wire) throws(JetStreamError) -> Frame? {
        do throws(FrameBuffer.Malformed) {
            return try wire.next()
        } catch {
            throw self.error(.protocolViolation, "what the server sends is no NATS")
        }
    }

    /// As `drain`, of messages that only the library can read.
    private func drainLibrary(
        into delivery: inout Delivery,
        _ limit: Limit,
        from wire: Wire,
        keeping taken: inout MessageList
    ) throws(JetStreamError) {
        let subscription = wire.subscription.raw
        var (count, bytes): (Int32, Int32) = (0, 0)
        try check(natsSubscription_GetPending(subscription, &count, &bytes), on: wire)
        // Subjects come on top; where that is too little the array grows.
        let (expected, room) = (Int(bytes) + 64 * Int(count), max(limit.bytes - delivery.wireBytes, 0))
        delivery.reserve(bytes: delivery.bytes.count + min(expected, room), entries: delivery.count + Int(count))
        for _ in 0..<count where !limit.isReached(by: delivery) {
            var raw: OpaquePointer?
            try check(natsSubscription_NextMsg(&raw, subscription, 1), on: wire)
            guard let raw else { throw error(.misuse) }
            try take(taken.adopt(raw), into: &delivery)
        }
    }

    private func take(_ message: some IncomingMessage, into delivery: inout Delivery) throws(JetStreamError) {
        guard !message.reply.isEmpty else { return try end(message) }
        let before = delivery.wireBytes
        guard delivery.append(message) else { throw error(.protocolViolation) }
        window.received(delivery.wireBytes - before)
    }

    /// Reads a message that the server sends on its own: the end of a request.
    private func end(_ message: some IncomingMessage) throws(JetStreamError) {
        let subject = String(decoding: message.subject, as: UTF8.self)
        guard let number = subject.split(separator: ".").last.flatMap({ Int($0) }) else { return }
        let left = message.header("Nats-Pending-Bytes").flatMap { Int($0) }
        switch message.header("Status") {
        case "100": return
        case "404", "408": window.ended(number, left: left, tooLarge: false)
        // The server says what is left of the request only when a message did not fit.
        case "409" where left != nil: window.ended(number, left: left, tooLarge: true)
        case "409": throw error(.consumerNotFound)
        case let status: throw error(.protocolViolation, "status \(status ?? "none")")
        }
    }

    /// Judges a request that brought nothing and that the server did not end.
    ///
    /// It met a consumer that is gone, to whose requests nobody answers, or a server that hangs; or it expired in the
    /// very moment it was to be served, and the next one will be.
    private func checkConsumer() throws(JetStreamError) {
        var options = jsOptions()
        jsOptions_Init(&options)
        options.Wait = Self.grace.milliseconds
        var info: UnsafeMutablePointer<jsConsumerInfo>?
        var code = jsErrCode(0)
        let status = js_GetConsumerInfo(&info, link.jetStream, stream, name, &options, &code)
        defer { jsConsumerInfo_Destroy(info) }
        if status == NATS_OK { return }
        if code == JSConsumerNotFoundErr || code == JSStreamNotFoundErr { throw error(.consumerNotFound) }
        throw error(.timeout)
    }

    private func check(_ status: natsStatus, on wire: Wire) throws(JetStreamError) {
        guard status != NATS_OK else { return }
        // Of a connection that is cut the library says that it is closed.
        try check(wire)
        try JetStreamError.check(status, "fetch", "\(stream)/\(name)")
    }

    private func error(_ code: JetStreamError.Code, _ detail: String = "") -> JetStreamError {
        JetStreamError(code, "fetch", "\(stream)/\(name)", detail)
    }
}

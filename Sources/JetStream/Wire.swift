internal import CNATS
internal import Glibc
internal import Synchronization

/// A connection for one consumer alone, read by that consumer's own thread and only when told to.
///
/// The library's reading thread hands over each message under a lock that the taker wants at the same time, and wakes
/// it for each: at full speed that costs more than parsing. So the library is told that an event loop drives it, and
/// the thread that takes the messages is the one that reads them. What was read and not taken waits in the library.
/// It never reconnects: what was on its way is lost then, and the consumer with it. Not for requests: nobody would
/// read the answer.
final class Wire {
    /// What the library tells its event loop, from any of its threads.
    private final class EventLoop: Sendable {
        let socket = Atomic<Int32>(-1)
        let wantsToWrite = Atomic(false)
    }

    /// What one `recv` may bring; small enough to be parsed out of the processor's cache.
    private static let readBytes: Int32 = 128 << 10

    private let loop: EventLoop
    private let connection: ConnectionHandle
    let subscription: SubscriptionHandle
    private let alarm: Alarm

    /// Connects and subscribes; blocks for up to the timeout of the options.
    ///
    /// An `alarm` ends each wait. Throws: as `Link`.
    init(_ options: ConnectionOptions, subject: String, alarm: Alarm) throws(JetStreamError) {
        let loop = EventLoop()
        let handle = try options.handle()
        let pointer = Unmanaged.passUnretained(loop).toOpaque()
        let settings = [
            natsOptions_SetAllowReconnect(handle.raw, false),
            natsOptions_SetIOBufSize(handle.raw, Self.readBytes),
            natsOptions_SetEventLoop(handle.raw, pointer, Self.attach, Self.ignore, Self.write, Self.detach),
        ]
        for status in settings { try JetStreamError.check(status, "connect", options.name) }
        var raw: OpaquePointer?
        try JetStreamError.check(natsConnection_Connect(&raw, handle.raw), "connect", options.name)
        guard let raw else { throw JetStreamError(.unreachable, "connect", options.name) }
        let connection = ConnectionHandle(adopting: raw)
        var rawSubscription: OpaquePointer?
        let status = natsConnection_SubscribeSync(&rawSubscription, connection.raw, subject)
        try JetStreamError.check(status, "subscribe", subject)
        guard let rawSubscription else { throw JetStreamError(.misuse, "subscribe", subject) }
        subscription = SubscriptionHandle(adopting: rawSubscription)
        // What may be outstanding is bounded by what is asked for; a limit in the library would drop.
        let unlimited = natsSubscription_SetPendingLimits(subscription.raw, -1, -1)
        try JetStreamError.check(unlimited, "subscribe", subject)
        self.connection = connection
        self.loop = loop
        self.alarm = alarm
        loop.wantsToWrite.store(true, ordering: .relaxed)
    }

    /// False for good once the connection is cut.
    var isConnected: Bool { natsConnection_Status(connection.raw) == NATS_CONN_STATUS_CONNECTED }

    /// Sends a request, whose answers go to `reply`.
    ///
    /// Throws: `.disconnected`, `.closed`.
    func publish(_ subject: String, reply: String, _ payload: [UInt8]) throws(JetStreamError) {
        let size = Int32(clamping: payload.count)
        let status = natsConnection_PublishRequest(connection.raw, subject, reply, payload, size)
        try JetStreamError.check(status, "publish", subject)
        loop.wantsToWrite.store(true, ordering: .relaxed)
        write()
    }

    /// Reads what has come into the library, having waited for it at most `span`; false where nothing has.
    func read(waiting span: Duration) -> Bool {
        write()
        var has = alarm.wait(span, orFor: loop.socket.load(ordering: .relaxed))
        guard has else { return false }
        while has {
            natsConnection_ProcessReadEvent(connection.raw)
            write()
            has = isConnected && alarm.wait(.zero, orFor: loop.socket.load(ordering: .relaxed))
        }
        return true
    }

    /// Requests, and the pongs and pings of the library.
    private func write() {
        guard loop.wantsToWrite.exchange(false, ordering: .relaxed) else { return }
        natsConnection_ProcessWriteEvent(connection.raw)
    }

    // MARK: Called by the library

    private static let attach: natsEvLoop_Attach = { userData, loop, _, socket in
        guard let userData, let loop else { return NATS_INVALID_ARG }
        // The library's threads may write until it detaches.
        let retained = Unmanaged<EventLoop>.fromOpaque(loop).retain()
        userData.pointee = retained.toOpaque()
        retained.takeUnretainedValue().socket.store(Int32(socket), ordering: .relaxed)
        return NATS_OK
    }
    private static let ignore: natsEvLoop_ReadAddRemove = { _, _ in NATS_OK }
    private static let write: natsEvLoop_WriteAddRemove = { userData, isAdded in
        guard let userData, isAdded else { return NATS_OK }
        let loop = Unmanaged<EventLoop>.fromOpaque(userData).takeUnretainedValue()
        loop.wantsToWrite.store(true, ordering: .relaxed)
        return NATS_OK
    }
    private static let detach: natsEvLoop_Detach = { userData in
        if let userData { Unmanaged<EventLoop>.fromOpaque(userData).release() }
        return NATS_OK
    }
}

/// Ends a wait of another thread, for good.
final class Alarm: Sendable {
    /// A pipe whose writing end is closed to ring: its reading end can be read from then on.
    private let waited: Int32
    private let kept: Atomic<Int32>

    init() {
        var ends: (Int32, Int32) = (-1, -1)
        // Without descriptors it never rings, and the connection that wants one too fails.
        _ = withUnsafeMutableBytes(of: &ends) { pipe($0.bindMemory(to: Int32.self).baseAddress) }
        waited = ends.0
        kept = Atomic(ends.1)
        for end in [ends.0, ends.1] { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    }

    deinit {
        ring()
        Glibc.close(waited)
    }

    var isRung: Bool { kept.load(ordering: .acquiring) < 0 }

    func ring() {
        let end = kept.exchange(-1, ordering: .acquiringAndReleasing)
        if end >= 0 { Glibc.close(end) }
    }

    /// Waits until `socket` can be read or has ended, but at most `span`, and not once it has rung; whether it can.
    func wait(_ span: Duration, orFor socket: Int32 = -1) -> Bool {
        // A negative descriptor is passed over.
        var watched = (
            pollfd(fd: socket, events: Int16(POLLIN), revents: 0), pollfd(fd: waited, events: Int16(POLLIN), revents: 0)
        )
        return withUnsafeMutableBytes(of: &watched) { bytes in
            let polled = bytes.bindMemory(to: pollfd.self)
            let limit = span > .zero ? Int32(clamping: span.milliseconds) : 0
            return poll(polled.baseAddress, 2, limit) > 0 && polled[0].revents != 0
        }
    }
}

internal import CNATS
internal import Glibc
internal import Synchronization

/// A connection for one consumer alone, read by that consumer's own thread and only when told to.
///
/// The library connects, and writes; it is told that an event loop drives it, so that none of its threads reads. What
/// comes is read here and taken apart where it lies: the library makes an object of each message, passes it through
/// three locks and has it freed by a thread of its own, which at full speed costs a third of this process's time. Only
/// what is encrypted goes through the library, which has the key.
/// It never reconnects: what was on its way is lost then, and the consumer with it. Not for requests: nobody would
/// read the answer.
final class Wire {
    /// What the library tells its event loop, from any of its threads.
    private final class EventLoop: Sendable {
        let socket = Atomic<Int32>(-1)
        let wantsToWrite = Atomic(false)
    }

    /// What one read by the library may bring.
    private static let readBytes: Int32 = 128 << 10
    /// The library asks every 5 s; a server that says nothing for so long while it is listened to is gone.
    private static let longestSilence = Duration.seconds(12)
    /// Between two looks further apart than this nobody listened.
    private static let attention = Duration.seconds(2)

    private let loop: EventLoop
    private let connection: ConnectionHandle
    let subscription: SubscriptionHandle
    private let alarm: Alarm
    private var frames = FrameBuffer()
    /// The server sends under TLS; known with the first byte.
    private(set) var isEncrypted: Bool
    private var isPlain = false
    private var hasEnded = false
    private var silentSince = ContinuousClock.now
    private var lastLook = ContinuousClock.now

    /// Connects and subscribes; blocks for up to the timeout of the options.
    ///
    /// An `alarm` ends each wait. Throws: as `Link`.
    init(
        _ options: ConnectionOptions,
        subject: String,
        alarm: Alarm,
        throughLibrary isEncrypted: Bool = false
    ) throws(JetStreamError) {
        let loop = EventLoop()
        let handle = try options.handle()
        let pointer = Unmanaged.passUnretained(loop).toOpaque()
        let settings = [
            natsOptions_SetAllowReconnect(handle.raw, false),
            natsOptions_SetIOBufSize(handle.raw, Self.readBytes),
            // The answers do not come to the library: who reads judges.
            natsOptions_SetMaxPingsOut(handle.raw, .max),
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
        self.isEncrypted = isEncrypted
        loop.wantsToWrite.store(true, ordering: .relaxed)
    }

    /// False for good once the connection is cut.
    var isConnected: Bool {
        !hasEnded && silentSince.duration(to: lastLook) < Self.longestSilence
            && natsConnection_Status(connection.raw) == NATS_CONN_STATUS_CONNECTED
    }

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

    /// Waits for at most `span` until something can be read; false where nothing can.
    func read(waiting span: Duration) -> Bool {
        write()
        let has = !hasEnded && alarm.wait(span, orFor: socket)
        let now = ContinuousClock.now
        if has || lastLook.duration(to: now) > Self.attention { silentSince = now }
        lastLook = now
        guard has else { return false }
        if !isPlain && !isEncrypted { look() }
        if isEncrypted { readThroughLibrary() }
        return true
    }

    /// Takes in all that has come, for later; false where nothing has.
    func hold() -> Bool {
        guard read(waiting: .zero) else { return false }
        while !isEncrypted && receive() {}
        return true
    }

    /// The next message that has come in the clear, valid until the next call; nil where there is none.
    func next() throws(FrameBuffer.Malformed) -> Frame? {
        while true {
            let frame = try frames.next()
            if frames.owesPong {
                _ = send(socket, "PONG\r\n", 6, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
                frames.pongIsSent()
            }
            guard frame == nil, isPlain, receive() else { return frame }
        }
    }

    private var socket: Int32 { loop.socket.load(ordering: .relaxed) }

    /// Reads once; false where there is nothing more.
    private func receive() -> Bool {
        let socket = socket
        let count = frames.fill { recv(socket, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT)) }
        if count == 0 || (count < 0 && ![EAGAIN, EINTR].contains(errno)) { hasEnded = true }
        return count > 0
    }

    /// A record of TLS begins with a number that no letter has.
    private func look() {
        var first: UInt8 = 0
        guard recv(socket, &first, 1, Int32(MSG_DONTWAIT | MSG_PEEK)) == 1 else {
            isPlain = true
            return
        }
        isEncrypted = first < UInt8(ascii: " ")
        isPlain = !isEncrypted
    }

    private func readThroughLibrary() {
        repeat {
            natsConnection_ProcessReadEvent(connection.raw)
            write()
        } while isConnected && alarm.wait(.zero, orFor: socket)
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

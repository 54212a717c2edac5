internal import CNATS
internal import Glibc

/// Where and how to connect to NATS.
package struct ConnectionOptions: Sendable {
    /// One URL, or several of one cluster separated by commas.
    ///
    /// May hold a password: never log it.
    package var url: String
    /// Shown by the server's monitoring.
    package var name: String
    /// Path of a `.creds` file with JWT and seed.
    package var credentialsFile: String?
    /// How long a connection attempt, and a request, may take.
    package var timeout: Duration

    package init(url: String, name: String, credentialsFile: String? = nil, timeout: Duration = .seconds(5)) {
        self.url = url
        self.name = name
        self.credentialsFile = credentialsFile
        self.timeout = timeout
    }
}

/// One connection to NATS, shared by the actors that use it; closed with the last of them.
///
/// The library reconnects for ever on its own and restores the subscriptions. What was on its way is lost then, so
/// users compare `reconnects`.
final class Link: @unchecked Sendable {
    // @unchecked: cnats locks natsConnection and jsCtx itself; "the library is thread-safe" (nats.h, nats_Open).
    private let connection: ConnectionHandle
    private let context: ContextHandle
    /// For messages: the URL may hold a password.
    let name: String

    /// Connects; blocks for up to the timeout of the options.
    ///
    /// Throws: `.unreachable`, `.timeout`, `.unauthorized`, `.misuse` (not a URL).
    init(_ options: ConnectionOptions) throws(JetStreamError) {
        name = options.name
        var rawOptions: OpaquePointer?
        try JetStreamError.check(natsOptions_Create(&rawOptions), "connect", options.name)
        guard let rawOptions else { throw JetStreamError(.misuse, "connect", options.name) }
        let handle = OptionsHandle(adopting: rawOptions)
        let servers = options.url.split(separator: ",").map { String($0.filter { $0 != " " }) }
        let status = CStrings.lend { pool -> natsStatus in
            let settings = [
                natsOptions_SetServers(handle.raw, pool.copy(servers), Int32(servers.count)),
                natsOptions_SetName(handle.raw, options.name),
                natsOptions_SetTimeout(handle.raw, options.timeout.milliseconds),
                natsOptions_SetMaxReconnect(handle.raw, -1),
                natsOptions_SetReconnectWait(handle.raw, 250),
                natsOptions_SetReconnectJitter(handle.raw, 250, 250),
                // A server that hangs, or a cable that is cut, is noticed after two unanswered pings: 10 to 15 s.
                natsOptions_SetPingInterval(handle.raw, 5_000),
                natsOptions_SetMaxPingsOut(handle.raw, 2),
                natsOptions_SetFailRequestsOnDisconnect(handle.raw, true),
                // No buffer for publishes while it reconnects: they fail, instead of being lost later in silence.
                natsOptions_SetReconnectBufSize(handle.raw, 0),
                options.credentialsFile.map { natsOptions_SetUserCredentialsFromFiles(handle.raw, $0, nil) } ?? NATS_OK,
            ]
            return settings.first { $0 != NATS_OK } ?? NATS_OK
        }
        try JetStreamError.check(status, "connect", options.name)
        var rawConnection: OpaquePointer?
        try JetStreamError.check(natsConnection_Connect(&rawConnection, handle.raw), "connect", options.name)
        guard let rawConnection else { throw JetStreamError(.unreachable, "connect", options.name) }
        let connection = ConnectionHandle(adopting: rawConnection)

        var contextOptions = jsOptions()
        jsOptions_Init(&contextOptions)
        contextOptions.Wait = options.timeout.milliseconds
        var rawContext: OpaquePointer?
        let made = natsConnection_JetStream(&rawContext, connection.raw, &contextOptions)
        try JetStreamError.check(made, "connect", options.name)
        guard let rawContext else { throw JetStreamError(.misuse, "connect", options.name) }
        context = ContextHandle(adopting: rawContext)
        self.connection = connection
    }

    /// The connection, valid while this object lives.
    var raw: OpaquePointer { connection.raw }
    /// The JetStream context, valid while this object lives.
    var jetStream: OpaquePointer { context.raw }

    var isConnected: Bool { natsConnection_Status(raw) == NATS_CONN_STATUS_CONNECTED }
    var isClosed: Bool { natsConnection_IsClosed(raw) }

    /// How often the connection was cut and restored.
    ///
    /// Throws: `.misuse` when out of memory.
    func reconnects() throws(JetStreamError) -> UInt64 {
        var rawStatistics: OpaquePointer?
        try JetStreamError.check(natsStatistics_Create(&rawStatistics), "statistics", name)
        guard let rawStatistics else { throw JetStreamError(.misuse, "statistics", name) }
        let statistics = StatisticsHandle(adopting: rawStatistics)
        try JetStreamError.check(natsConnection_GetStats(raw, statistics.raw), "statistics", name)
        var count: UInt64 = 0
        try JetStreamError.check(
            natsStatistics_GetCounts(statistics.raw, nil, nil, nil, nil, &count),
            "statistics",
            name
        )
        return count
    }

    /// Sends `payload` on `subject`; the library buffers it, `flush` waits for the server.
    ///
    /// Throws: `.disconnected`, `.closed`, `.messageTooLarge`.
    func publish(_ subject: String, reply: String? = nil, _ payload: [UInt8]) throws(JetStreamError) {
        let size = Int32(clamping: payload.count)
        let status =
            reply.map { natsConnection_PublishRequest(raw, subject, $0, payload, size) }
            ?? natsConnection_Publish(raw, subject, payload, size)
        try JetStreamError.check(status, "publish", subject)
    }

    /// Waits until the server has read all that was published; blocks.
    ///
    /// Throws: `.timeout`, `.disconnected`, `.closed`.
    func flush(_ limit: Duration) throws(JetStreamError) {
        try JetStreamError.check(natsConnection_FlushTimeout(raw, limit.milliseconds), "flush", name)
    }

    func close() { natsConnection_Close(raw) }

    /// Returns a subject of our own that nobody else listens on.
    func inbox() throws(JetStreamError) -> String {
        var text: UnsafeMutablePointer<CChar>?
        try JetStreamError.check(natsInbox_Create(&text), "inbox", name)
        guard let text else { throw JetStreamError(.misuse, "inbox", name) }
        defer { natsInbox_Destroy(text) }
        return String(cString: text)
    }

    /// Subscribes to a subject without a limit in the library: what may be outstanding is bounded by what is asked for.
    ///
    /// Throws: `.disconnected`, `.closed`.
    func subscribe(_ subject: String) throws(JetStreamError) -> SubscriptionHandle {
        var subscription: OpaquePointer?
        try JetStreamError.check(natsConnection_SubscribeSync(&subscription, raw, subject), "subscribe", subject)
        guard let subscription else { throw JetStreamError(.misuse, "subscribe", subject) }
        let handle = SubscriptionHandle(adopting: subscription)
        try JetStreamError.check(natsSubscription_SetPendingLimits(handle.raw, -1, -1), "subscribe", subject)
        return handle
    }
}

extension Duration {
    /// Whole milliseconds, at least 1: the library takes 0 for an error or for ever.
    var milliseconds: Int64 { max(1, components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000) }
    var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}

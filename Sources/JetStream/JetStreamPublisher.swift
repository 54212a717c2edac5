internal import CNATS
internal import Platform

/// A message to publish.
package struct OutgoingMessage: Sendable {
    package var subject: String
    package var payload: [UInt8]
    /// `Nats-Msg-Id`: a stream takes a second message with the same one for a duplicate, within its window.
    package var identifier: String?
    package var headers: [(name: String, value: String)]

    package init(
        _ subject: String,
        _ payload: [UInt8],
        identifier: String? = nil,
        headers: [(name: String, value: String)] = []
    ) {
        self.subject = subject
        self.payload = payload
        self.identifier = identifier
        self.headers = headers
    }
}

/// Publishes messages, for the simulation and tests; on a thread of its own.
package actor JetStreamPublisher {
    /// How a stream answered a batch.
    package struct Summary: Sendable, Equatable {
        /// Stored as new messages.
        package var stored = 0
        /// Already there under the same identifier.
        package var duplicates = 0

        package init(stored: Int = 0, duplicates: Int = 0) {
            self.stored = stored
            self.duplicates = duplicates
        }
    }

    /// Unanswered messages at most: the server then tells us when it is slower than we are.
    private static let window = 1_000

    private let link: Link
    private let acknowledgements: SubscriptionHandle
    private let inbox: String
    private var batches = 0
    private let executor: BlockingExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Publishes over `connection`.
    ///
    /// Throws: `.disconnected`, `.closed`.
    package init(_ connection: JetStreamConnection) throws(JetStreamError) {
        link = connection.link
        inbox = try link.inbox()
        acknowledgements = try link.subscribe("\(inbox).*")
        executor = BlockingExecutor(label: "publish \(inbox)")
    }

    /// Publishes without asking who listens, and waits until the server has read it all.
    ///
    /// Throws: `.disconnected`, `.messageTooLarge`, `.timeout`; some of the messages may have arrived.
    package func publish(_ messages: [OutgoingMessage], within limit: Duration = .seconds(10)) throws(JetStreamError) {
        for message in messages { try send(message, reply: nil) }
        try link.flush(limit)
    }

    /// Publishes into the streams that capture the subjects and waits until each message is stored.
    ///
    /// Throws: `.jetStreamUnavailable` (no stream captures a subject), `.refused`, `.timeout`, `.disconnected`,
    /// `.messageTooLarge`; some of the messages may be stored.
    package func store(
        _ messages: [OutgoingMessage],
        within limit: Duration = .seconds(10)
    ) throws(JetStreamError) -> Summary {
        batches += 1
        let deadline = ContinuousClock.now + limit
        // One reply subject for each batch, so that a late answer to an earlier one is known.
        let reply = "\(inbox).\(batches)"
        var summary = Summary()
        var answered = 0
        for (index, message) in messages.enumerated() {
            try send(message, reply: reply)
            while index - answered >= Self.window { answered += try take(&summary, reply, deadline) }
        }
        while answered < messages.count { answered += try take(&summary, reply, deadline) }
        return summary
    }

    private func send(_ message: OutgoingMessage, reply: String?) throws(JetStreamError) {
        guard message.identifier != nil || !message.headers.isEmpty else {
            return try link.publish(message.subject, reply: reply, message.payload)
        }
        var raw: OpaquePointer?
        let created = message.payload.withUnsafeBytes { bytes in
            natsMsg_Create(
                &raw,
                message.subject,
                reply,
                bytes.baseAddress?.assumingMemoryBound(to: CChar.self),
                Int32(bytes.count)
            )
        }
        try JetStreamError.check(created, "publish", message.subject)
        guard let raw else { throw JetStreamError(.misuse, "publish", message.subject) }
        let handle = MessageHandle(adopting: raw)
        for (name, value) in message.headers {
            try JetStreamError.check(natsMsgHeader_Add(handle.raw, name, value), "publish", message.subject)
        }
        if let identifier = message.identifier {
            try JetStreamError.check(
                natsMsgHeader_Set(handle.raw, "Nats-Msg-Id", identifier),
                "publish",
                message.subject
            )
        }
        try JetStreamError.check(natsConnection_PublishMsg(link.raw, handle.raw), "publish", message.subject)
    }

    /// Waits for one answer; returns 1, or 0 for a late answer to an earlier batch.
    private func take(
        _ summary: inout Summary,
        _ reply: String,
        _ deadline: ContinuousClock.Instant
    ) throws(JetStreamError) -> Int {
        var raw: OpaquePointer?
        let left = (deadline - .now).milliseconds
        let status = natsSubscription_NextMsg(&raw, acknowledgements.raw, left)
        try JetStreamError.check(status, "publish", link.name)
        guard let raw else { throw JetStreamError(.misuse, "publish", link.name) }
        let message = MessageHandle(adopting: raw)
        guard message.subject.elementsEqual(reply.utf8) else { return 0 }
        switch PublishAnswer(message.payload) {
        case .stored: summary.stored += 1
        case .duplicate: summary.duplicates += 1
        case .refused(let code): throw JetStreamError(.refused, "publish", link.name, api: code)
        case .unreadable: throw JetStreamError(.protocolViolation, "publish", link.name)
        }
        return 1
    }
}

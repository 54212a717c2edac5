package import JetStream
import Platform
package import Records
package import Tiering

extension SourceError {
    /// What a failure of NATS means for a lane.
    package init(_ error: JetStreamError) {
        let code: Code
        switch error.code {
        case .unreachable, .disconnected, .closed, .jetStreamUnavailable: code = .unreachable
        case .timeout: code = .timeout
        case .streamNotFound: code = .streamMissing
        case .consumerNotFound, .dropped, .protocolViolation: code = .consumerLost
        case .messageTooLarge: code = .rejected
        default: code = .failed
        }
        self.init(
            code,
            error.disposition,
            operation: error.operation,
            subject: error.subject,
            detail: error.detail.isEmpty ? error.code.rawValue : "\(error.code.rawValue), \(error.detail)"
        )
    }
}

/// Runs calls to NATS and says what their failure means.
func onNATS<R>(_ body: () async throws(JetStreamError) -> R) async throws(SourceError) -> R {
    do {
        return try await body()
    } catch {
        throw SourceError(error)
    }
}

/// The streams of one NATS account on one connection, made when first needed and kept: the library reconnects for ever.
package actor JetStreamStreams: MessageStreams {
    private let options: ConnectionOptions
    private let acknowledges: Bool
    private nonisolated let connection = Locked<JetStreamConnection?>(nil)

    package init(_ options: ConnectionOptions, acknowledges: Bool) {
        self.options = options
        self.acknowledges = acknowledges
    }

    /// Whether there is a connection, and it is not cut just now.
    package nonisolated var isReachable: Bool { connection.withLock { $0 }?.isConnected ?? false }

    /// The connection, made now if there is none yet.
    package func connected() async throws(SourceError) -> JetStreamConnection {
        if let connection = connection.withLock({ $0 }) {
            if !connection.isClosed { return connection }
            // The library gave it up for good: only a new one will do.
            self.connection.withLock { if $0 === connection { $0 = nil } }
        }
        let made = try await onNATS { () throws(JetStreamError) in try await JetStreamConnection(options) }
        let kept = connection.withLock { connection in
            connection = connection ?? made
            return connection ?? made
        }
        // Another lane may have connected while this one waited.
        if kept !== made { await made.close() }
        return kept
    }

    package func close() async {
        let last = connection.withLock { connection in
            defer { connection = nil }
            return connection
        }
        await last?.close()
    }

    package func state(of stream: String) async throws(SourceError) -> StreamState {
        let connection = try await connected()
        let found = try await onNATS { () throws(JetStreamError) in try await connection.stream(named: stream) }
        guard let found else {
            throw SourceError(
                .streamMissing,
                .retry,
                operation: "look at stream",
                subject: stream,
                detail: "there is no stream of that name; waiting for it to come back"
            )
        }
        return StreamState(found)
    }

    package func time(of sequence: UInt64, in stream: String) async throws(SourceError) -> Timestamp? {
        let connection = try await connected()
        return try await onNATS { () throws(JetStreamError) in
            try await connection.message(in: stream, sequence: sequence).map { Timestamp(micros: $0.timeMicros) }
        }
    }

    package func removed(from stream: String) async throws(SourceError) -> [UInt64] {
        let connection = try await connected()
        return try await onNATS { () throws(JetStreamError) in try await connection.removedSequences(of: stream) }
    }

    package func makeConsumer(
        of source: SourceID,
        named name: String,
        from sequence: UInt64
    ) async throws(SourceError) -> JetStreamConsumer {
        let connection = try await connected()
        let acknowledges = self.acknowledges
        return try await onNATS { () throws(JetStreamError) in
            let configuration = ConsumerConfiguration(
                name: name,
                filterSubject: source.filter == SourceID.everything ? nil : source.filter,
                startSequence: max(sequence, 1),
                ackPolicy: acknowledges ? .all : .none
            )
            try await connection.createConsumer(source.stream, configuration)
            let pull = try PullConsumer(connection, stream: source.stream, name: name)
            return JetStreamConsumer(pull, connection: connection, acknowledges: acknowledges)
        }
    }

    package func deleteConsumer(named name: String, of stream: String) async throws(SourceError) {
        let connection = try await connected()
        try await onNATS { () throws(JetStreamError) in _ = try await connection.deleteConsumer(stream, name) }
    }
}

extension StreamState {
    init(_ status: StreamStatus) {
        self.init(
            created: Timestamp(micros: status.createdMicros),
            firstSequence: status.firstSequence,
            lastSequence: status.lastSequence,
            messages: status.messages,
            bytes: status.bytes,
            firstTime: status.firstMicros.map(Timestamp.init(micros:)),
            lastTime: status.lastMicros.map(Timestamp.init(micros:)),
            maxAgeMicros: status.configuration.maxAge.map(\.micros),
            maxBytes: status.configuration.maxBytes.map(UInt64.init),
            maxMessages: status.configuration.maxMessages.map(UInt64.init),
            maxMessagesPerSubject: status.configuration.maxMessagesPerSubject.map(UInt64.init),
            removed: status.removed
        )
    }
}

/// One disposable pull consumer; acknowledges with the reply subjects of what it fetched.
package actor JetStreamConsumer: MessageConsumer {
    package nonisolated let name: String
    private let pull: PullConsumer
    private let connection: JetStreamConnection
    private let acknowledges: Bool
    private var unacknowledged: [(sequence: UInt64, acknowledgement: Delivery.Acknowledgement)] = []

    init(_ pull: PullConsumer, connection: JetStreamConnection, acknowledges: Bool) {
        name = pull.name
        self.acknowledges = acknowledges
        self.pull = pull
        self.connection = connection
    }

    package func fetch(messages: Int, bytes: Int, wait: Duration) async throws(SourceError) -> MessageBatch {
        let delivery = try await onNATS { () throws(JetStreamError) in
            try await pull.fetch(maxMessages: messages, maxBytes: bytes, timeout: min(wait, .seconds(1)))
        }
        if acknowledges, let last = delivery.entries.last, let acknowledgement = delivery.acknowledgement {
            unacknowledged.append((last.streamSequence, acknowledgement))
        }
        let entries = delivery.entries.map {
            MessageBatch.Entry(
                streamSequence: $0.streamSequence,
                consumerSequence: $0.consumerSequence,
                deliveryCount: $0.deliveryCount,
                time: Timestamp(micros: $0.timeMicros),
                subject: $0.subject,
                headers: $0.headers,
                payload: $0.payload
            )
        }
        return MessageBatch(bytes: delivery.bytes, entries: entries, pending: delivery.pendingOnServer ?? 0)
    }

    package func acknowledge(through sequence: UInt64) async throws(SourceError) {
        guard let last = unacknowledged.last(where: { $0.sequence <= sequence }) else { return }
        unacknowledged.removeAll { $0.sequence <= sequence }
        try await onNATS { () throws(JetStreamError) in try pull.acknowledge(last.acknowledgement) }
    }

    package func progress() async throws(SourceError) -> ConsumerProgress {
        let (stream, name) = (pull.stream, pull.name)
        let found = try await onNATS { () throws(JetStreamError) in try await connection.consumer(stream, name) }
        guard let found else {
            throw SourceError(
                .consumerLost,
                .retry,
                operation: "look at consumer",
                subject: "\(stream)/\(name)",
                detail: "it is gone"
            )
        }
        return ConsumerProgress(deliveredSequence: found.deliveredConsumerSequence, pending: found.pending)
    }

    package func close() async { pull.close() }
}

package import Records

/// Where a lane reads: one filter subject of one stream.
package struct SourceID: Hashable, Sendable, CustomStringConvertible {
    package let stream: String
    package let filter: String

    /// The filter of a stream that carries one type alone and is read whole.
    package static let everything = ">"

    package init(stream: String, filter: String) {
        self.stream = stream
        self.filter = filter
    }

    package var description: String { "\(stream)/\(filter)" }
}

/// What a stream says of itself.
package struct StreamState: Sendable, Equatable {
    package var created: Timestamp
    package var firstSequence: UInt64
    package var lastSequence: UInt64
    package var messages: UInt64
    package var bytes: UInt64
    package var firstTime: Timestamp?
    package var lastTime: Timestamp?
    /// Age after which the stream discards, in microseconds; nil where it keeps for ever.
    package var maxAgeMicros: Int64?
    /// Size after which the stream discards; nil where unbounded.
    package var maxBytes: UInt64?
    /// Number of messages after which the stream discards; nil where unbounded.
    package var maxMessages: UInt64?
    /// It keeps so many messages of each subject, so that any of them may go at any time; nil where unbounded.
    package var maxMessagesPerSubject: UInt64?
    /// Messages between the first and the last sequence that are gone: no limit but that per subject removes them.
    package var removed: UInt64

    package init(
        created: Timestamp,
        firstSequence: UInt64,
        lastSequence: UInt64,
        messages: UInt64 = 0,
        bytes: UInt64 = 0,
        firstTime: Timestamp? = nil,
        lastTime: Timestamp? = nil,
        maxAgeMicros: Int64? = nil,
        maxBytes: UInt64? = nil,
        maxMessages: UInt64? = nil,
        maxMessagesPerSubject: UInt64? = nil,
        removed: UInt64 = 0
    ) {
        self.created = created
        self.firstSequence = firstSequence
        self.lastSequence = lastSequence
        self.messages = messages
        self.bytes = bytes
        self.firstTime = firstTime
        self.lastTime = lastTime
        self.maxAgeMicros = maxAgeMicros
        self.maxBytes = maxBytes
        self.maxMessages = maxMessages
        self.maxMessagesPerSubject = maxMessagesPerSubject
        self.removed = removed
    }
}

/// The streams of one NATS account, as a lane needs them.
package protocol MessageStreams: Sendable {
    associatedtype Consumer: MessageConsumer

    /// Throws: `.streamMissing` (retry) where no such stream exists.
    func state(of stream: String) async throws(SourceError) -> StreamState
    /// The server's time of the message at `sequence`; nil where it was discarded.
    func time(of sequence: UInt64, in stream: String) async throws(SourceError) -> Timestamp?
    /// The sequences between the stream's first and last that are gone, in order.
    func removed(from stream: String) async throws(SourceError) -> [UInt64]
    /// Creates a consumer that delivers everything from `sequence` on, once, in order.
    func makeConsumer(
        of source: SourceID,
        named name: String,
        from sequence: UInt64
    ) async throws(SourceError) -> Consumer
    /// Deletes a consumer of ours; one that is gone already is no error.
    func deleteConsumer(named name: String, of stream: String) async throws(SourceError)
}

/// One disposable consumer: never resumed, so what was delivered and not received is never taken for stored.
package protocol MessageConsumer: Sendable {
    var name: String { get }
    /// Returns what is there, at most `messages` and about `bytes` (one message alone if larger); empty after `wait`.
    func fetch(messages: Int, bytes: Int, wait: Duration) async throws(SourceError) -> MessageBatch
    /// Acknowledges everything fetched up to `sequence`. Carries no correctness: operators see the floor.
    func acknowledge(through sequence: UInt64) async throws(SourceError)
    /// Messages delivered so far and messages still to come, as the server counts them.
    func progress() async throws(SourceError) -> ConsumerProgress
    func close() async
}

package struct ConsumerProgress: Sendable, Equatable {
    package var deliveredSequence: UInt64
    package var pending: UInt64

    package init(deliveredSequence: UInt64, pending: UInt64) {
        self.deliveredSequence = deliveredSequence
        self.pending = pending
    }
}

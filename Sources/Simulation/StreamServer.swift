package import Records
import Tiering

/// A NATS server in memory: streams as arrays of messages, and consumers with what was delivered to each.
package actor StreamServer {
    package struct Message: Sendable {
        package let sequence: UInt64
        package let time: Timestamp
        package let subject: String
        package let payload: [UInt8]
    }

    /// Guards of a lane, taken away at its source: a test shows that the invariants notice.
    package struct Flaws: OptionSet, Sendable {
        package let rawValue: Int
        package init(rawValue: Int) { self.rawValue = rawValue }
        /// Consumer sequences are counted anew at each fetch, as a lane sees them that does not check them.
        package static let hidesLostDeliveries = Flaws(rawValue: 1)
        /// A consumer goes on from the acknowledged floor instead of from the position: a durable.
        package static let resumesConsumers = Flaws(rawValue: 2)
    }

    private struct Consumer {
        let source: SourceID
        /// Stream sequence of the next message to deliver.
        var next: UInt64
        var delivered: UInt64 = 0
    }
    private struct Stream {
        var created: Timestamp
        var first: UInt64 = 1
        var messages: [Message] = []
        var last: UInt64 = 0
        var consumers: [String: Consumer] = [:]

        /// The messages from `sequence` on: they stand without holes from `first` to `last`.
        func messages(from sequence: UInt64) -> ArraySlice<Message> {
            sequence > last ? [] : messages[Int(max(sequence, first) - first)...]
        }
    }

    private let flaws: Flaws
    private let clock: ManualClock
    private var streams: [String: Stream] = [:]
    /// What the server's clock is ahead of the true one, microseconds.
    private var skewMicros: Int64 = 0
    private var published: Int64 = 0
    /// Rises at each restart of the server: connections of the earlier life are broken.
    private(set) var life = 0
    /// Highest sequence delivered per source: what a durable would resume from.
    private var floors: [SourceID: UInt64] = [:]

    package init(clock: ManualClock, flaws: Flaws = []) {
        self.clock = clock
        self.flaws = flaws
    }

    private var now: Timestamp { clock.timestamp.advanced(byMicros: skewMicros) }

    // MARK: What a script does

    package func createStream(_ name: String) { streams[name] = Stream(created: now) }

    /// Deletes a stream with all its consumers and makes it again, empty; `keepingLife` as it was when it was made.
    package func recreateStream(_ name: String, keepingLife: Bool = false) {
        // A microsecond later at least: no two lives of a stream begin at one instant.
        let (before, now) = (streams[name]?.created ?? now, now)
        streams[name] = Stream(created: keepingLife ? before : max(now, before.advanced(byMicros: 1)))
    }

    package func deleteStream(_ name: String) { streams[name] = nil }

    /// Stores a message; no two have the same time.
    package func publish(_ subject: String, _ payload: [UInt8], to name: String) -> Message? {
        guard let last = streams[name]?.last else { return nil }
        published += 1
        let time = Timestamp(micros: now.micros / 1_000 * 1_000 + published % 1_000)
        let message = Message(sequence: last + 1, time: time, subject: subject, payload: payload)
        streams[name]?.messages.append(message)
        streams[name]?.last = message.sequence
        return message
    }

    /// Discards everything below `sequence`, as limits do.
    package func discard(below sequence: UInt64, of name: String) {
        guard var stream = streams[name], sequence > stream.first else { return }
        stream.messages.removeAll { $0.sequence < sequence }
        stream.first = min(sequence, stream.last + 1)
        streams[name] = stream
    }

    /// Restarts the server with a stream as an older backup had it: the messages above `sequence` never were.
    ///
    /// Behind a cluster no connection need break: then its consumers go on with what comes next.
    package func restore(_ name: String, through sequence: UInt64, breaksConnections: Bool = true) {
        guard var stream = streams[name], sequence < stream.last, sequence + 1 >= stream.first else { return }
        stream.messages.removeAll { $0.sequence > sequence }
        stream.last = sequence
        for consumer in stream.consumers.keys {
            let next = stream.consumers[consumer]?.next ?? 0
            stream.consumers[consumer]?.next = min(next, sequence + 1)
        }
        if breaksConnections {
            stream.consumers = [:]
            life += 1
        }
        streams[name] = stream
    }

    /// Breaks every connection, as a restart does that loses nothing.
    package func restart() { life += 1 }

    package func setClock(aheadBy micros: Int64) { skewMicros = micros }

    /// How many consumers a stream has.
    package func consumers(of name: String) -> Int { streams[name]?.consumers.count ?? 0 }

    package func messages(of name: String) -> [Message] { streams[name]?.messages ?? [] }

    // MARK: What a client asks

    func state(of name: String) -> StreamState? {
        guard let stream = streams[name] else { return nil }
        return StreamState(
            created: stream.created,
            firstSequence: stream.first,
            lastSequence: stream.last,
            messages: UInt64(stream.messages.count),
            bytes: UInt64(stream.messages.reduce(0) { $0 + $1.payload.count }),
            firstTime: stream.messages.first?.time,
            lastTime: stream.messages.last?.time,
            // What is gone here went by a limit.
            maxMessagesPerSubject: 1
        )
    }

    func time(of sequence: UInt64, in name: String) -> Timestamp? {
        streams[name]?.messages(from: sequence).first.flatMap { $0.sequence == sequence ? $0.time : nil }
    }

    func makeConsumer(of source: SourceID, named name: String, from sequence: UInt64) -> Bool {
        guard streams[source.stream] != nil else { return false }
        let floor = flaws.contains(.resumesConsumers) ? floors[source] : nil
        streams[source.stream]?.consumers[name] = Consumer(source: source, next: floor.map { $0 + 1 } ?? sequence)
        return true
    }

    func deleteConsumer(named name: String, of stream: String) { streams[stream]?.consumers[name] = nil }

    /// Counts as delivered and returns what is next for a consumer; nil where it is gone.
    func deliver(_ name: String, of streamName: String, atMost count: Int, bytes: Int) -> [MemoryDelivery]? {
        guard let stream = streams[streamName], var consumer = stream.consumers[name] else { return nil }
        var delivered: [MemoryDelivery] = []
        var size = 0
        for message in stream.messages(from: consumer.next) where matches(message, consumer.source) {
            guard delivered.count < count, delivered.isEmpty || size + message.payload.count <= bytes else { break }
            size += message.payload.count
            consumer.delivered += 1
            consumer.next = message.sequence + 1
            delivered.append(MemoryDelivery(message: message, consumerSequence: consumer.delivered))
        }
        if let last = delivered.last { floors[consumer.source] = last.message.sequence }
        streams[streamName]?.consumers[name] = consumer
        return delivered
    }

    var renumbers: Bool { flaws.contains(.hidesLostDeliveries) }

    func progress(_ name: String, of streamName: String) -> ConsumerProgress? {
        guard let stream = streams[streamName], let consumer = stream.consumers[name] else { return nil }
        let pending = stream.messages(from: consumer.next).count { matches($0, consumer.source) }
        return ConsumerProgress(deliveredSequence: consumer.delivered, pending: UInt64(pending))
    }

    private func matches(_ message: Message, _ source: SourceID) -> Bool {
        source.filter == SourceID.everything || message.subject.hasPrefix(source.filter.dropLast())
    }
}

/// One message on its way to a consumer.
struct MemoryDelivery: Sendable {
    let message: StreamServer.Message
    var consumerSequence: UInt64
    var count: UInt64 = 1
}

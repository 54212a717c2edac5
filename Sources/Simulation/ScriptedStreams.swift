import Platform
package import Records
package import Tiering

/// The streams of a server in memory, as one process reaches them through its faults.
package struct ScriptedStreams: MessageStreams {
    private let server: StreamServer
    private let clock: ManualClock
    private let faults: Faults

    package init(_ server: StreamServer, clock: ManualClock, faults: Faults = Faults()) {
        self.server = server
        self.clock = clock
        self.faults = faults
    }

    package func state(of stream: String) async throws(SourceError) -> StreamState {
        let state = try await faults.onNATS("state", stream) { await server.state(of: stream) }
        guard let state else {
            throw SourceError(.streamMissing, .retry, operation: "state", subject: stream, detail: "no such stream")
        }
        return state
    }

    package func time(of sequence: UInt64, in stream: String) async throws(SourceError) -> Timestamp? {
        try await faults.onNATS("time", stream) { await server.time(of: sequence, in: stream) }
    }

    package func removed(from stream: String) async throws(SourceError) -> [UInt64] {
        try await faults.onNATS("removed", stream) { [] }
    }

    package func makeConsumer(
        of source: SourceID,
        named name: String,
        from sequence: UInt64
    ) async throws(SourceError) -> ScriptedConsumer {
        let made = try await faults.onNATS("make consumer", source.stream) {
            await server.makeConsumer(of: source, named: name, from: sequence)
        }
        guard made else {
            throw SourceError(
                .streamMissing,
                .retry,
                operation: "make consumer",
                subject: source.stream,
                detail: "no such stream"
            )
        }
        return ScriptedConsumer(
            server: server,
            clock: clock,
            faults: faults,
            stream: source.stream,
            name: name,
            life: await server.life,
            renumbers: await server.renumbers
        )
    }

    package func deleteConsumer(named name: String, of stream: String) async throws(SourceError) {
        try await faults.onNATS("delete consumer", stream) { await server.deleteConsumer(named: name, of: stream) }
    }
}

/// A disposable consumer: what the server delivered may be lost on the way, cut short, or come twice.
package actor ScriptedConsumer: MessageConsumer {
    private let server: StreamServer
    private let clock: ManualClock
    private let faults: Faults
    private let stream: String
    package let name: String
    private let life: Int
    private let renumbers: Bool
    private var received: UInt64 = 0

    init(
        server: StreamServer,
        clock: ManualClock,
        faults: Faults,
        stream: String,
        name: String,
        life: Int,
        renumbers: Bool
    ) {
        self.server = server
        self.clock = clock
        self.faults = faults
        self.stream = stream
        self.name = name
        self.life = life
        self.renumbers = renumbers
    }

    private func gone(_ operation: String) -> SourceError {
        SourceError(.consumerLost, .retry, operation: operation, subject: stream, detail: "the consumer is gone")
    }

    private func checkConnection(_ operation: String) async throws(SourceError) {
        guard await server.life == life else {
            throw SourceError(
                .unreachable,
                .retry,
                operation: operation,
                subject: stream,
                detail: "the server restarted"
            )
        }
    }

    package func fetch(messages: Int, bytes: Int, wait: Duration) async throws(SourceError) -> MessageBatch {
        try await checkConnection("fetch")
        let found = try await faults.onNATS("fetch", stream) {
            await server.deliver(name, of: stream, atMost: messages, bytes: bytes)
        }
        guard var delivered = found else { throw gone("fetch") }
        guard !delivered.isEmpty else {
            clock.advance(by: wait)
            // The wait takes no real time, and hops between idle actors give no thread back.
            await Task.yield()
            return MessageBatch()
        }
        if faults.draws(0.03) { delivered.remove(at: faults.draw(below: delivered.count)) }
        if faults.draws(0.03) { delivered.removeAll() }
        if faults.draws(0.03), var again = delivered.last {
            again.count = 2
            delivered.append(again)
        }
        if renumbers { renumber(&delivered) }
        let pending = await server.progress(name, of: stream)?.pending ?? 0
        return batch(delivered, pending: pending)
    }

    private func renumber(_ delivered: inout [MemoryDelivery]) {
        delivered.removeAll { $0.count > 1 }
        for index in delivered.indices {
            received += 1
            delivered[index].consumerSequence = received
        }
    }

    private func batch(_ delivered: [MemoryDelivery], pending: UInt64) -> MessageBatch {
        var batch = MessageBatch(pending: pending)
        for delivery in delivered {
            let start = batch.bytes.count
            batch.bytes += Array(delivery.message.subject.utf8)
            let payload = batch.bytes.count
            batch.bytes += delivery.message.payload
            batch.entries.append(
                MessageBatch.Entry(
                    streamSequence: delivery.message.sequence,
                    consumerSequence: delivery.consumerSequence,
                    deliveryCount: delivery.count,
                    time: delivery.message.time,
                    subject: start..<payload,
                    headers: payload..<payload,
                    payload: payload..<batch.bytes.count
                )
            )
        }
        return batch
    }

    package func acknowledge(through sequence: UInt64) async throws(SourceError) {
        try await checkConnection("acknowledge")
        try await faults.onNATS("acknowledge", stream) {}
    }

    package func progress() async throws(SourceError) -> ConsumerProgress {
        try await checkConnection("progress")
        guard let progress = try await faults.onNATS("progress", stream, { await server.progress(name, of: stream) })
        else { throw gone("progress") }
        return progress
    }

    package func close() async {}
}

extension Faults {
    /// Carries out an operation on NATS.
    func onNATS<R: Sendable>(
        _ operation: String,
        _ subject: String,
        _ body: () async -> R
    ) async throws(SourceError) -> R {
        let moment = await meet(operation)
        if moment == .before {
            throw SourceError(.unreachable, .retry, operation: operation, subject: subject, detail: "connection broken")
        }
        let answer = await body()
        if moment == .after {
            throw SourceError(.timeout, .retry, operation: operation, subject: subject, detail: "the answer was lost")
        }
        return answer
    }
}

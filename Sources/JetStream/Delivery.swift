/// What one fetch brought: the messages' bytes end to end in one array, and where each begins.
package struct Delivery: Sendable {
    /// One message; ranges are places in `bytes`.
    package struct Entry: Sendable, Equatable {
        package let streamSequence: UInt64
        /// 1 for the consumer's first message, then without holes; a hole is a message that did not arrive.
        package let consumerSequence: UInt64
        /// 1 unless the server delivered it before.
        package let deliveryCount: UInt64
        /// When the server stored it, in microseconds since the Unix epoch; the same at every delivery.
        package let timeMicros: Int64
        package let subject: Range<Int>
        /// Lines `name: value\r\n`, sorted by name; empty if there are none.
        package let headers: Range<Int>
        package let payload: Range<Int>
    }

    /// The right to acknowledge a delivery and, under `AckPolicy.all`, everything before it.
    package struct Acknowledgement: Sendable {
        let subject: String
    }

    package private(set) var bytes: [UInt8] = []
    package private(set) var entries: [Entry] = []
    /// Messages of the stream that the consumer had yet to deliver after the last one; nil if there is none.
    package private(set) var pendingOnServer: UInt64?
    /// Bytes as the server counts them against the limit of a request.
    package private(set) var wireBytes = 0
    /// Bytes that may still come without another fetch, counted in the same way.
    package internal(set) var outstanding = 0
    /// Reply subject of the last message, and how much of it is the same in all of them.
    private var reply: [UInt8] = []
    private var prefix = 0

    package init() {}

    package var count: Int { entries.count }
    package var isEmpty: Bool { entries.isEmpty }

    /// For the last message; nil if there is none.
    package var acknowledgement: Acknowledgement? {
        isEmpty ? nil : Acknowledgement(subject: String(decoding: reply, as: UTF8.self))
    }

    /// The subject of an entry as text.
    package func subject(_ entry: Entry) -> String { String(decoding: bytes[entry.subject], as: UTF8.self) }

    /// Makes room for a delivery like the last one.
    mutating func reserve(bytes: Int, entries: Int) {
        self.bytes.reserveCapacity(bytes)
        self.entries.reserveCapacity(entries)
    }

    /// Copies a message; false if its reply subject is not one of JetStream's.
    mutating func append(_ message: some IncomingMessage) -> Bool {
        let reply = message.reply
        let place = self.reply.withUnsafeBytes { last in
            AckSubject(reply, like: prefix > 0 ? UnsafeRawBufferPointer(rebasing: last[..<prefix]) : nil)
        }
        guard let place else { return false }
        let start = bytes.count
        bytes.append(contentsOf: message.subject)
        let headersStart = bytes.count
        let headerBytes = message.appendHeaders(to: &bytes)
        let payloadStart = bytes.count
        bytes.append(contentsOf: message.payload)
        entries.append(
            Entry(
                streamSequence: place.streamSequence,
                consumerSequence: place.consumerSequence,
                deliveryCount: place.deliveryCount,
                timeMicros: Int64(clamping: place.timeNanos / 1_000),
                subject: start..<headersStart,
                headers: headersStart..<payloadStart,
                payload: payloadStart..<bytes.count
            )
        )
        // "NATS/1.0\r\n", the lines, "\r\n", as every client writes them.
        wireBytes += bytes.count - start + reply.count + (headerBytes > 0 ? 12 : 0)
        pendingOnServer = place.pending
        prefix = place.numbersStart
        self.reply.removeAll(keepingCapacity: true)
        self.reply.append(contentsOf: reply)
        return true
    }
}

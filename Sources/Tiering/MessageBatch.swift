package import Records

/// Messages as a consumer delivered them: all bytes in one buffer, one entry a message, in delivery order.
package struct MessageBatch: Sendable {
    package struct Entry: Sendable, Equatable {
        package var streamSequence: UInt64
        package var consumerSequence: UInt64
        /// 1 at the first delivery.
        package var deliveryCount: UInt64
        /// The server's time of the message; the same at every delivery.
        package var time: Timestamp
        package var subject: Range<Int>
        package var headers: Range<Int>
        package var payload: Range<Int>

        package init(
            streamSequence: UInt64,
            consumerSequence: UInt64,
            deliveryCount: UInt64,
            time: Timestamp,
            subject: Range<Int>,
            headers: Range<Int>,
            payload: Range<Int>
        ) {
            self.streamSequence = streamSequence
            self.consumerSequence = consumerSequence
            self.deliveryCount = deliveryCount
            self.time = time
            self.subject = subject
            self.headers = headers
            self.payload = payload
        }
    }

    package var bytes: [UInt8]
    package var entries: [Entry]
    /// Messages that the server still holds for this consumer after the last of these.
    package var pending: UInt64
    /// What it came to as the server counts it, reply subjects included.
    package var wireBytes: Int
    /// What may still come without another fetch, counted in the same way.
    package var outstanding: Int

    package init(
        bytes: [UInt8] = [],
        entries: [Entry] = [],
        pending: UInt64 = 0,
        wireBytes: Int = 0,
        outstanding: Int = 0
    ) {
        self.bytes = bytes
        self.entries = entries
        self.pending = pending
        self.wireBytes = wireBytes
        self.outstanding = outstanding
    }

    /// What it holds in memory.
    package var memoryBytes: Int { bytes.capacity + entries.capacity * MemoryLayout<Entry>.stride }
}

/// What one fetch may bring, and how long it may take.
package struct FetchLimits: Sendable, Equatable {
    package var messages: Int
    /// About so many bytes; one message alone may be larger.
    package var bytes: Int
    /// What may come by this fetch and be on its way after it: the server works ahead that far.
    package var credit: Int
    /// How long the first message is waited for.
    package var wait: Duration
    /// How long more is waited for once the server holds no more.
    package var linger: Duration

    package init(messages: Int, bytes: Int, credit: Int, wait: Duration, linger: Duration = .zero) {
        self.messages = messages
        self.bytes = bytes
        self.credit = credit
        self.wait = wait
        self.linger = linger
    }
}

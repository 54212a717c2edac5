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

    package init(bytes: [UInt8] = [], entries: [Entry] = [], pending: UInt64 = 0) {
        self.bytes = bytes
        self.entries = entries
        self.pending = pending
    }
}

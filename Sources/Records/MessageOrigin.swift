/// What is known of a message beside its bytes.
package struct MessageOrigin: Hashable, Sendable {
    /// Stream sequence.
    package let sequence: UInt64
    /// Stream time: the server's timestamp, the same at every delivery, so that a verdict never depends on a local
    /// clock.
    package let time: Timestamp
    /// When it reached this process; stored as `ingested_at`.
    package let receivedAt: Timestamp

    package init(sequence: UInt64, time: Timestamp, receivedAt: Timestamp) {
        self.sequence = sequence
        self.time = time
        self.receivedAt = receivedAt
    }
}

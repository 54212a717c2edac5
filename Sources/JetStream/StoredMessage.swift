internal import CNATS

/// A message read from a stream by its sequence.
package struct StoredMessage: Sendable, Equatable {
    package let sequence: UInt64
    /// When the server stored it, in microseconds since the Unix epoch.
    package let timeMicros: Int64
    package let subject: String
    /// Lines `name: value\r\n`, sorted by name; empty if there are none.
    package let headers: [UInt8]
    package let payload: [UInt8]

    init(_ message: consuming MessageHandle) {
        sequence = natsMsg_GetSequence(message.raw)
        timeMicros = natsMsg_GetTime(message.raw) / 1_000
        subject = String(decoding: message.subject, as: UTF8.self)
        payload = Array(message.payload)
        var headers: [UInt8] = []
        _ = message.appendHeaders(to: &headers)
        self.headers = headers
    }
}

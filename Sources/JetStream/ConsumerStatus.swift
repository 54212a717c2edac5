internal import CNATS

/// A pull consumer of ours: made under a new name at a stream sequence, used once, deleted.
package struct ConsumerConfiguration: Sendable, Equatable {
    package enum AckPolicy: Sendable, Equatable {
        /// Acknowledging a message acknowledges all before it.
        case all
        case none
    }

    /// New and random for each consumer: a late acknowledgement must not meet a successor of the same name.
    package var name: String
    /// Nil reads the whole stream.
    package var filterSubject: String?
    /// The first stream sequence to deliver.
    package var startSequence: UInt64
    package var ackPolicy: AckPolicy
    /// The server deletes the consumer when nobody has pulled for so long.
    package var inactiveThreshold: Duration
    /// Messages delivered and not acknowledged at which the server stops; with `.all` more than ever may be in flight.
    package var maxAckPending: Int
    /// After so long without acknowledgement the server delivers again; with `.all` longer than a commit may take.
    package var ackWait: Duration

    package init(
        name: String,
        filterSubject: String? = nil,
        startSequence: UInt64,
        ackPolicy: AckPolicy = .all,
        inactiveThreshold: Duration = .seconds(3_600),
        maxAckPending: Int = 200_000,
        ackWait: Duration = .seconds(300)
    ) {
        self.name = name
        self.filterSubject = filterSubject
        self.startSequence = startSequence
        self.ackPolicy = ackPolicy
        self.inactiveThreshold = inactiveThreshold
        self.maxAckPending = maxAckPending
        self.ackWait = ackWait
    }

    /// Lends the library's form of it for the time of `body`.
    func withRaw<Value>(
        _ body: (inout jsConsumerConfig) throws(JetStreamError) -> Value
    ) throws(JetStreamError) -> Value {
        try CStrings.lend { (pool) throws(JetStreamError) in
            var raw = jsConsumerConfig()
            jsConsumerConfig_Init(&raw)
            raw.Name = pool.copy(name)
            raw.FilterSubject = pool.copy(filterSubject)
            raw.DeliverPolicy = js_DeliverByStartSequence
            raw.OptStartSeq = startSequence
            raw.AckPolicy = ackPolicy == .all ? js_AckAll : js_AckNone
            raw.InactiveThreshold = inactiveThreshold.nanoseconds
            if ackPolicy == .all {
                raw.MaxAckPending = Int64(maxAckPending)
                raw.AckWait = ackWait.nanoseconds
            }
            return try body(&raw)
        }
    }

    /// Returns the names of the settings that the server did not take as asked.
    func differences(from raw: jsConsumerConfig) -> [String] {
        func text(_ pointer: UnsafePointer<CChar>?) -> String? { pointer.map { String(cString: $0) } }
        var checks = [
            ("name", text(raw.Name) == name),
            ("filter_subject", text(raw.FilterSubject) ?? "" == filterSubject ?? ""),
            ("durable_name", text(raw.Durable) ?? "" == ""),
            ("deliver_policy", raw.DeliverPolicy == js_DeliverByStartSequence),
            ("opt_start_seq", raw.OptStartSeq == startSequence),
            ("ack_policy", raw.AckPolicy == (ackPolicy == .all ? js_AckAll : js_AckNone)),
            ("inactive_threshold", raw.InactiveThreshold == inactiveThreshold.nanoseconds),
        ]
        if ackPolicy == .all {
            checks.append(("max_ack_pending", raw.MaxAckPending == Int64(maxAckPending)))
            checks.append(("ack_wait", raw.AckWait == ackWait.nanoseconds))
        }
        return checks.filter { !$0.1 }.map(\.0)
    }
}

/// A consumer as the server describes it at one moment.
package struct ConsumerStatus: Sendable, Equatable {
    package let stream: String
    package let name: String
    /// Messages of the stream that it has yet to deliver.
    package let pending: UInt64
    /// Last delivered: consumer sequence and stream sequence.
    package let deliveredConsumerSequence: UInt64
    package let deliveredStreamSequence: UInt64
    /// All up to here is acknowledged.
    package let ackFloorConsumerSequence: UInt64
    package let ackFloorStreamSequence: UInt64
    /// Delivered and not acknowledged.
    package let ackPending: Int
    /// Pull requests that wait for messages.
    package let waitingRequests: Int

    init(_ raw: jsConsumerInfo) {
        stream = raw.Stream.map { String(cString: $0) } ?? ""
        name = raw.Name.map { String(cString: $0) } ?? ""
        pending = raw.NumPending
        deliveredConsumerSequence = raw.Delivered.Consumer
        deliveredStreamSequence = raw.Delivered.Stream
        ackFloorConsumerSequence = raw.AckFloor.Consumer
        ackFloorStreamSequence = raw.AckFloor.Stream
        ackPending = Int(raw.NumAckPending)
        waitingRequests = Int(raw.NumWaiting)
    }
}

internal import CNATS

/// The configuration of a stream, as far as we set or judge it.
package struct StreamConfiguration: Sendable, Equatable {
    package enum Retention: Sendable, Equatable {
        /// Messages stay until a limit is reached, whoever reads them.
        case limits
        /// Messages go when every consumer has acknowledged them.
        case interest
        /// Reading takes the messages away from their owner.
        case workQueue
    }
    package enum Discard: Sendable, Equatable {
        case old
        case new
    }
    package enum Storage: Sendable, Equatable {
        case file
        case memory
    }

    package var name: String
    package var subjects: [String]
    package var retention: Retention
    package var discard: Discard
    package var storage: Storage
    /// Oldest message kept; nil for no bound.
    package var maxAge: Duration?
    /// Bytes kept; nil for no bound.
    package var maxBytes: Int64?
    /// Messages kept; nil for no bound.
    package var maxMessages: Int64?
    /// Messages kept of each subject; nil for no bound.
    package var maxMessagesPerSubject: Int64?
    /// Consumers allowed; nil for no bound.
    package var maxConsumers: Int64?
    /// How long the server remembers `Nats-Msg-Id`; nil for its default of two minutes.
    package var duplicateWindow: Duration?

    package init(
        name: String,
        subjects: [String],
        retention: Retention = .limits,
        discard: Discard = .old,
        storage: Storage = .file,
        maxAge: Duration? = nil,
        maxBytes: Int64? = nil,
        maxMessages: Int64? = nil,
        maxMessagesPerSubject: Int64? = nil,
        maxConsumers: Int64? = nil,
        duplicateWindow: Duration? = nil
    ) {
        self.name = name
        self.subjects = subjects
        self.retention = retention
        self.discard = discard
        self.storage = storage
        self.maxAge = maxAge
        self.maxBytes = maxBytes
        self.maxMessages = maxMessages
        self.maxMessagesPerSubject = maxMessagesPerSubject
        self.maxConsumers = maxConsumers
        self.duplicateWindow = duplicateWindow
    }

    init(_ raw: jsStreamConfig) {
        name = raw.Name.map { String(cString: $0) } ?? ""
        subjects = (0..<Int(raw.SubjectsLen)).compactMap { raw.Subjects[$0].map { String(cString: $0) } }
        retention =
            raw.Retention == js_LimitsPolicy ? .limits : raw.Retention == js_InterestPolicy ? .interest : .workQueue
        discard = raw.Discard == js_DiscardOld ? .old : .new
        storage = raw.Storage == js_FileStorage ? .file : .memory
        // The server writes -1 or 0 where there is no bound.
        maxAge = raw.MaxAge > 0 ? .nanoseconds(raw.MaxAge) : nil
        maxBytes = raw.MaxBytes > 0 ? raw.MaxBytes : nil
        maxMessages = raw.MaxMsgs > 0 ? raw.MaxMsgs : nil
        maxMessagesPerSubject = raw.MaxMsgsPerSubject > 0 ? raw.MaxMsgsPerSubject : nil
        maxConsumers = raw.MaxConsumers > 0 ? raw.MaxConsumers : nil
        duplicateWindow = raw.Duplicates > 0 ? .nanoseconds(raw.Duplicates) : nil
    }

    /// Lends the library's form of it for the time of `body`.
    func withRaw<Value>(
        _ body: (inout jsStreamConfig) throws(JetStreamError) -> Value
    ) throws(JetStreamError) -> Value {
        try CStrings.lend { (pool) throws(JetStreamError) in
            var raw = jsStreamConfig()
            jsStreamConfig_Init(&raw)
            raw.Name = pool.copy(name)
            raw.Subjects = pool.copy(subjects)
            raw.SubjectsLen = Int32(subjects.count)
            switch retention {
            case .limits: raw.Retention = js_LimitsPolicy
            case .interest: raw.Retention = js_InterestPolicy
            case .workQueue: raw.Retention = js_WorkQueuePolicy
            }
            raw.Discard = discard == .old ? js_DiscardOld : js_DiscardNew
            raw.Storage = storage == .file ? js_FileStorage : js_MemoryStorage
            raw.MaxAge = maxAge?.nanoseconds ?? 0
            raw.MaxBytes = maxBytes ?? -1
            raw.MaxMsgs = maxMessages ?? -1
            raw.MaxMsgsPerSubject = maxMessagesPerSubject ?? -1
            raw.MaxConsumers = maxConsumers ?? -1
            raw.Duplicates = duplicateWindow?.nanoseconds ?? 0
            return try body(&raw)
        }
    }
}

/// A stream as the server describes it at one moment.
///
/// Times are microseconds since the Unix epoch by the server's clock.
package struct StreamStatus: Sendable, Equatable {
    package let configuration: StreamConfiguration
    /// Another one for the same name means another stream.
    package let createdMicros: Int64
    package let messages: UInt64
    package let bytes: UInt64
    /// 1 in a new stream, and `lastSequence + 1` in an emptied one.
    package let firstSequence: UInt64
    /// 0 in a new stream.
    package let lastSequence: UInt64
    /// Nil in an empty stream.
    package let firstMicros: Int64?
    /// Nil in a stream that never had a message.
    package let lastMicros: Int64?
    package let consumers: Int
    /// Messages between the first and the last sequence that are gone.
    package let removed: UInt64

    package var name: String { configuration.name }
    package var subjects: [String] { configuration.subjects }

    init(_ raw: jsStreamInfo) {
        configuration =
            raw.Config.map { StreamConfiguration($0.pointee) } ?? StreamConfiguration(name: "", subjects: [])
        createdMicros = raw.Created / 1_000
        let state = raw.State
        messages = state.Msgs
        bytes = state.Bytes
        firstSequence = state.FirstSeq
        lastSequence = state.LastSeq
        // Go's zero time, year 1, comes out negative.
        firstMicros = state.Msgs > 0 ? state.FirstTime / 1_000 : nil
        lastMicros = state.LastSeq > 0 && state.LastTime > 0 ? state.LastTime / 1_000 : nil
        consumers = Int(state.Consumers)
        removed = state.NumDeleted
    }
}

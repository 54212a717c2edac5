package import Records

/// How far a source is stored, as the hot database has it: the truth that every consumer is made from.
package struct Position: Sendable, Equatable {
    /// Creation time of the stream this position counts in; nil for a source that is new, or was deleted.
    package var streamCreated: Timestamp?
    /// Rises at another creation time and at each regression.
    package var epoch: Int64
    /// Everything up to here is stored, quarantined, or recorded as a gap.
    package var sequence: UInt64
    /// The server's time of the message at `sequence`; nil where none was read yet.
    package var messageTime: Timestamp?
    /// The consumer that was recorded before it was created; deleted by whoever comes next.
    package var consumer: String?

    package init(
        streamCreated: Timestamp? = nil,
        epoch: Int64 = 0,
        sequence: UInt64 = 0,
        messageTime: Timestamp? = nil,
        consumer: String? = nil
    ) {
        self.streamCreated = streamCreated
        self.epoch = epoch
        self.sequence = sequence
        self.messageTime = messageTime
        self.consumer = consumer
    }
}

/// A hole in what a source delivered, with its cause.
package struct Gap: Sendable, Equatable {
    package enum Cause: String, Sendable {
        /// The stream discarded messages before they were read: its limits did, or nobody can tell what else.
        case discarded
        /// Somebody removed messages before they were read; no limit of the stream was reached.
        case purged
        /// The stream went back below what was read: power cut, restored backup.
        case regression
        /// The stream was deleted, and nobody has made it again yet.
        case deleted
        /// The stream was deleted and made again before anybody looked.
        case recreated
        /// No stream captured the type for a while: what was published then never got a sequence.
        case uncaptured
    }
    package var cause: Cause
    package var epoch: Int64
    /// First and last missing stream sequence; nil where they cannot be known.
    package var firstSequence: UInt64?
    package var lastSequence: UInt64?
    /// The stream carries other types too: some of these sequences may not have been ours.
    package var isSuspected: Bool

    package init(cause: Cause, epoch: Int64, firstSequence: UInt64?, lastSequence: UInt64?, isSuspected: Bool) {
        self.cause = cause
        self.epoch = epoch
        self.firstSequence = firstSequence
        self.lastSequence = lastSequence
        self.isSuspected = isSuspected
    }

    /// What is missing, for a person.
    package var summary: String {
        let first = firstSequence.map { "\($0)" } ?? "unknown"
        let last = lastSequence.map { "\($0)" } ?? "unknown"
        let start = firstSequence.map { "sequence \($0)" } ?? "an unknown sequence"
        return switch cause {
        case .uncaptured: "no stream captured the type for a while: what was published then was kept nowhere"
        case .deleted, .recreated:
            "the stream was deleted: of epoch \(epoch), what it held from \(start) on was not read"
        case .regression:
            "the stream went back: of epoch \(epoch), what it held from \(start) on is another now, and what "
                + "was not read of it is lost"
        case .discarded, .purged:
            "sequences \(first) to \(last) of epoch \(epoch)\(isSuspected ? ", perhaps not all of them ours" : "")"
        }
    }
}

/// A message kept aside whole, with the reason.
package struct QuarantinedMessage: Sendable, Equatable {
    package var sequence: UInt64
    package var time: Timestamp
    package var subject: [UInt8]
    package var headers: [UInt8]
    package var payload: [UInt8]
    package var reason: String
    package var detail: String
    package var sqlState: String?

    package init(
        _ entry: MessageBatch.Entry,
        of bytes: [UInt8],
        reason: String,
        detail: String,
        sqlState: String? = nil
    ) {
        sequence = entry.streamSequence
        time = entry.time
        subject = Array(bytes[entry.subject])
        headers = Array(bytes[entry.headers])
        payload = Array(bytes[entry.payload])
        self.reason = reason
        self.detail = detail
        self.sqlState = sqlState
    }
}

/// What a commit did.
package enum CommitOutcome: Sendable, Equatable {
    /// Every message is a row that was stored, repeats one in key and content, or was kept aside: the three add up.
    ///
    /// Of those kept aside `conflicts` had the key of a stored row and other content.
    case committed(stored: Int, repeated: Int, quarantined: Int, conflicts: Int = 0)
    /// The position is not where this lane read it, though the lane is still ours: an earlier COMMIT won.
    case positionMoved
    /// The lane belongs to another instance now.
    case lost(owner: String)

    /// What two commits did, one after the other: their sum, or how the second ended.
    package static func + (first: CommitOutcome, second: CommitOutcome) -> CommitOutcome {
        guard case .committed(let stored, let repeated, let quarantined, let conflicts) = first,
            case .committed(let thenStored, let thenRepeated, let thenQuarantined, let thenConflicts) = second
        else { return second }
        return .committed(
            stored: stored + thenStored,
            repeated: repeated + thenRepeated,
            quarantined: quarantined + thenQuarantined,
            conflicts: conflicts + thenConflicts
        )
    }
}

/// What became of an attempt to take a lane.
package enum ClaimOutcome<Session: LaneSession>: Sendable {
    case claimed(Session, Position)
    /// A live owner holds it; `owner` says who and where.
    case held(owner: String)
}

/// The hot tier as ingest sees it.
package protocol HotTier: Sendable {
    associatedtype Session: LaneSession

    /// Takes the lane in a new database session, over a dead owner and over our own earlier session.
    ///
    /// Throws: `.unreachable`, `.timeout` (retry), `.schema` (halt).
    func claim(
        _ source: SourceID,
        type: RecordType,
        previous: String?
    ) async throws(StoreError) -> ClaimOutcome<Session>
}

/// One claimed lane in one database session; after any error it is closed and the lane claimed again.
package protocol LaneSession: Sendable {
    /// The random token that this claim wrote.
    var owner: String { get }
    /// Writes the name of a consumer before it is created. False where the lane is no longer ours.
    func recordConsumer(_ name: String) async throws(StoreError) -> Bool
    /// Starts an epoch at `sequence` of a stream created at `created`; nil ends the last one: the stream is gone.
    ///
    /// False where the lane is no longer ours.
    func startEpoch(
        _ epoch: Int64,
        created: Timestamp?,
        at sequence: UInt64,
        gap: Gap?
    ) async throws(StoreError) -> Bool
    /// Stores a batch in one transaction that begins with the fence.
    ///
    /// Throws: `.unreachable`, `.timeout`, `.unknownOutcome` (retry: claim again, the position tells), `.rejected`.
    func commit(_ batch: LaneBatch) async throws(StoreError) -> CommitOutcome
    /// Says that the owner lives. False where the lane is no longer ours.
    func heartbeat() async throws(StoreError) -> Bool
    func close() async
}

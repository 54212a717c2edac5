package import Records

/// Which delivered messages a lane takes: the rule that makes "read once, in order, nothing skipped" checkable.
///
/// A consumer is read from its first message to its end. A redelivery, a hole in the consumer's own sequence or a
/// stream sequence that does not rise means that something was delivered and not received: the lane then throws away
/// what it has and starts a new consumer from the position in the database.
package struct LaneCursor: Sendable, Equatable {
    package private(set) var epoch: Int64
    /// Stream sequence of the last message taken.
    package private(set) var sequence: UInt64
    /// The server's time of that message.
    package private(set) var messageTime: Timestamp?
    /// Consumer sequence of the last message taken; 0 before the first.
    package private(set) var consumerSequence: UInt64 = 0
    /// Other types share the stream, so holes in its sequence are not holes of ours.
    package let isShared: Bool
    private var clockIsChecked = false

    package init(epoch: Int64, sequence: UInt64, messageTime: Timestamp?, isShared: Bool) {
        self.epoch = epoch
        self.sequence = sequence
        self.messageTime = messageTime
        self.isShared = isShared
    }

    package enum Verdict: Sendable, Equatable {
        /// Take it; on a stream of one type a hole before it is a gap.
        case take(Gap?)
        /// Its time lies before the last one's: compare the position's own message before taking it (once a consumer).
        case checkClock
        /// Not the next message: new consumer at the position in the database.
        case restart(String)
    }

    package mutating func accept(_ entry: MessageBatch.Entry) -> Verdict {
        guard entry.deliveryCount == 1 else { return .restart("delivery \(entry.deliveryCount) of a message") }
        guard entry.consumerSequence == consumerSequence + 1 else {
            return .restart("consumer sequence \(entry.consumerSequence) after \(consumerSequence)")
        }
        guard entry.streamSequence > sequence else {
            return .restart("stream sequence \(entry.streamSequence) at position \(sequence)")
        }
        if !clockIsChecked, let messageTime, entry.time < messageTime {
            clockIsChecked = true
            return .checkClock
        }
        var gap: Gap?
        if !isShared && entry.streamSequence > sequence + 1 {
            gap = Gap(
                cause: .discarded,
                epoch: epoch,
                firstSequence: sequence + 1,
                lastSequence: entry.streamSequence - 1,
                isSuspected: false
            )
        }
        sequence = entry.streamSequence
        messageTime = entry.time
        consumerSequence = entry.consumerSequence
        return .take(gap)
    }

    /// Moves an idle lane of a shared stream past messages that are not its own.
    package mutating func skip(to sequence: UInt64, messageTime: Timestamp?) {
        precondition(sequence >= self.sequence, "a position never goes back inside an epoch")
        self.sequence = sequence
        self.messageTime = messageTime
    }
}

/// How a lane goes on from its position in the stream as it is found.
package enum Resumption: Sendable, Equatable {
    /// The stream continues: read from `sequence + 1`; what it discarded meanwhile is a gap.
    case resume(at: UInt64, gap: Gap?)
    /// Another life of the stream: everything it holds is read, and deduplicated by key.
    case newEpoch(Int64, at: UInt64, gap: Gap?)

    /// Compares the position with the stream, read *after* the consumer was created.
    ///
    /// - Parameters:
    ///   - position: as the hot database has it.
    ///   - state: what the stream says of itself now.
    ///   - timeAtPosition: the server's time of the position's own message; nil where it was discarded.
    ///   - isShared: whether other types share the stream.
    package init(position: Position, state: StreamState, timeAtPosition: Timestamp?, isShared: Bool) {
        let start = max(state.firstSequence, 1) - 1
        let next = position.epoch + 1
        guard let created = position.streamCreated else {
            // Only of a stream nobody has read yet is what it discarded before we came none of ours.
            self = .newEpoch(next, at: position.epoch == 0 ? start : 0, gap: nil)
            return
        }
        if created != state.created {
            // How many messages the earlier life still held beyond the position, nobody can say.
            let gap = Gap(
                cause: .recreated,
                epoch: position.epoch,
                firstSequence: position.sequence + 1,
                lastSequence: nil,
                isSuspected: true
            )
            // From 0, so that what the new life discarded before we looked is a gap of the new epoch.
            self = .newEpoch(next, at: 0, gap: gap)
            return
        }
        // A position without a time is one whose message was gone; gone messages do not come back.
        let stepped = timeAtPosition.map { $0 != position.messageTime } ?? false
        if state.lastSequence < position.sequence || stepped {
            let gap = Gap(
                cause: .regression,
                epoch: position.epoch,
                // How much more it had held, nobody can say.
                firstSequence: state.lastSequence < position.sequence ? state.lastSequence + 1 : nil,
                lastSequence: nil,
                isSuspected: true
            )
            // What lies before its first message had been read, or was listed in the former epoch.
            self = .newEpoch(next, at: start, gap: gap)
            return
        }
        guard start > position.sequence else {
            self = .resume(at: position.sequence, gap: nil)
            return
        }
        let gap = Gap(
            cause: .discarded,
            epoch: position.epoch,
            firstSequence: position.sequence + 1,
            lastSequence: start,
            // A stream can be made to count from later than 1.
            isSuspected: isShared || (position.epoch > 1 && position.sequence == 0)
        )
        self = .resume(at: start, gap: gap)
    }
}

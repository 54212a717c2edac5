/// What a stream says was removed of it one by one, asked again only where more was.
///
/// Kept for the life of one consumer: in one life of a stream messages are only ever removed, never put back.
package struct RemovedMessages: Sendable {
    /// More than these are not asked for one by one.
    package static let most: UInt64 = 10_000

    package enum News: Sendable, Equatable {
        /// Nothing that is not known already.
        case none
        /// More than is known: ask for all.
        case ask
        /// More, and too many to ask for: any message that the stream holds, or held, may be one.
        case tooMany
        /// Too many, and more at any time: any message from here on may be one. Said once.
        case unending
    }

    /// In order, as the stream last told them.
    package private(set) var sequences: [UInt64] = []
    private var count: UInt64 = 0
    private var isUnending = false

    package init() {}

    /// What the stream tells that is not known yet.
    ///
    /// The count falls as the beginning of the stream passes removed messages. Of too many, new ones are not noticed
    /// where it passed as many between two looks.
    package mutating func news(in state: StreamState) -> News {
        defer { count = state.removed }
        guard state.removed > Self.most else {
            let known = sequences.count { $0 > state.firstSequence }
            return state.removed == 0 || state.removed == UInt64(known) ? .none : .ask
        }
        guard state.maxMessagesPerSubject != nil else { return state.removed > count ? .tooMany : .none }
        defer { isUnending = true }
        return isUnending ? .none : .unending
    }

    package mutating func keep(_ sequences: [UInt64]) { self.sequences = sequences }
}

import Platform
package import Records

/// What a lane is doing, for `/stats`, `/metrics` and `/health`.
package struct LaneStatus: Sendable, Equatable {
    package enum State: String, Sendable { case starting, reading, waiting, degraded, stopped }
    package var type: String
    package var source: SourceID
    package var state: State = .starting
    /// Why it is not reading: what happened, what to do next.
    package var trouble: String?
    package var received = 0
    package var stored = 0
    package var repeated = 0
    package var quarantined = 0
    /// Of the quarantined: their key was stored before with other content.
    package var conflicts = 0
    package var gaps = 0
    /// The last of them, with its cause, for a person.
    package var lastGap: String?
    package var batches: [BatchPolicy.Reason: Int] = [:]
    package var restarts = 0
    package var position: UInt64 = 0
    /// Last stream sequence that was read; what lies between it and the position waits for its commit.
    package var fetched: UInt64 = 0
    package var epoch: Int64 = 0
    /// The server's time of the last stored message.
    package var positionTime: Timestamp?
    /// Messages that the server holds beyond the last fetched one.
    package var pending: UInt64 = 0
    /// When this lane last committed or said that it lives, wall clock.
    package var lastProgress: Timestamp?
    package var stream: StreamState?
    /// Its stream is deleted, and that is written down: there is nothing left to do.
    package var isGone = false
    /// It waits for a person: no time mends what is wrong.
    package var needsOperator = false
    /// After so long without a commit or a sign of life a lane that reads is held up, microseconds.
    package let patienceMicros: Int64

    package init(type: String, source: SourceID, patienceMicros: Int64 = 15_000_000) {
        self.type = type
        self.source = source
        self.patienceMicros = patienceMicros
    }

    /// Whether nothing that was published is left for this lane.
    package var isExhausted: Bool { isGone || state == .waiting || (state == .reading && pending == 0) }

    /// What holds up a lane that has something to do and does not get it done; nil where nothing does.
    package func stall(at time: Timestamp) -> String? {
        guard state == .reading, let lastProgress, time.micros - lastProgress.micros > patienceMicros else {
            return nil
        }
        return
            "it has neither committed nor said that it lives for \((time.micros - lastProgress.micros) / 1_000_000) s: "
            + "a lock or a slow disk of hot, or NATS, holds it up; nothing is lost: the stream keeps what is not "
            + "stored. Look for its session in hot's pg_stat_activity"
    }
}

/// Snapshots of everything that runs, written by the services and read by the control plane without waiting.
package final class StatusBoard<Key: Hashable & Sendable, Status: Sendable>: Sendable {
    private let entries = Locked<[Key: Status]>([:])

    package init() {}

    package func set(_ key: Key, _ status: Status) { entries.withLock { $0[key] = status } }
    package func remove(_ key: Key) { _ = entries.withLock { $0.removeValue(forKey: key) } }
    package func get(_ key: Key) -> Status? { entries.withLock { $0[key] } }
    package var all: [Key: Status] { entries.withLock { $0 } }

    package func update(_ key: Key, _ body: (inout Status) -> Void) {
        entries.withLock { entries in
            guard var status = entries[key] else { return }
            body(&status)
            entries[key] = status
        }
    }
}

package typealias LaneBoard = StatusBoard<SourceID, LaneStatus>

/// What ingest as a whole is doing.
package struct IngestStatus: Sendable, Equatable {
    package var lanes: [LaneStatus]
    package var isConnected: Bool
    /// Why the account's streams cannot be looked at, if so.
    package var trouble: String?
    /// Types that no stream captures, with what is expected.
    package var waiting: [String: String]
    /// By type: patterns that no stream captures, or only in part.
    package var uncaptured: [String: [String]]
    /// Streams that reading would empty.
    package var refused: [String]

    package init(
        lanes: [LaneStatus],
        isConnected: Bool,
        trouble: String?,
        waiting: [String: String],
        uncaptured: [String: [String]],
        refused: [String]
    ) {
        self.lanes = lanes
        self.isConnected = isConnected
        self.trouble = trouble
        self.waiting = waiting
        self.uncaptured = uncaptured
        self.refused = refused
    }
}

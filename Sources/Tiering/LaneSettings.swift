package import Platform
package import Records

/// What a lane is told: the source, when to commit, how long to wait.
package struct LaneSettings: Sendable {
    package var source: SourceID
    package var type: RecordType
    /// Other types share the stream.
    package var isShared: Bool
    package var batch: BatchPolicy
    /// How often an idle lane says that it lives; a third of `ingest.takeover`.
    package var heartbeat: Duration
    /// Acknowledge each batch, so that operators see the floor.
    package var acknowledges: Bool
    /// Longest fetch: it cannot be cancelled, so it bounds shutdown.
    package var fetchWait: Duration

    package init(
        source: SourceID,
        type: RecordType,
        isShared: Bool,
        batch: BatchPolicy = BatchPolicy(),
        heartbeat: Duration = .seconds(5),
        acknowledges: Bool = true,
        fetchWait: Duration = .seconds(1)
    ) {
        self.source = source
        self.type = type
        self.isShared = isShared
        self.batch = batch
        self.heartbeat = heartbeat
        self.acknowledges = acknowledges
        self.fetchWait = fetchWait
    }
}

/// What a lane tells its surroundings; the service logs it once.
package enum LaneEvent: Sendable {
    case claimed(SourceID, Position)
    case held(SourceID, owner: String)
    case gap(SourceID, Gap)
    case restarted(SourceID, reason: String)
    case failed(SourceID, detail: String, Disposition)
}

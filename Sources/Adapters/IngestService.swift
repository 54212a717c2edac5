import JetStream
package import Platform
package import Records
package import Tiering

/// What ingest is told beside the connections.
package struct IngestSettings: Sendable {
    /// The types that are ingested.
    package var types: [RecordType]
    package var catalog: Catalog
    package var limits: DecodeLimits
    package var keepsProvenance: Bool
    package var provenanceKeys: [String]
    package var batch: BatchPolicy
    package var acknowledges: Bool
    package var takeover: Duration
    /// Types for which a missing stream is created, and how large.
    package var creatable: Set<String>
    package var streamMaxBytes: Int64
    package var streamMaxAge: Duration
    /// Between two looks at the account's streams; a type without a source is looked for every 2 s.
    package var discovery: Duration

    package init(
        types: [RecordType],
        catalog: Catalog,
        limits: DecodeLimits = DecodeLimits(),
        keepsProvenance: Bool = false,
        provenanceKeys: [String] = [],
        batch: BatchPolicy = BatchPolicy(),
        acknowledges: Bool = true,
        takeover: Duration = .seconds(15),
        creatable: Set<String> = [],
        streamMaxBytes: Int64 = 4 << 30,
        streamMaxAge: Duration = .seconds(86_400),
        discovery: Duration = .seconds(30)
    ) {
        self.types = types
        self.catalog = catalog
        self.limits = limits
        self.keepsProvenance = keepsProvenance
        self.provenanceKeys = provenanceKeys
        self.batch = batch
        self.acknowledges = acknowledges
        self.takeover = takeover
        self.creatable = creatable
        self.streamMaxBytes = streamMaxBytes
        self.streamMaxAge = streamMaxAge
        self.discovery = discovery
    }
}

/// Finds the sources of the enabled types and keeps a lane on each, for as long as the service runs.
package struct IngestService: Service {
    package let name = "ingest"
    private let settings: IngestSettings
    private let streams: JetStreamStreams
    private let hot: PostgresHot
    private let status: IngestBoard
    private let log: Logger

    package init(
        settings: IngestSettings,
        streams: JetStreamStreams,
        hot: PostgresHot,
        status: IngestBoard,
        log: Logger
    ) {
        self.settings = settings
        self.streams = streams
        self.hot = hot
        self.status = status
        self.log = log
    }

    package func run(until stop: Latch) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            var reading: [SourceID: Reading] = [:]
            var retry = Backoff(first: .milliseconds(200), limit: .seconds(5))
            while !stop.isOpen {
                let wait: Duration
                do throws(SourceError) {
                    let found = try await discover()
                    await retire(&reading, but: found)
                    for (source, lane) in reading where lane.ended.isOpen { reading[source] = nil }
                    for found in found.sources where reading[found.source] == nil {
                        let started = Reading(lane: lane(for: found))
                        reading[found.source] = started
                        group.addTask {
                            defer { started.ended.open() }
                            try await started.lane.run(until: started.end)
                            if !stop.isOpen { status.lanes.remove(found.source) }
                        }
                    }
                    retry.reset()
                    let isSettled = found.waiting.isEmpty && reading.values.allSatisfy { !$0.isMissed }
                    wait = isSettled ? settings.discovery : min(.seconds(2), settings.discovery)
                } catch {
                    log.warning("streams cannot be looked at", .error(error))
                    status.failed("\(error); the streams keep what is published, and this is tried again by itself")
                    wait = retry.next()
                }
                try await pause(wait, orFor: stop)
            }
            for lane in reading.values { lane.end.open() }
            try await group.waitForAll()
        }
        await streams.close()
    }

    private struct Reading: Sendable {
        let lane: Lane
        let end = Latch()
        let ended = Latch()
        /// Its source was not found at the last look.
        var isMissed = false
    }

    /// Ends lanes whose source is gone: at once where others read it now, else when what is left of it is read and the
    /// gap is written.
    private func retire(_ reading: inout [SourceID: Reading], but found: Discovery) async {
        for (source, lane) in reading where !lane.end.isOpen {
            let readers = found.sources.map(\.source).filter { $0.stream == source.stream }
            let isReplaced = readers.contains { [$0.filter, source.filter].contains(SourceID.everything) }
            if readers.contains(source) {
                reading[source]?.isMissed = false
            } else if isReplaced || (lane.isMissed && status.lanes.get(source)?.isExhausted != false) {
                log.warning("source is gone", .source("\(source)"))
                lane.end.open()
            } else if !lane.isMissed {
                reading[source]?.isMissed = true
                if found.streams.contains(source.stream) { await lane.lane.noteUncaptured() }
                log.warning("source is no longer captured", .source("\(source)"))
            }
        }
    }

    /// Waits between two looks, shorter where a lane finds its stream deleted: what is published meanwhile is lost.
    private func pause(_ wait: Duration, orFor stop: Latch) async throws {
        let clock = ContinuousClock()
        let (start, gone) = (clock.now, status.lanes.all.values.count(where: \.isGone))
        while start.duration(to: clock.now) < wait, !stop.isOpen {
            try await stop.wait(for: min(.seconds(1), wait), clock: clock)
            if status.lanes.all.values.count(where: \.isGone) > gone { return }
        }
    }

    /// Looks at every stream of the account, creates what is missing and ours to create.
    private func discover() async throws(SourceError) -> Discovery {
        var found = try await look()
        if !found.missing.isEmpty {
            var failures: [(RecordType, SourceError)] = []
            for type in found.missing {
                do throws(SourceError) { try await create(type) } catch { failures.append((type, error)) }
            }
            found = try await look()
            for (type, error) in failures { found.note(type, failed: "\(error)") }
        }
        if status.found(found) {
            for (type, reason) in found.waiting { log.warning("no source yet", .type(type), .detail(reason)) }
            for stream in found.refused {
                log.warning(
                    "stream refused",
                    .stream(stream),
                    .detail("it is no limits stream: reading it takes its messages")
                )
            }
        }
        return found
    }

    private func look() async throws(SourceError) -> Discovery {
        let connection = try await streams.connected()
        let all = try await onNATS { () throws(JetStreamError) in try await connection.streams() }
        return Discovery(types: settings.types, streams: all, creatable: settings.creatable)
    }

    private func create(_ type: RecordType) async throws(SourceError) {
        let connection = try await streams.connected()
        let configuration = StreamConfiguration(
            name: Discovery.streamName(of: type),
            subjects: type.subjects.map(\.filter),
            maxAge: settings.streamMaxAge,
            maxBytes: settings.streamMaxBytes
        )
        try await onNATS { () throws(JetStreamError) in _ = try await connection.createStream(configuration) }
        log.info("stream created", .stream(configuration.name), .type(type.name))
    }

    private typealias Lane = LaneService<JetStreamStreams, PostgresHot, ContinuousClock>

    private func lane(for found: Discovery.Found) -> Lane {
        guard let type = settings.types.first(where: { $0.name == found.type }) else {
            preconditionFailure("a source is found for the types that are ingested")
        }
        let runner = LaneRunner(
            LaneSettings(
                source: found.source,
                type: type,
                isShared: found.isShared,
                batch: settings.batch,
                heartbeat: settings.takeover / 3,
                acknowledges: settings.acknowledges,
                // An idle lane says that it lives between two fetches, so no fetch may last longer than that.
                fetchWait: min(.seconds(1), settings.takeover / 3)
            ),
            streams: streams,
            hot: hot,
            decoder: RecordDecoder(
                type: type,
                catalog: settings.catalog,
                limits: settings.limits,
                keepProvenance: settings.keepsProvenance,
                provenanceKeys: settings.provenanceKeys
            ),
            clock: ContinuousClock(),
            now: { Timestamp(micros: WallClock.now()) },
            board: status.lanes,
            report: { [log] in Self.report($0, to: log) }
        )
        return LaneService(runner, clock: ContinuousClock())
    }

    private static func report(_ event: LaneEvent, to log: Logger) {
        switch event {
        case .claimed(let source, let position):
            log.info(
                "lane claimed",
                .source("\(source)"),
                .position(position.sequence),
                .epoch(Int(position.epoch))
            )
        case .held(let source, let owner): log.debug("lane held by another", .source("\(source)"), .owner(owner))
        case .gap(let source, let gap):
            log.error("gap", .source("\(source)"), .reason(gap.cause.rawValue), .detail(gap.summary))
        case .restarted(let source, let reason): log.warning("lane restarted", .source("\(source)"), .reason(reason))
        case .failed(let source, let detail, let disposition):
            let level: LogLevel = disposition == .halt ? .error : .warning
            log.log(
                level,
                "lane waits",
                [.source("\(source)"), .disposition(disposition.rawValue), .detail(detail)]
            )
        }
    }
}

/// What ingest is doing: its lanes, and what the account's streams capture.
package final class IngestBoard: Sendable {
    private struct Streams {
        var discovery: Discovery?
        var trouble: String?
    }

    package let lanes = LaneBoard()
    private let streams = Locked(Streams())

    package init() {}

    /// Everything at once, for the control plane.
    package func status(isConnected: Bool) -> IngestStatus {
        let seen = streams.withLock { $0 }
        return IngestStatus(
            lanes: lanes.all.values.sorted { ($0.type, $0.source.description) < ($1.type, $1.source.description) },
            isConnected: isConnected,
            trouble: seen.trouble,
            waiting: seen.discovery?.waiting ?? [:],
            uncaptured: seen.discovery?.uncaptured ?? [:],
            refused: seen.discovery?.refused ?? []
        )
    }

    /// Notes what was found; true where it is not what was found before.
    func found(_ discovery: Discovery) -> Bool {
        streams.withLock { streams in
            let isNew = streams.discovery != discovery
            streams = Streams(discovery: discovery, trouble: nil)
            return isNew
        }
    }

    func failed(_ trouble: String) { streams.withLock { $0.trouble = trouble } }
}

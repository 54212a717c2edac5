import Adapters
import Configuration
import ControlAPI
import HTTPServer
import JetStream
import Platform
import Records
import Segments
import Tiering

/// Puts the services of a role together from the configuration; wiring only.
struct Roles: Sendable {
    private let configuration: Configuration
    private let catalog: Catalog
    private let log: Logger
    /// What the roles are doing, for whoever runs them in this process.
    let ingestBoard: IngestBoard
    let archiveBoard = ArchiveBoard()

    init(_ configuration: Configuration, catalog: Catalog, log: Logger) {
        self.configuration = configuration
        self.catalog = configuration.catalog(catalog)
        ingestBoard = IngestBoard(memory: MemoryBudget(configuration.hot.memory))
        self.log = log
    }

    private var types: [RecordType] { catalog.types.filter { configuration[$0.name].enabled } }

    /// In order of dependency: HTTP first, so that it answers until the last.
    func services(_ mode: Mode) throws -> [any Service] {
        (mode.runsHot ? try hot() : []) + (mode.runsCold ? try cold() : [])
    }

    private func identity(_ service: String) -> ServiceIdentity {
        ServiceIdentity(service: service, version: version)
    }

    private func limits() -> HTTPLimits {
        var limits = HTTPLimits()
        limits.bodyBytes = configuration.http.bodyBytes
        limits.connections = configuration.http.connections
        limits.connectionsPerAddress = configuration.http.connectionsPerAddress
        limits.idleTimeout = configuration.http.idleTimeout
        limits.replyTimeout = configuration.http.replyTimeout
        return limits
    }

    // MARK: Hot

    private func hot() throws -> [any Service] {
        let board = ingestBoard
        let streams = JetStreamStreams(
            ConnectionOptions(
                url: configuration.nats.url,
                name: "thermocline hot",
                credentialsFile: configuration.nats.credentialsFile
            ),
            acknowledges: configuration.nats.ack == .all
        )
        let api = HotAPI(
            identity: identity("thermocline-hot"),
            status: { board.status(isConnected: streams.isReachable) },
            now: Self.now
        )
        let ingest = IngestService(
            settings: ingestSettings,
            streams: streams,
            hot: PostgresHot(
                settings: try configuration.hotSettings(),
                catalog: catalog
            ),
            status: board,
            log: log.with(.tier("hot"))
        )
        let pages = HTTPService("hot pages", configuration.hot.listen, limits(), Router(api.routes), log)
        return [pages, ingest]
    }

    private var ingestSettings: IngestSettings {
        let names = types.map(\.name)
        return IngestSettings(
            types: types,
            catalog: catalog,
            limits: configuration.ingest.limits,
            keepsProvenance: configuration.ingest.keepProvenance,
            provenanceKeys: configuration.ingest.provenanceKeys,
            batch: BatchPolicy(
                rows: configuration.hot.batch.rows,
                bytes: configuration.hot.batch.bytes,
                linger: configuration.hot.batch.linger
            ),
            acknowledges: configuration.nats.ack == .all,
            takeover: configuration.ingest.takeover,
            creatable: Set(names.filter(configuration.nats.createStreams.contains)),
            streamMaxBytes: Int64(configuration.nats.stream.maxBytes),
            streamMaxAge: configuration.nats.stream.maxAge,
            discovery: configuration.nats.discovery
        )
    }

    // MARK: Cold

    private func cold() throws -> [any Service] {
        let (board, bell) = (archiveBoard, Bell())
        let inbox = Inbox<ArchiveCommand>(limit: 64)
        let archive = configuration.archive
        let tiers = try configuration.archiveTiers(catalog)
        let policy = configuration.archivePolicy(types)
        let log = log.with(.tier("cold"))
        let report: @Sendable (ArchiveEvent) -> Void = { ArchiveLog.write($0, to: log) }
        let archiver = Archiver(
            tiers: tiers,
            types: types,
            policy: policy,
            concurrency: archive.concurrency,
            throttle: Throttle(archive.limits, clock: ContinuousClock()),
            packedRows: configuration.cold.packRows,
            now: Self.now,
            newID: { RandomID.uuid() },
            board: board,
            report: report
        )
        let api = ColdAPI(
            identity: identity("thermocline-cold"),
            types: types,
            status: { board.current },
            inbox: inbox
        )
        return [
            HTTPService("cold pages", configuration.cold.listen, limits(), Router(api.routes), log),
            ArchiveService(
                archiver,
                tiers: tiers,
                clock: ContinuousClock(),
                schedule: archive.passes,
                now: Self.now,
                lease: archive.lease,
                bell: bell,
                board: board,
                report: report
            ),
            RequestDesk(tiers: tiers, types: types, policy: policy, inbox: inbox, board: board, bell: bell),
            ScrubService(
                tiers: tiers,
                types: types,
                settings: ScrubSettings(
                    bytesPerSecond: archive.scrub.rate,
                    every: archive.scrub.every,
                    namedRows: archive.namedRows
                ),
                clock: ContinuousClock(),
                now: Self.now,
                board: board,
                report: report
            ),
        ]
    }

    private static func now() -> Timestamp { Timestamp(micros: WallClock.now()) }
}

extension Configuration.Archive {
    fileprivate var limits: Throttle.Limits {
        Throttle.Limits(bytesPerSecond: rate > 0 ? rate : nil, pauseAbove: pauseAbove)
    }

    fileprivate var passes: ArchiveSchedule {
        ArchiveSchedule(schedule.isEmpty ? .every(interval) : .cron(schedule), windows: windows, timeZone: timeZone)
    }
}

extension Configuration {
    /// How the hot database is reached, and what may be done there.
    func hotSettings() throws(UsageError) -> HotSettings {
        HotSettings(
            conninfo: try conninfo(hot.postgres, "hot.postgres"),
            takeover: ingest.takeover,
            bucketMicros: archive.bucket.micros,
            maxPartitions: hot.maxPartitions,
            maxRejectedShare: quarantine.maxShare,
            maxQuarantineBytes: quarantine.maxBytes
        )
    }

    /// When ranges are copied and when they may leave hot.
    func archivePolicy(_ types: [RecordType]) -> ArchivePolicy {
        ArchivePolicy(
            rangeMicros: archive.range.micros,
            safetyLagMicros: archive.safetyLag.micros,
            retentionMicros: hot.retention.micros,
            retentionByType: self.types.compactMapValues { $0.retention?.micros },
            prunes: archive.prune,
            partitionMicros: archive.wholePartitions ? partitionMicros(of: types) : [:],
            undo: archive.undo,
            coldRetentionMicros: cold.retention?.micros,
            coldRetentionByType: self.types.compactMapValues { $0.coldRetention?.micros },
            namedRows: archive.namedRows
        )
    }

    private func partitionMicros(of types: [RecordType]) -> [String: Int64] {
        Dictionary(types.compactMap { type in type.partitionMicros.map { (type.name, $0) } }) { $1 }
    }

    /// Both databases, as the archiver and its tools reach them.
    func archiveTiers(_ catalog: Catalog) throws(UsageError) -> PostgresTiers {
        PostgresTiers(
            settings: ArchiveSettings(
                hotConninfo: try conninfo(hot.postgres, "hot.postgres"),
                coldConninfo: try conninfo(cold.postgres, "cold.postgres"),
                bucketMicros: archive.bucket.micros,
                lease: archive.lease,
                format: cold.format,
                segments: SegmentEncoder.Limits(rows: cold.segmentRows, bytes: cold.segmentMemory)
            ),
            catalog: catalog
        )
    }

    func conninfo(_ secret: Secret?, _ path: String) throws(UsageError) -> String {
        guard let secret else { throw UsageError("\(path) is not set") }
        return secret.reveal()
    }
}

import Adapters
import JetStream
import Platform
import Postgres
import PrivateServers
import Records
import TestSupport
import Testing
import Tiering

/// The whole pipeline in this process, on a private nats-server and two private databases.
struct Pipeline: Sendable {
    let catalog: Catalog
    let hot: String
    let cold: String
    let bucket: Int64 = 3_600_000_000
    let ingest = IngestBoard()
    let archive = ArchiveBoard()
    let inbox = Inbox<ArchiveCommand>(limit: 16)
    let bell = Bell()

    init(catalog: Catalog = .standard) async throws {
        self.catalog = catalog
        let server = PrivatePostgres.current
        hot = server.conninfo(try await server.freshDatabase())
        cold = server.conninfo(try await server.freshDatabase())
        for (tier, conninfo) in [(Tier.hot, hot), (.cold, cold)] {
            let connection = try await PostgresConnection(conninfo, applicationName: "test")
            try await SchemaKeeper(tier: tier, catalog: catalog).apply(on: connection, bucketMicros: bucket)
            await connection.close()
        }
    }

    var policy: ArchivePolicy {
        ArchivePolicy(rangeMicros: bucket, safetyLagMicros: 1_000_000, retentionMicros: 3 * 86_400_000_000)
    }

    /// Runs both roles until `body` returns.
    func run(batch: BatchPolicy = BatchPolicy(), log: Logger = .silent, _ body: () async throws -> Void) async throws {
        let stop = Latch()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for service in services(batch: batch, log: log) { group.addTask { try await service.run(until: stop) } }
            do {
                try await body()
            } catch {
                stop.open()
                throw error
            }
            stop.open()
            try await group.waitForAll()
        }
    }

    private func services(batch: BatchPolicy, log: Logger) -> [any Service] {
        let streams = JetStreamStreams(
            ConnectionOptions(url: PrivateNATS.current.url, name: "test"),
            acknowledges: true
        )
        let ingest = IngestService(
            settings: IngestSettings(
                types: catalog.types,
                catalog: catalog,
                batch: batch,
                creatable: Set(catalog.types.map(\.name))
            ),
            streams: streams,
            hot: PostgresHot(settings: HotSettings(conninfo: hot, bucketMicros: bucket), catalog: catalog),
            status: ingest,
            log: log
        )
        let tiers = PostgresTiers(
            settings: ArchiveSettings(hotConninfo: hot, coldConninfo: cold, bucketMicros: bucket),
            catalog: catalog
        )
        let archiver = Archiver(
            tiers: tiers,
            types: catalog.types,
            policy: policy,
            now: { Timestamp(micros: WallClock.now()) },
            newID: { RandomID.uuid() },
            board: archive,
            report: { log.info("archive", .detail("\($0)")) }
        )
        let passes = ArchiveService(
            archiver,
            tiers: tiers,
            clock: ContinuousClock(),
            interval: .milliseconds(200),
            lease: .seconds(5),
            bell: bell,
            board: archive,
            report: { log.info("archive", .detail("\($0)")) }
        )
        let desk = RequestDesk(
            tiers: tiers,
            types: catalog.types,
            policy: policy,
            inbox: inbox,
            board: archive,
            bell: bell
        )
        return [ingest, passes, desk]
    }

    /// Publishes as the collector does: order books and trades with core NATS, the rest to JetStream.
    func publish(_ messages: [RecordedMessage], suffix: String = "") async throws {
        let connection = try await JetStreamConnection(ConnectionOptions(url: PrivateNATS.current.url, name: "feed"))
        let publisher = try JetStreamPublisher(connection)
        for start in stride(from: 0, to: messages.count, by: 500) {
            let chunk = messages[start..<min(start + 500, messages.count)]
            let core = chunk.filter { $0.headers.isEmpty }.map { OutgoingMessage($0.subject, $0.payload) }
            let stored = chunk.filter { !$0.headers.isEmpty }.map {
                OutgoingMessage($0.subject, $0.payload, identifier: ($0.headers["Nats-Msg-Id"] ?? "") + suffix)
            }
            try await publisher.publish(core)
            _ = try await publisher.store(stored)
        }
        await connection.close()
    }

    func query(_ conninfo: String, _ sql: String) async throws -> [[String?]] {
        let connection = try await PostgresConnection(conninfo, applicationName: "test")
        let rows = try await connection.execute(sql).rows
        await connection.close()
        return rows
    }
}

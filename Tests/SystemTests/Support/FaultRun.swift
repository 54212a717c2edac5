import Adapters
import JetStream
import Platform
import Postgres
import PrivateServers
import Records
import Simulation
import TestSupport
import Testing

@testable import thermocline

/// One lane of trades under fire: publish, do the fault, wait until all is settled, compare set with set.
///
/// The program reaches hot, cold and NATS through proxies; publishing and the audit go around them.
final class FaultRun: Sendable {
    let stage: Stage
    let postgres: FaultProxy
    let cold: FaultProxy
    let nats: FaultProxy
    private let type: RecordType
    private let tiers: [String]
    let published: Locked<(checker: SetChecker<String>, messages: Int)>

    /// Makes the stage; its one lane is of type trade.
    ///
    /// Cold has a schema only where it is among the `tiers`. With `copied` both databases are as that run's
    /// are, whose stream goes on.
    init(_ settings: [String] = [], tiers: [String] = ["hot"], copied: FaultRun? = nil) async throws {
        self.tiers = tiers
        published = Locked(copied?.published.withLock { $0 } ?? (SetChecker(), 0))
        type = try #require(Catalog.standard.type(named: "trade"))
        postgres = try FaultProxy(to: PrivatePostgres.current.port)
        cold = try FaultProxy(to: PrivatePostgres.current.port)
        nats = try FaultProxy(to: PrivateNATS.current.port)
        let others = Catalog.standard.types.map(\.name).filter { $0 != "trade" }
        stage = try await Stage(
            others.map { "types.\($0).enabled=false" } + settings,
            natsURL: PrivateNATS.url(port: nats.port),
            hotProxy: postgres.port,
            coldProxy: cold.port,
            appliesSchema: copied == nil ? tiers : [],
            copied: copied?.stage
        )
    }

    deinit {
        postgres.stop()
        cold.stop()
        nats.stop()
    }

    // MARK: The program

    /// Starts an instance; whether it gets the lane is another matter.
    func start(_ extra: [String] = [], on clock: FakeClock? = nil) async throws -> Daemon {
        guard let clock else { return try await stage.run(["hot"], extra) }
        return try await stage.run(role: "hot", on: clock, extra)
    }

    /// Starts an instance and waits until it reads, and has stored and acknowledged something: its partition is there.
    func startReading(_ extra: [String] = [], on clock: FakeClock? = nil) async throws -> Daemon {
        let hot = try await start(extra, on: clock)
        try await stage.awaitReading(hot, lanes: 1)
        try await publish(1)
        try await settle()
        let end = await position()
        try await poll("the first batch acknowledged") { try await acknowledged() == end }
        return hot
    }

    /// Kills an instance where a proxy holds it; what it had sent and not seen delivered goes with it.
    func killHeld(_ hot: Daemon) async throws {
        try await awaitHeld()
        await hot.kill()
        for proxy in proxies { proxy.cut() }
    }

    /// Changes a setting for sessions of a database, hot unless told otherwise, that begin from now on.
    func alterDatabase(_ change: String, of conninfo: String? = nil) async throws {
        let name = try await stage.database(conninfo ?? stage.hot)
        // From outside of it: it may take no writes.
        _ = try await stage.rows(PrivatePostgres.current.conninfo(), "ALTER DATABASE \(name) \(change)")
    }

    func awaitHeld() async throws {
        try await poll("the place in the traffic", within: .seconds(20)) { proxies.contains(where: \.isHolding) }
    }

    private var proxies: [FaultProxy] { [postgres, cold, nats] }

    // MARK: The feed

    /// Publishes trades, and one message that belongs in quarantine; each is in the stream when this returns.
    ///
    /// Where it throws, some of them may be. `days` puts the trades so much later.
    func publish(_ trades: Int, poison: Int = 1, days: Int = 0) async throws {
        let first = published.withLock { published in
            defer { published.messages += trades + poison }
            return published.messages
        }
        // The number of a trade is its time, in milliseconds.
        let numbers = (first..<(first + trades)).map { $0 + days * 86_400_000 }
        let good = numbers.map { SampleMessage(type, number: $0) }
        let subject = try #require(good.first?.subject)
        let bad = (0..<poison).map { Array("{\"no trade\": \(first + trades + $0)".utf8) }
        let messages = bad.map { OutgoingMessage(subject, $0) } + good.map { OutgoingMessage($0.subject, $0.payload) }
        let identities =
            bad.map { FeedMessage.quarantinedIdentity(subject: subject, payload: $0) }
            + numbers.map(identity)
        published.withLock { published in for identity in identities { published.checker.attempt(identity) } }
        let connection = try await JetStreamConnection(ConnectionOptions(url: PrivateNATS.current.url, name: "feed"))
        do { _ = try await JetStreamPublisher(connection).store(messages) } catch {
            await connection.close()
            throw error
        }
        await connection.close()
        published.withLock { published in for identity in identities { published.checker.publish(identity) } }
    }

    func identity(_ number: Int) -> String {
        FeedMessage.storedIdentity(
            type: type.name,
            exchange: "binance",
            marketType: "perpetual",
            symbol: "BTC-USDT",
            ts: Timestamp(micros: (1_795_000_000_000 + Int64(number)) * 1_000),
            own: "trade_id-\(number)"
        )
    }

    // MARK: The verdict

    /// Waits until the position stands at the end of the stream; a database that is away is asked again.
    func settle(within limit: Duration = .seconds(20), in hot: String? = nil) async throws {
        let end = published.withLock { $0.messages }
        try await poll("the position at \(end)", within: limit) { await position(in: hot) == end }
    }

    /// The last stored sequence; nil while the database does not say.
    func position(in hot: String? = nil) async -> Int? {
        let rows = try? await stage.rows(hot ?? stage.hot, "SELECT last_seq FROM thermocline_store.ingest_position")
        return rows?.first?[0].flatMap { Int($0) }
    }

    /// Up to which sequence the recorded consumer is acknowledged.
    func acknowledged() async throws -> Int? {
        let sql = "SELECT stream, consumer FROM thermocline_store.ingest_position"
        let row = try #require(try await stage.rows(stage.hot, sql).first)
        let connection = try await JetStreamConnection(ConnectionOptions(url: PrivateNATS.current.url, name: "test"))
        let consumer = try await connection.consumer(try #require(row[0]), try #require(row[1]))
        await connection.close()
        return consumer.map { Int($0.ackFloorStreamSequence) }
    }

    /// Settles, and compares what was published with rows, quarantine, activity and gaps.
    ///
    /// `hot` is a database that has taken the place of the stage's own.
    func expectExact(
        within limit: Duration = .seconds(20),
        in hot: String? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        try await settle(within: limit, in: hot)
        let (audit, figures) = try await audit(in: hot)
        let checked = audit.checked
        #expect(
            checked.report.isExact,
            """
            \(checked.report); lost \(checked.lost(atMost: 3)), duplicated \(checked.duplicated(atMost: 3)), \
            unexpected \(checked.unexpected(atMost: 3))
            """,
            sourceLocation: sourceLocation
        )
        #expect(figures == ["\(audit.rowsInHot)", "0"], "activity, gaps", sourceLocation: sourceLocation)
    }

    /// What both tiers hold now, and beside it the rows that activity counts and the number of gaps.
    func audit(in hot: String? = nil) async throws -> (FeedAudit, figures: [String?]) {
        var audit = FeedAudit(published: published.withLock { $0.checker })
        let connection = try await PostgresConnection(hot ?? stage.hot, applicationName: "audit")
        let hot = TierInventory(.hot, on: connection)
        try await hot.forEachKey(of: type) { audit.foundInHot($0.identity(of: type)) }
        try await hot.forEachQuarantined {
            audit.foundInQuarantine(FeedMessage.quarantinedIdentity(subject: $0, payload: $1))
        }
        let rows = try await connection.execute(
            """
            SELECT (SELECT sum(rows) FROM thermocline_store.range_activity), (SELECT count(*) FROM thermocline.gap)
            """
        ).rows
        await connection.close()
        if tiers.contains("cold") {
            let connection = try await PostgresConnection(stage.cold, applicationName: "audit")
            let cold = TierInventory(.cold, on: connection)
            try await cold.forEachKey(of: type) { audit.foundInCold($0.identity(of: type)) }
            await connection.close()
        }
        return (audit, rows[0])
    }
}

extension Daemon {
    /// One field of the one lane in `/stats`.
    func lane(_ field: String) async throws -> String? {
        let value = try await json("hot", "/stats")["sources"]?.array?.first?[field]
        return value?.string ?? value?.int.map { "\($0)" }
    }

    /// Whether its lane has logged that it waits, for a reason with this in it.
    func hasWaited(for words: String) -> Bool {
        lines("lane waits").contains { $0["detail"]?.string?.contains(words) == true }
    }
}

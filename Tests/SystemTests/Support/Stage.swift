import Configuration
import Foundation
import JetStream
import Platform
import Postgres
import PrivateServers
import Records
import TestSupport
import Testing

/// What one test runs the program on: two fresh databases, and the suite's nats-server without streams.
struct Stage: Sendable {
    let hot: String
    let cold: String
    /// How the program reaches the databases: directly as the test does, or through a proxy.
    let hotOfProgram: String
    let coldOfProgram: String
    let natsURL: String
    let directory: PrivateDirectory
    /// `path=value` for `--set`, on every command.
    let settings: [String]

    /// Makes the databases and, unless told otherwise, their schemas with the program's own command.
    ///
    /// `hotProxy` and `coldProxy` are ports of a `FaultProxy` that stands between the program and a database; cold
    /// may be on a server of its own. With `copied` the databases are copies of that stage's, and its streams stay.
    init(
        _ settings: [String] = [],
        natsURL: String = PrivateNATS.current.url,
        hotProxy: UInt16? = nil,
        coldProxy: UInt16? = nil,
        coldOn other: PrivatePostgres? = nil,
        appliesSchema: [String] = ["hot", "cold"],
        copied: Stage? = nil
    ) async throws {
        let server = PrivatePostgres.current
        let coldServer = other ?? server
        var names: [String] = []
        if let copied {
            for tier in [copied.hot, copied.cold] {
                names.append(try await server.freshDatabase(copying: try await copied.database(tier)))
            }
        } else {
            names = [try await server.freshDatabase(), try await coldServer.freshDatabase()]
        }
        (hot, cold) = (server.conninfo(names[0]), coldServer.conninfo(names[1]))
        hotOfProgram = hotProxy.map { server.conninfoTCP(names[0], port: $0) } ?? hot
        coldOfProgram = coldProxy.map { coldServer.conninfoTCP(names[1], port: $0) } ?? cold
        self.natsURL = natsURL
        directory = try PrivateDirectory("system")
        self.settings =
            [
                "nats.url=\(natsURL)", "nats.create_streams=all", "hot.listen=127.0.0.1:0", "cold.listen=127.0.0.1:0",
                "hot.retention=3650d", "archive.interval=200ms", "archive.range=1d", "archive.bucket=1d",
                "log.level=debug", "cold.format=\(ColdFormat.underTest)",
            ] + settings
        if copied != nil {
            // Copied is what `rows` needs.
            if ColdFormat.underTest == .segments { try await applySchema("cold") }
            return
        }
        try await Self.removeStreams()
        for tier in appliesSchema { try await applySchema(tier) }
    }

    func applySchema(_ tier: String) async throws {
        let command = try await run(["schema", "apply", tier])
        let status = try await command.status()
        #expect(status == .exited(0), "\(command.output)")
    }

    /// Starts the program with this stage's settings and then `extra`.
    func run(_ arguments: [String], _ extra: [String] = []) async throws -> Daemon {
        try await Daemon(
            arguments + (settings + extra).flatMap { ["--set", $0] },
            environment: databases,
            in: directory
        )
    }

    /// Starts a role that reads another clock; told by its environment, since libfaketime hides arguments from Swift.
    func run(role: String, on clock: FakeClock, _ extra: [String] = []) async throws -> Daemon {
        let pairs = (settings + extra).map { setting in
            let (path, value) = (setting.prefix { $0 != "=" }, setting.drop { $0 != "=" }.dropFirst())
            return (Option.environmentPrefix + path.uppercased().replacing(".", with: "_"), String(value))
        }
        let told = Dictionary(pairs) { $1 }.merging(databases) { $1 }.merging(clock.environment) { $1 }
        return try await Daemon([], environment: told.merging(["STORAGE_MODE": role]) { $1 }, in: directory)
    }

    private var databases: [String: String] {
        ["THERMOCLINE_HOT_POSTGRES": hotOfProgram, "THERMOCLINE_COLD_POSTGRES": coldOfProgram]
    }

    // MARK: Messages

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

    /// Publishes to JetStream without an identifier and waits until the stream has it.
    func publish(_ messages: [SampleMessage]) async throws {
        let connection = try await JetStreamConnection(ConnectionOptions(url: PrivateNATS.current.url, name: "feed"))
        let publisher = try JetStreamPublisher(connection)
        _ = try await publisher.store(messages.map { OutgoingMessage($0.subject, $0.payload) })
        await connection.close()
    }

    /// Last sequence of each stream.
    static func streams() async throws -> [String: Int] {
        let connection = try await JetStreamConnection(ConnectionOptions(url: PrivateNATS.current.url, name: "test"))
        let found = try await connection.streams()
        await connection.close()
        return Dictionary(uniqueKeysWithValues: found.map { ($0.configuration.name, Int($0.lastSequence)) })
    }

    private static func removeStreams() async throws {
        let connection = try await JetStreamConnection(ConnectionOptions(url: PrivateNATS.current.url, name: "test"))
        for stream in try await connection.streams() {
            _ = try await connection.deleteStream(stream.configuration.name)
        }
        await connection.close()
    }

    /// Waits until every lane of a hot process reads.
    func awaitReading(_ daemon: Daemon, lanes: Int = 7, within limit: Duration = .seconds(30)) async throws {
        try await poll("all lanes reading", within: limit) {
            let sources = try await daemon.json("hot", "/stats")["sources"]?.array ?? []
            return sources.count == lanes && sources.allSatisfy { $0["state"]?.string == "reading" }
        }
    }

    /// Waits until the lane of a type waits for a lock with its COPY.
    func awaitBlockedCopy(of type: String) async throws {
        try await poll("a COPY that waits for a lock", within: .seconds(20)) {
            let sql = """
                SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                    AND application_name = 'thermocline \(type)' AND query LIKE 'COPY%'
                """
            return try await scalar(hot, sql) == "1"
        }
    }

    /// Waits until all seven types have their stream.
    func awaitStreams() async throws {
        try await poll("streams", within: .seconds(30)) { try await Self.streams().count == 7 }
    }

    /// Waits until the positions in hot stand at the ends of all streams.
    func awaitStored(within limit: Duration = .seconds(90)) async throws {
        let ends = try await Self.streams()
        try await poll("positions at the ends of the streams", within: limit) {
            let rows = try await rows(hot, "SELECT stream, last_seq FROM thermocline_store.ingest_position")
            let positions = Dictionary(rows.map { ($0[0] ?? "", Int($0[1] ?? "") ?? -1) }) { $1 }
            return ends.filter { $0.value > 0 }.allSatisfy { positions[$0.key] == $0.value }
        }
    }

    // MARK: Databases

    func rows(_ conninfo: String, _ sql: String) async throws -> [[String?]] {
        let connection = try await PostgresConnection(conninfo, applicationName: "system test")
        do {
            let rows = try await connection.execute(sql).rows
            await connection.close()
            return rows
        } catch {
            await connection.close()
            throw error
        }
    }

    func scalar(_ conninfo: String, _ sql: String) async throws -> String? {
        try await rows(conninfo, sql).first?.first ?? nil
    }

    /// Its name.
    func database(_ conninfo: String) async throws -> String {
        try #require(try await scalar(conninfo, "SELECT current_database()"))
    }

    func script(_ conninfo: String, _ sql: String) async throws {
        let connection = try await PostgresConnection(conninfo, applicationName: "system test")
        _ = try await connection.executeScript(sql)
        await connection.close()
    }

    /// Runs `body` while another session holds `sql`, a lock for example; then lets go.
    func holding<R>(_ sql: String, on conninfo: String, _ body: () async throws -> R) async throws -> R {
        let connection = try await PostgresConnection(conninfo, applicationName: "system test lock")
        try await connection.begin()
        _ = try await connection.execute(sql)
        do {
            let result = try await body()
            await connection.close()
            return result
        } catch {
            await connection.close()
            throw error
        }
    }

    /// All trades of cold are kept in a format, by default the one under test.
    func expectFormat(
        _ format: ColdFormat = .underTest,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let hasSegments = "SELECT to_regclass('thermocline_store.segment_trade') IS NOT NULL"
        let isMade = try await scalar(cold, hasSegments) == "t"
        let packed = isMade ? "(SELECT coalesce(sum(rows), 0) FROM thermocline_store.segment_trade)" : "0"
        let all = format == .segments ? "(SELECT count(*) FROM thermocline.trade)" : "0"
        #expect(try await scalar(cold, "SELECT \(packed) = \(all)") == "t", "\(format)", sourceLocation: sourceLocation)
    }

    // MARK: Transfers

    /// Asks for every range of a type, to be pruned as soon as verified; returns the request.
    func request(_ cold: Daemon, _ type: String, prunes: Bool = true) async throws -> String {
        let body =
            #"{"type": "\#(type)", "from": "2009-01-01T00:00:00Z", "to": "2026-11-20T00:00:00Z", "prune": \#(prunes)}"#
        let port = try await cold.port("cold")
        return try await poll("POST /transfers for \(type)", within: .seconds(30)) {
            let response = try await RawClient.request(port, "POST", "/transfers", body: body)
            if response.status == 503 { return nil }  // the lease is not taken yet
            try #require(response.status == 202, "\(response.body)")
            return try JSONValue(parsing: Array(response.body.utf8), limits: JSONLimits(bytes: 64 << 20))["request"]?
                .string
        }
    }

    /// States of the transfers of a request, counted.
    func states(_ cold: Daemon, _ request: String) async throws -> [String: Int] {
        let transfers = try await cold.json("cold", "/transfers/\(request)")["transfers"]?.array ?? []
        return Dictionary(transfers.compactMap { $0["state"]?.string }.map { ($0, 1) }, uniquingKeysWith: +)
    }

    /// Asks for everything with `"prune": true` and waits until everything is pruned.
    func archiveEverything(_ cold: Daemon, within limit: Duration = .seconds(120)) async throws {
        for type in Catalog.standard.types.map(\.name) {
            let request = try await request(cold, type)
            try await poll("all of \(type) pruned", within: limit) {
                let states = try await states(cold, request)
                return states.keys.allSatisfy { $0 == "pruned" }
            }
        }
    }
}

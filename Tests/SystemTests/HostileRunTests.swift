import Adapters
import Platform
import Postgres
import PrivateServers
import Records
import Simulation
import TestSupport
import Testing
import Tiering

/// Every hostile message among all the recorded ones, in random order, through the lanes into a real database.
@Suite(
    .serialized,
    .privatePostgres,
    .slow,
    .timeLimit(.minutes(10)),
    .enabled(if: RecordedData.isAvailable, Comment(rawValue: RecordedData.skipped))
)
struct HostileRunTests {
    /// A message, and the case it is if it is a hostile one.
    private struct Fed {
        var subject: String
        var payload: [UInt8]
        var hostile: HostileCase?
    }

    /// Later than every recorded event.
    private static let start = Timestamp(milliseconds: 1_795_176_000_000)

    @Test(arguments: 1...UInt64(10))
    func `every hostile message ends as it must, and every recorded one is stored to the last digit`(seed: UInt64)
        async throws
    {
        let conninfo = PrivatePostgres.current.conninfo(try await PrivatePostgres.current.freshDatabase())
        let settings = HotSettings(conninfo: conninfo, bucketMicros: 86_400_000_000)
        let connection = try await PostgresConnection(conninfo, applicationName: "system test")
        try await SchemaKeeper(tier: .hot, catalog: .standard).apply(
            on: connection,
            bucketMicros: settings.bucketMicros
        )
        var generator = SeededGenerator(seed: seed)
        let fed = try Self.shuffled(using: &generator)
        for type in Catalog.standard.types {
            let messages = fed[type.name] ?? []
            let rows = Int.random(in: 20...5_000, using: &generator)
            let status = try await Self.ingest(messages.map { ($0.subject, $0.payload) }, type, settings, rows)
            let sum = status.stored + status.repeated + status.quarantined
            #expect(status.received == messages.count && sum == messages.count, "\(type.name) seed=\(seed)")
            try await Self.expectVerdicts(messages, type, status, on: connection, seed)
        }
        let found = try await RecordedFigures.found(on: connection)
        let expected = try RecordedFigures.expected()
        #expect(found == expected, "seed=\(seed): \(found.difference(expected))")
        await connection.close()
    }

    /// All messages by type in random order; those of one group that have an order keep it.
    private static func shuffled(using generator: inout SeededGenerator) throws -> [String: [Fed]] {
        var fed: [String: [Fed]] = [:]
        for message in try RecordedData.eraC() {
            guard let type = Catalog.standard.type(ofSubject: message.firstToken) else { continue }
            fed[type.name, default: []].append(Fed(subject: message.subject, payload: message.payload))
        }
        for item in try HostileCase.all() {
            guard let type = item.type else { continue }
            fed[type.name, default: []].append(Fed(subject: item.subject, payload: item.payload, hostile: item))
        }
        for type in fed.keys.sorted() {
            var messages = (fed[type] ?? []).shuffled(using: &generator)
            var places: [String: [Int]] = [:]
            for (index, message) in messages.enumerated() where message.hostile?.order != nil {
                places[message.hostile?.group ?? "", default: []].append(index)
            }
            for group in places.values {
                let ordered = group.map { messages[$0] }.sorted { ($0.hostile?.order ?? 0) < ($1.hostile?.order ?? 0) }
                for (index, message) in zip(group, ordered) { messages[index] = message }
            }
            fed[type] = messages
        }
        return fed
    }

    /// Reads the messages from a stream in memory through a lane of `type` to its end.
    private static func ingest(
        _ messages: [(subject: String, payload: [UInt8])],
        _ type: RecordType,
        _ settings: HotSettings,
        _ rows: Int
    ) async throws -> LaneStatus {
        let clock = ManualClock(start: start)
        let server = StreamServer(clock: clock)
        await server.createStream(type.name)
        for (index, message) in messages.enumerated() {
            if index % 500 == 0 { clock.advance(by: .milliseconds(1)) }
            _ = await server.publish(message.subject, message.payload, to: type.name)
        }
        let board = LaneBoard()
        let source = SourceID(stream: type.name, filter: SourceID.everything)
        let runner = LaneRunner(
            LaneSettings(source: source, type: type, isShared: false, batch: BatchPolicy(rows: rows)),
            streams: ScriptedStreams(server, clock: clock),
            hot: PostgresHot(settings: settings, catalog: .standard),
            decoder: RecordDecoder(type: type, catalog: .standard),
            clock: clock,
            now: { clock.timestamp },
            board: board,
            report: { _ in }
        )
        var lane = try #require(try await runner.open())
        while true {
            let batch = try await runner.gather(&lane, committing: nil)
            if batch.isEmpty { break }
            try await runner.settle(batch, in: lane.session, consumer: lane.consumer, flight: Flight())
        }
        await runner.close(lane)
        return try #require(board.get(source))
    }

    /// Compares what became of each hostile message with its case, and takes its row away.
    private static func expectVerdicts(
        _ messages: [Fed],
        _ type: RecordType,
        _ status: LaneStatus,
        on connection: PostgresConnection,
        _ seed: UInt64
    ) async throws {
        func sequences(_ sql: String) async throws -> Set<Int> {
            Set(try await connection.execute(sql).rows.compactMap { $0[0].flatMap { Int($0) } })
        }
        let aside = "SELECT seq FROM thermocline.quarantine WHERE stream = '\(type.name)'"
        let stored = try await sequences("SELECT stream_seq FROM thermocline.\(type.name)")
        let kept = try await sequences(aside)
        let conflicts = try await sequences("\(aside) AND reason = 'conflict'")
        #expect(stored.isDisjoint(with: kept))
        #expect(status.stored == stored.count && status.quarantined == kept.count)
        #expect(status.conflicts == conflicts.count)
        var rowsInGroup: [String: Int] = [:]
        for (index, message) in messages.enumerated() {
            guard let hostile = message.hostile else {
                #expect(!kept.contains(index + 1), "seed=\(seed): recorded \(message.subject)")
                continue
            }
            let verdict = kept.contains(index + 1) ? "quarantine" : "store"
            #expect(verdict == hostile.expect || verdict == hostile.alsoOk, "seed=\(seed): \(hostile.name)")
            #expect(verdict == "store" || !stored.contains(index + 1), "seed=\(seed): \(hostile.name)")
            if let group = hostile.group, stored.contains(index + 1) { rowsInGroup[group, default: 0] += 1 }
        }
        for hostile in messages.compactMap(\.hostile) {
            guard let group = hostile.group, let rows = hostile.rowsInGroup else { continue }
            // Two books of one millisecond without an id have one key: the second is a conflict.
            let isContested = group == "orderbook/okxts"
            #expect(rowsInGroup[group] == (isContested ? 1 : rows), "seed=\(seed): \(group)")
            if isContested && hostile.order == 2 { #expect(conflicts.count == 1) }
        }
        let hostile = messages.indices.filter { messages[$0].hostile != nil }.map { "\($0 + 1)" }
        _ = try await connection.execute(
            "DELETE FROM thermocline_store.\(type.name) WHERE stream_seq = ANY ($1::bigint[])",
            [SQLText.array(hostile)]
        )
    }
}

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
    .privatePostgres,
    .slow,
    .timeLimit(.minutes(10)),
    .enabled(if: RecordedData.isAvailable, Comment(rawValue: RecordedData.skipped))
)
struct HostileRunTests {
    /// A message, the case it is if it is a hostile one, and the key of the row it makes, if it makes one.
    private struct Fed: Sendable {
        var subject: String
        var payload: [UInt8]
        var key: [UInt8]?
        var hostile: HostileCase?

        init(_ subject: String, _ payload: [UInt8], _ type: RecordType, _ hostile: HostileCase? = nil) {
            self.subject = subject
            self.payload = payload
            self.hostile = hostile
            var rows = RowBatch()
            let origin = MessageOrigin(sequence: 1, time: start, receivedAt: start)
            let decoder = RecordDecoder(type: type, catalog: .standard)
            do throws(DecodeError) {
                try decoder.decode(payload.span, subject: Array(subject.utf8).span, origin: origin, into: &rows)
                key = rows.key(of: rows.rows[0])
            } catch {
                key = nil
            }
        }
    }

    /// Every message by type, read once for all seeds.
    private static let all = Result {
        var all: [String: [Fed]] = [:]
        for message in try RecordedData.eraC() {
            guard let type = Catalog.standard.type(ofSubject: message.firstToken) else { continue }
            all[type.name, default: []].append(Fed(message.subject, message.payload, type))
        }
        for item in try HostileCase.all() {
            guard let type = item.type else { continue }
            all[type.name, default: []].append(Fed(item.subject, item.payload, type, item))
        }
        return all
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
            let rows = Int.random(in: 200...5_000, using: &generator)
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
        var fed = try all.get()
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

    /// Compares what became of each message with its case, and takes the rows of hostile ones away.
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
        let rows = Set(stored.compactMap { messages[$0 - 1].key })
        var rowsInGroup: [String: Set<[UInt8]>] = [:]
        var wrong: [String] = []  // one expectation for all: one a message takes longer than the lane does
        for (index, message) in messages.enumerated() {
            let isKept = kept.contains(index + 1)
            let (verdict, hostile) = (isKept ? "quarantine" : "store", message.hostile)
            if !isKept && !rows.contains(message.key ?? []) { wrong.append("nowhere: \(message.subject)") }
            if verdict != hostile?.expect ?? "store" && verdict != hostile?.alsoOk {
                wrong.append("\(verdict): \(hostile?.name ?? message.subject)")
            }
            if let group = hostile?.group, let key = message.key, !isKept {
                rowsInGroup[group, default: []].insert(key)
            }
        }
        #expect(wrong.isEmpty, "seed=\(seed)")
        for hostile in messages.compactMap(\.hostile) {
            guard let group = hostile.group, let rows = hostile.rowsInGroup else { continue }
            // Two books of one millisecond without an id have one key: the second is a conflict.
            let isContested = group == "orderbook/okxts"
            #expect(rowsInGroup[group]?.count == (isContested ? 1 : rows), "seed=\(seed): \(group)")
            if isContested { #expect(conflicts.count == 1) }
        }
        // What was recorded may be stored from the hostile message that repeats it.
        let recorded = Set(messages.filter { $0.hostile == nil }.compactMap(\.key))
        let hostile = stored.filter { !recorded.contains(messages[$0 - 1].key ?? []) }.map { "\($0)" }
        _ = try await connection.execute(
            "DELETE FROM thermocline_store.\(type.name) WHERE stream_seq = ANY ($1::bigint[])",
            [SQLText.array(hostile)]
        )
    }
}

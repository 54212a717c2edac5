import JetStream
import PrivateServers
import Records
import TestSupport
import Testing

/// Commands, starts that cannot work yet, and stops.
@Suite(.serialized, .privatePostgres, .privateNATS, .timeLimit(.minutes(5))) struct CommandTests {
    private func samples(_ count: Int) -> [SampleMessage] {
        Catalog.standard.types.flatMap { type in (0..<count).map { SampleMessage(type, number: $0) } }
    }

    @Test func `both roles end on SIGTERM with what they gathered committed and acknowledged`() async throws {
        let stage = try await Stage(["hot.batch.rows=50"])
        let both = try await stage.run(["both"])
        try await stage.awaitReading(both)
        async let published: Void = stage.publish(samples(2_000))
        try await poll("some of it stored", within: .seconds(20)) {
            Int(try await stage.scalar(stage.hot, "SELECT count(*) FROM thermocline.trade") ?? "") ?? 0 > 0
        }
        #expect(await both.stop() == .exited(0))
        #expect(both.lines("stopped").count == 1)
        try await published
        let connection = try await JetStreamConnection(ConnectionOptions(url: stage.natsURL, name: "test"))
        for row in try await stage.rows(
            stage.hot,
            "SELECT stream, consumer, last_seq FROM thermocline_store.ingest_position"
        ) {
            let (stream, name) = (try #require(row[0]), try #require(row[1]))
            let consumer = try #require(try await connection.consumer(stream, name))
            #expect("\(consumer.ackFloorStreamSequence)" == row[2], "\(stream)")
        }
        await connection.close()

        let again = try await stage.run(["both"])
        try await stage.awaitStored()
        for type in Catalog.standard.types.map(\.name) {
            #expect(try await stage.scalar(stage.hot, "SELECT count(*) FROM thermocline.\(type)") == "2000", "\(type)")
        }
        #expect(await again.stop() == .exited(0))
    }

    @Test(arguments: ["hot", "cold"]) func `applying a schema again changes nothing`(tier: String) async throws {
        let stage = try await Stage()
        let conninfo = tier == "hot" ? stage.hot : stage.cold
        let catalog = """
            SELECT c.oid, c.relname, c.relkind, c.relfilenode
            FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
            WHERE nspname IN ('thermocline', 'thermocline_store') ORDER BY 1
            """
        let before = try await stage.rows(conninfo, catalog)
        #expect(before.count > 20)
        try await stage.applySchema(tier)
        #expect(try await stage.rows(conninfo, catalog) == before)
    }

    @Test func `hot waits for a schema, says how to make it, and starts by itself`() async throws {
        let stage = try await Stage(appliesSchema: [])
        let hot = try await stage.run(["hot"])
        try await poll("health names the command", within: .seconds(30)) {
            let health = try await hot.health("hot")
            return health.status != "healthy" && health.trouble.contains("thermocline schema apply hot")
        }
        #expect(hot.process.isRunning)
        try await stage.applySchema("hot")
        try await stage.awaitReading(hot, within: .seconds(60))
        #expect(await hot.stop() == .exited(0))
    }

    @Test func `another width of bucket is refused with both values`() async throws {
        let stage = try await Stage()
        let other = ["archive.bucket=1h", "archive.range=1h"]
        let apply = try await stage.run(["schema", "apply", "hot"], other)
        #expect(try await apply.status() == .exited(1))
        let both = try await stage.run(["both"], other)
        for role in ["hot", "cold"] {
            try await poll("\(role) says why", within: .seconds(30)) {
                let health = try await both.health(role)
                return health.status != "healthy" && Self.namesBothWidths(health.trouble)
            }
        }
        #expect(Self.namesBothWidths(apply.output), "\(apply.output)")
        #expect(await both.stop() == .exited(0))
    }

    @Test func `a type without its key halts where its stream was made again, and goes on once it has it`() async throws
    {
        let position = ["types.trade.dedupe=position"]
        let stage = try await Stage()
        let refused = try await stage.run(["hot"], position)
        try await poll("health names both choices", within: .seconds(30)) {
            let trouble = try await refused.health("hot").trouble
            return trouble.contains("types.trade.dedupe = key") && trouble.contains("the configuration says position")
        }
        #expect(await refused.stop() == .exited(0))
        #expect(try await stage.run(["schema", "apply", "hot"], position).status() == .exited(0))
        let hot = try await stage.run(["hot"], position)
        try await stage.awaitReading(hot)
        let trades = (0..<50).map { SampleMessage(Catalog.standard.types[1], number: $0) }
        try await stage.publish(trades)
        try await stage.awaitStored()
        let connection = try await JetStreamConnection(ConnectionOptions(url: stage.natsURL, name: "test"))
        let source = "SELECT stream FROM thermocline_store.ingest_position WHERE stream ILIKE '%trade%'"
        let stream = try #require(try await stage.scalar(stage.hot, source))
        _ = try await connection.deleteStream(stream)
        _ = try await connection.createStream(StreamConfiguration(name: stream, subjects: ["trade.>"]))
        await connection.close()
        try await stage.publish(trades)
        try await poll("health says why and what to do", within: .seconds(60)) {
            let health = try await hot.health("hot")
            return health.status != "healthy" && health.trouble.contains("types.trade.dedupe = position")
                && health.trouble.contains("thermocline schema apply hot")
        }
        #expect(await hot.stop() == .exited(0))
        let rows = "SELECT count(*) FROM thermocline.trade"
        #expect(try await stage.scalar(stage.hot, rows) == "50")
        try await stage.applySchema("hot")
        let keyed = try await stage.run(["hot"])
        let place = "SELECT stream_epoch > 1 AND last_seq = 50 FROM thermocline_store.ingest_position"
        try await poll("the new epoch read", within: .seconds(60)) {
            try await stage.scalar(stage.hot, "\(place) WHERE stream = '\(stream)'") == "t"
        }
        #expect(try await stage.scalar(stage.hot, rows) == "50")
        #expect(try await stage.scalar(stage.hot, "SELECT count(*) FROM thermocline.gap WHERE type = 'trade'") == "1")
        #expect(await keyed.stop() == .exited(0))
    }

    private static func namesBothWidths(_ text: String) -> Bool {
        text.contains("86400000000") && text.contains("3600000000 ") && text.contains("archive.bucket")
    }

    @Test func `a port that is taken ends the program with a message that names it`() async throws {
        let stage = try await Stage(appliesSchema: [])
        let first = try await stage.run(["hot"])
        let port = try await first.port("hot")
        let second = try await stage.run(["hot"], ["hot.listen=127.0.0.1:\(port)"])
        #expect(try await second.status() == .exited(1))
        let message = second.output.split(separator: "\n").last ?? ""
        #expect(message.contains("127.0.0.1:\(port)") && message.contains("in use"), "\(message)")
        #expect(await first.stop() == .exited(0))
    }

    @Test func `check names every mistake at once`() async throws {
        let stage = try await Stage(appliesSchema: [])
        let check = try await stage.run(
            ["check"],
            ["hot.batch.rows=0", "archive.rnge=1h", "log.level=loud", "types.trades.enabled=true"]
        )
        #expect(try await check.status() == .exited(2))
        for mistake in ["hot.batch.rows", "archive.rnge", "archive.range", "log.level", "types.trades"] {
            #expect(check.output.contains(mistake), "\(check.output)")
        }
        let valid = try await stage.run(["check"])
        #expect(try await valid.status() == .exited(0))
        #expect(!valid.output.contains(stage.hot))
    }

    @Test func `check tells how a schema has drifted and what mends it, and does without databases`() async throws {
        let stage = try await Stage()
        #expect(try await stage.run(["check"]).status() == .exited(0))
        let table = "ALTER TABLE thermocline_store.trade"
        try await stage.script(stage.cold, "\(table) ADD COLUMN note text")
        let check = try await stage.run(["check"])
        #expect(try await check.status() == .exited(1))
        #expect(check.output.contains("trade: the cold schema has drifted"), "\(check.output)")
        #expect(check.output.contains("\(table) DROP COLUMN \"note\";"), "\(check.output)")
        try await stage.script(stage.cold, "\(table) DROP COLUMN note")
        #expect(try await stage.run(["check"]).status() == .exited(0))

        let away = try await Stage(coldProxy: try LoopbackPort.free(), appliesSchema: ["hot"])
        let alone = try await away.run(["check"])
        #expect(try await alone.status() == .exited(0))
        #expect(alone.output.contains("warning: the schema of cold was not compared"), "\(alone.output)")
    }
}

import Adapters
import JetStream
import Platform
import Postgres
import PrivateServers
import Records
import TestSupport
import Testing
import Tiering

/// What PostgreSQL refuses goes whole to quarantine, where the row is to blame; else the lane waits.
@Suite(.privatePostgres, .privateNATS, .timeLimit(.minutes(5))) struct RejectedRowsTests {
    static let trade = Catalog.standard.types[1]
    private static let table = "thermocline_store.trade"

    /// A rule that a user put on the table, and a message that breaks it.
    struct Rule: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let sql: String
        let sqlState: String
        let breach: [String: String]

        init(_ what: String, _ sqlState: String, _ sql: String, breach: [String: String]) {
            testDescription = what
            self.sqlState = sqlState
            self.sql = sql
            self.breach = breach
        }
    }

    static let rules = [
        Rule("a check", "23514", "ALTER TABLE \(table) ADD CHECK (price < 1000)", breach: ["price": "5000"]),
        Rule("not null", "23502", "ALTER TABLE \(table) ALTER is_maker SET NOT NULL", breach: ["is_maker": "null"]),
        Rule("an overflow", "22003", "CREATE INDEX ON \(table) ((price::numeric(5, 2)))", breach: ["price": "5000"]),
        // Each partition's has a name much like our key's, and the two first break it together.
        Rule(
            "a unique constraint",
            "23505",
            "ALTER TABLE \(table) ADD CONSTRAINT trade_ts_price_key UNIQUE (ts, price)",
            breach: ["price": "1.5", "trade_ts_ms": "1795000000000"]
        ),
        Rule(
            "a deferred foreign key",
            "23503",
            """
            CREATE TABLE side (side text PRIMARY KEY); INSERT INTO side VALUES ('buy');
            ALTER TABLE \(table) ADD FOREIGN KEY (side) REFERENCES side DEFERRABLE INITIALLY DEFERRED
            """,
            breach: ["side": #""sell""#]
        ),
        Rule(
            "a trigger",
            "P0001",
            """
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF NEW.price > 1000 THEN RAISE EXCEPTION 'too dear'; END IF; RETURN NEW; END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON \(table) FOR EACH ROW EXECUTE FUNCTION refuse()
            """,
            breach: ["price": "5000"]
        ),
    ]

    /// Good messages `numbers`, with one that breaks the rule after each tenth.
    private func batch(_ tiers: Tiers, _ rule: Rule, _ numbers: Range<Int>, from: UInt64) throws -> LaneBatch {
        var batch = LaneBatch(epoch: 1, from: from)
        batch.to = from
        for number in numbers {
            let good = ["side": #""buy""#]
            try tiers.add(SampleMessage(Self.trade, number: number, values: good), to: &batch, Self.trade)
            guard number % 10 == 0 else { continue }
            let bad = SampleMessage(Self.trade, number: 1_000 + number, values: good.merging(rule.breach) { $1 })
            try tiers.add(bad, to: &batch, Self.trade)
        }
        batch.repeated = batch.rows.deduplicateAndSort(as: Self.trade)
        return batch
    }

    @Test(arguments: rules) func `a row that breaks a user's rule is kept aside, the others are stored`(rule: Rule)
        async throws
    {
        let tiers = try await Tiers()
        try await tiers.tell(tiers.hot, rule.sql)
        let lane = try await tiers.claim(Self.trade)
        let straight = try batch(tiers, rule, 0..<60, from: 0)
        #expect(try await lane.commit(straight) == .committed(stored: 60, repeated: 0, quarantined: 6))
        // A key that is there sends the batch through staging, which must not swallow what breaks the rule.
        let staged = try batch(tiers, rule, 55..<75, from: 66)
        #expect(try await lane.commit(staged) == .committed(stored: 15, repeated: 5, quarantined: 2))
        let kept =
            "SELECT count(*) FROM thermocline.quarantine WHERE reason = 'rejected' AND sqlstate = '\(rule.sqlState)'"
        #expect(try await tiers.ask(tiers.hot, kept) == "8")
        let bad = "SELECT count(*) FROM thermocline.trade WHERE trade_id LIKE 'trade\\_id-1___'"
        #expect(try await tiers.ask(tiers.hot, bad) == "0")
        await lane.close()
    }

    @Test func `a row is to blame only where another one beside it fits`() async throws {
        let tiers = try await Tiers()
        try await tiers.tell(tiers.hot, Self.rules[0].sql)
        let lane = try await tiers.claim(Self.trade)
        var batch = LaneBatch(epoch: 1, from: 0)
        try tiers.add(SampleMessage(Self.trade, number: 0, values: ["price": "5000"]), to: &batch, Self.trade)
        let error = await #expect(throws: StoreError.self) { try await lane.commit(batch) }
        #expect(error?.disposition == .halt && error?.detail.contains("thermocline_store.trade") == true)
        #expect(try await tiers.ask(tiers.hot, "SELECT count(*) FROM thermocline.quarantine") == "0")
        try tiers.add(SampleMessage(Self.trade, number: 1), to: &batch, Self.trade)
        #expect(try await lane.commit(batch) == .committed(stored: 1, repeated: 0, quarantined: 1))
        await lane.close()
    }

    @Test func `the share that may be rejected counts by SQLSTATE`() async throws {
        let tiers = try await Tiers { $0.maxRejectedShare = 0 }
        try await tiers.tell(tiers.hot, Self.rules[0].sql)
        try await tiers.tell(tiers.hot, Self.rules[1].sql)
        let lane = try await tiers.claim(Self.trade)
        func batch(dear: Int, unknown: Int) throws -> LaneBatch {
            var batch = LaneBatch(epoch: 1, from: 0)
            for number in 0..<220 {
                let isDear = number < dear
                let values = isDear ? ["price": "5000"] : number < dear + unknown ? ["is_maker": "null"] : [:]
                try tiers.add(SampleMessage(Self.trade, number: number, values: values), to: &batch, Self.trade)
            }
            return batch
        }
        let error = await #expect(throws: StoreError.self) { try await lane.commit(try batch(dear: 101, unknown: 0)) }
        #expect(error?.disposition == .halt)
        #expect(try await tiers.ask(tiers.hot, "SELECT count(*) FROM thermocline.quarantine") == "0")
        #expect(
            try await lane.commit(try batch(dear: 100, unknown: 100))
                == .committed(stored: 20, repeated: 0, quarantined: 200)
        )
        await lane.close()
    }

    @Test func `a partition that is missing beside bad rows is made, and keeps nothing aside`() async throws {
        let tiers = try await Tiers()
        try await tiers.tell(tiers.hot, Self.rules[5].sql)
        let lane = try await tiers.claim(Self.trade)
        _ = try await lane.commit(try batch(tiers, Self.rules[5], 1..<5, from: 0))
        let find = "SELECT relname FROM pg_class WHERE relname ~ '^trade_p[0-9]+$'"
        let partition = try #require(try await tiers.ask(tiers.hot, find))
        try await tiers.tell(tiers.hot, "DROP TABLE thermocline_store.\(partition)")
        let mixed = try batch(tiers, Self.rules[5], 10..<30, from: 4)
        let error = await #expect(throws: StoreError.self) { try await lane.commit(mixed) }
        #expect(error?.disposition == .retry)
        #expect(try await lane.commit(mixed) == .committed(stored: 20, repeated: 0, quarantined: 2))
        await lane.close()
    }

    @Test func `a lane that halts because nothing fits says so, keeps all, and goes on when it is mended`()
        async throws
    {
        let tiers = try await Tiers()
        let options = ConnectionOptions(url: PrivateNATS.current.url, name: "test")
        let connection = try await JetStreamConnection(options)
        let stream = StreamConfiguration(name: "REJECTED", subjects: ["trade.>"])
        _ = try await connection.createStream(stream)
        let publisher = try JetStreamPublisher(connection)
        _ = try await publisher.store(
            (0..<20).map { SampleMessage(Self.trade, number: $0) }.map {
                OutgoingMessage($0.subject, $0.payload)
            }
        )
        try await tiers.tell(tiers.hot, "ALTER TABLE \(Self.table) ADD CONSTRAINT none CHECK (price < 0)")
        let (board, stop) = (LaneBoard(), Latch())
        let source = SourceID(stream: "REJECTED", filter: SourceID.everything)
        let runner = LaneRunner(
            LaneSettings(source: source, type: Self.trade, isShared: false, fetchWait: .milliseconds(100)),
            streams: JetStreamStreams(options, acknowledges: true),
            hot: PostgresHot(settings: tiers.settings, catalog: tiers.catalog),
            decoder: RecordDecoder(type: Self.trade, catalog: tiers.catalog),
            clock: ContinuousClock(),
            now: { Timestamp(micros: WallClock.now()) },
            board: board,
            report: { _ in }
        )
        async let running: Void = LaneService(runner, clock: ContinuousClock()).run(until: stop)
        try await poll("the lane says what is wrong", within: .seconds(20)) {
            let status = board.get(source)
            return status?.needsOperator == true && status?.trouble?.contains(Self.table) == true
        }
        #expect(try await tiers.ask(tiers.hot, "SELECT count(*) FROM thermocline.quarantine") == "0")
        try await tiers.tell(tiers.hot, "ALTER TABLE \(Self.table) DROP CONSTRAINT none")
        try await poll("everything stored", within: .seconds(40)) { board.get(source)?.stored == 20 }
        stop.open()
        try await running
        await connection.close()
    }
}

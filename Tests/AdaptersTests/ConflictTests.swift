import Adapters
import Platform
import Postgres
import PrivateServers
import Records
import TestSupport
import Testing
import Tiering

/// A key that comes again: stored once, and every message that says something else under it kept whole.
@Suite(.privatePostgres, .timeLimit(.minutes(5))) struct ConflictTests {
    static let types = Catalog.underTest.types
    static let trade = Catalog.standard.types[1]

    private func batch(
        _ tiers: Tiers,
        _ type: RecordType,
        _ messages: [(number: Int, note: String)],
        from: UInt64 = 0
    ) throws -> LaneBatch {
        var batch = LaneBatch(epoch: 1, from: from)
        batch.to = from
        for message in messages {
            let sample = SampleMessage(type, number: message.number, values: ["note": message.note])
            try tiers.add(sample, to: &batch, type)
        }
        batch.repeated = batch.rows.deduplicateAndSort(as: type)
        return batch
    }

    @Test(arguments: types)
    func `the first content of a key stays and every other goes whole to quarantine`(type: RecordType) async throws {
        let tiers = try await Tiers()
        let lane = try await tiers.claim(type)
        let first = try batch(tiers, type, (0..<10).map { ($0, "1") })
        #expect(try await lane.commit(first) == .committed(stored: 10, repeated: 0, quarantined: 0))
        // Five with other content, one of them twice; two that repeat; three that are new.
        let numbers = [(3, "2"), (4, "2"), (5, "2"), (6, "2"), (7, "2"), (3, "2"), (0, "1"), (1, "1")]
        let second = try batch(tiers, type, numbers + (10..<13).map { ($0, "1") }, from: 10)
        #expect(
            try await lane.commit(second) == .committed(stored: 3, repeated: 2, quarantined: 6, conflicts: 6)
        )
        let rows = "SELECT count(*) || ' ' || count(*) FILTER (WHERE extra ->> 'note' = '1')"
        #expect(try await tiers.ask(tiers.hot, "\(rows) FROM thermocline.\(type.name)") == "13 13")
        let kept = """
            SELECT string_agg(seq || ' ' || (convert_from(payload, 'UTF8')::jsonb ->> 'note'), ',' ORDER BY seq)
            FROM thermocline.quarantine WHERE reason = 'conflict'
            """
        #expect(try await tiers.ask(tiers.hot, kept) == "11 2,12 2,13 2,14 2,15 2,16 2")
        let detail = try await tiers.ask(tiers.hot, "SELECT detail FROM thermocline.quarantine WHERE seq = 11") ?? ""
        let start = "differs in extra from what was first stored under its key, by stream_seq 4: ts 2026-"
        #expect(detail.hasPrefix(start), "\(detail)")
        for column in type.keyColumns { #expect(detail.contains("\(column) "), "\(detail)") }
        let activity = "SELECT sum(rows) FROM thermocline_store.range_activity"
        #expect(try await tiers.ask(tiers.hot, activity) == "13")
        await lane.close()
    }

    @Test(arguments: types) func `one batch may hold all of it`(type: RecordType) async throws {
        let tiers = try await Tiers()
        let lane = try await tiers.claim(type)
        let contested = try batch(tiers, type, [(0, "1"), (1, "1"), (0, "2"), (0, "1"), (0, "2"), (0, "3"), (2, "9")])
        #expect(
            try await lane.commit(contested) == .committed(stored: 3, repeated: 1, quarantined: 3, conflicts: 3)
        )
        // The key is the other way round now: the first of the batch, and its repeat, are what conflicts.
        let again = try batch(tiers, type, [(0, "2"), (0, "2"), (0, "1")], from: 7)
        #expect(try await lane.commit(again) == .committed(stored: 0, repeated: 1, quarantined: 2, conflicts: 2))
        let kept = "SELECT string_agg(seq::text, ',' ORDER BY seq) FROM thermocline.quarantine"
        #expect(try await tiers.ask(tiers.hot, kept) == "3,5,6,8,9")
        await lane.close()
    }

    @Test func `two lanes that bring the same keys at once store each once, and keep whole what differs`() async throws
    {
        let tiers = try await Tiers()
        let hot = PostgresHot(settings: tiers.settings, catalog: tiers.catalog)
        func feed(_ stream: String, _ order: [Int]) async throws -> [CommitOutcome] {
            let source = SourceID(stream: stream, filter: SourceID.everything)
            guard case .claimed(let lane, _) = try await hot.claim(source, type: Self.trade, previous: nil) else {
                throw Tiers.NotClaimed()
            }
            _ = try await lane.startEpoch(1, created: Timestamp(micros: 1_000_000), at: 0, gap: nil)
            var outcomes: [CommitOutcome] = []
            for round in 0..<20 {
                // Every third message of a stream is its own; the others are equal.
                let messages = order.map { ($0 + 60 * round, $0 % 3 == 0 ? "\"\(stream)\"" : "1") }
                let batch = try batch(tiers, Self.trade, messages, from: UInt64(60 * round))
                while true {
                    do throws(StoreError) {
                        outcomes.append(try await lane.commit(batch))
                        break
                    } catch {
                        try #require(error.sqlState == "40P01", "\(error)")  // what a lane tries again
                    }
                }
            }
            await lane.close()
            return outcomes
        }
        async let one = feed("ONE", Array(0..<60))
        async let other = feed("OTHER", Array((0..<60).reversed()))
        var sums = (stored: 0, repeated: 0, quarantined: 0, conflicts: 0)
        for case .committed(let stored, let repeated, let quarantined, let conflicts) in try await one + other {
            sums = (
                sums.stored + stored, sums.repeated + repeated, sums.quarantined + quarantined,
                sums.conflicts + conflicts
            )
        }
        #expect(sums == (stored: 1_200, repeated: 800, quarantined: 400, conflicts: 400))
        #expect(try await tiers.ask(tiers.hot, "SELECT count(*) FROM thermocline.trade") == "1200")
        let kept = "SELECT count(*) FROM thermocline.quarantine WHERE reason = 'conflict'"
        #expect(try await tiers.ask(tiers.hot, kept) == "400")
    }

    @Test func `how a number was written is no conflict`() async throws {
        let tiers = try await Tiers()
        let lane = try await tiers.claim(Self.trade)
        for (position, price) in ["1.50", "15E-1", #""1.5""#].enumerated() {
            var batch = LaneBatch(epoch: 1, from: UInt64(position))
            try tiers.add(SampleMessage(Self.trade, values: ["price": price]), to: &batch, Self.trade)
            let stored = position == 0 ? 1 : 0
            #expect(
                try await lane.commit(batch) == .committed(stored: stored, repeated: 1 - stored, quarantined: 0)
            )
        }
        await lane.close()
    }

    @Test func `a conflict at the quarantine's bound stops the lane, and its batch stores nothing`() async throws {
        let tiers = try await Tiers { $0.maxQuarantineBytes = 1 }
        let lane = try await tiers.claim(Self.trade)
        _ = try await lane.commit(try batch(tiers, Self.trade, [(0, "1")]))
        let conflict = try batch(tiers, Self.trade, [(0, "2"), (1, "1")], from: 1)
        let error = await #expect(throws: StoreError.self) { try await lane.commit(conflict) }
        #expect(error?.disposition == .halt)
        #expect(error?.detail.contains("thermocline quarantine list") == true)
        #expect(try await tiers.ask(tiers.hot, "SELECT count(*) FROM thermocline.trade") == "1")
        await lane.close()
    }

    @Test func `rows that a trigger keeps back stop the lane, whichever way they went`() async throws {
        let tiers = try await Tiers()
        try await tiers.tell(
            tiers.hot,
            """
            CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF NEW.trade_id = 'trade_id-3' THEN RETURN NULL; END IF; RETURN NEW; END $$;
            CREATE TRIGGER swallow BEFORE INSERT ON thermocline_store.trade FOR EACH ROW EXECUTE FUNCTION swallow()
            """
        )
        let lane = try await tiers.claim(Self.trade)
        for contested in [[], [(0, "2")]] {
            let messages = (0..<5).map { ($0, "1") } + contested
            let error = await #expect(throws: StoreError.self) {
                try await lane.commit(try batch(tiers, Self.trade, messages))
            }
            #expect(error?.disposition == .halt && error?.detail.contains("1 rows were neither") == true)
        }
        #expect(try await tiers.ask(tiers.hot, "SELECT last_seq FROM thermocline_store.ingest_position") == "0")
        try await tiers.tell(tiers.hot, "DROP TRIGGER swallow ON thermocline_store.trade")
        let whole = try batch(tiers, Self.trade, (0..<5).map { ($0, "1") })
        #expect(try await lane.commit(whole) == .committed(stored: 5, repeated: 0, quarantined: 0))
        await lane.close()
    }

    @Test func `a row that is pruned before it is compared leaves its place to the message that came`() async throws {
        let tiers = try await Tiers()
        let lane = try await tiers.claim(Self.trade)
        _ = try await lane.commit(try batch(tiers, Self.trade, (0..<5).map { ($0, "1") }))
        // Between the INSERT that finds the keys and the comparison two of the rows go, once.
        try await tiers.tell(
            tiers.hot,
            """
            CREATE SEQUENCE once;
            CREATE FUNCTION prune() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF current_query() LIKE 'INSERT%' AND nextval('once') = 1 THEN
                    DELETE FROM thermocline_store.trade WHERE trade_id IN ('trade_id-1', 'trade_id-2');
                END IF; RETURN NULL; END $$;
            CREATE TRIGGER prune AFTER INSERT ON thermocline_store.trade FOR EACH STATEMENT EXECUTE FUNCTION prune()
            """
        )
        let again = try batch(tiers, Self.trade, [(0, "1"), (1, "1"), (2, "2"), (3, "2"), (5, "1")], from: 5)
        #expect(try await lane.commit(again) == .committed(stored: 3, repeated: 1, quarantined: 1, conflicts: 1))
        let rows = "SELECT string_agg(stream_seq::text, ',' ORDER BY stream_seq) FROM thermocline.trade"
        #expect(try await tiers.ask(tiers.hot, rows) == "1,4,5,7,8,10")
        await lane.close()
    }

    @Test func `after two dirty batches of eight a lane stages, and tries the direct way every 64th batch`()
        async throws
    {
        let tiers = try await Tiers()
        // Sequences count what is rolled back too.
        try await tiers.tell(
            tiers.hot,
            """
            CREATE SEQUENCE direct; CREATE SEQUENCE staged;
            CREATE FUNCTION tally() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF current_query() LIKE 'COPY%' THEN PERFORM nextval('direct'); ELSE PERFORM nextval('staged'); END IF;
                RETURN NULL; END $$;
            CREATE TRIGGER tally BEFORE INSERT ON thermocline_store.trade
                FOR EACH STATEMENT EXECUTE FUNCTION tally()
            """
        )
        let lane = try await tiers.claim(Self.trade)
        var position: UInt64 = 0
        var next = 0
        func commit(_ count: Int, dirty: Bool) async throws {
            for _ in 0..<count {
                let numbers = dirty && next > 0 ? [next - 1, next] : [next]
                _ = try await lane.commit(try batch(tiers, Self.trade, numbers.map { ($0, "1") }, from: position))
                position += UInt64(numbers.count)
                next += 1
            }
        }
        func expect(direct: Int, staged: Int, sourceLocation: SourceLocation = #_sourceLocation) async throws {
            let tallies = "SELECT (SELECT last_value FROM direct) || ' ' || (SELECT last_value FROM staged)"
            #expect(try await tiers.ask(tiers.hot, tallies) == "\(direct) \(staged)", sourceLocation: sourceLocation)
        }
        try await commit(10, dirty: false)
        try await expect(direct: 10, staged: 1)  // a sequence begins at 1
        try await commit(1, dirty: true)
        try await commit(1, dirty: false)
        try await expect(direct: 12, staged: 1)
        try await commit(1, dirty: true)
        try await expect(direct: 13, staged: 2)
        try await commit(63, dirty: true)
        try await expect(direct: 13, staged: 65)
        // The 64th is tried, found dirty, and staged; so is each 64th after it, until one is clean.
        try await commit(1, dirty: true)
        try await expect(direct: 14, staged: 66)
        try await commit(63, dirty: false)
        try await expect(direct: 14, staged: 129)
        try await commit(5, dirty: false)
        try await expect(direct: 19, staged: 129)
        #expect(try await tiers.ask(tiers.hot, "SELECT count(*) FROM thermocline.trade") == "\(next)")
        await lane.close()
    }
}

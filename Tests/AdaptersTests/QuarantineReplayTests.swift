import Adapters
import Platform
import Postgres
import PrivateServers
import Records
import TestSupport
import Testing
import Tiering

/// What was kept aside is stored once it fits, once, and only then leaves the quarantine.
@Suite(.privatePostgres, .timeLimit(.minutes(5))) struct QuarantineReplayTests {
    static let trade = Catalog.standard.types[1]
    static let later = Timestamp(milliseconds: 1_796_000_000_000)
    static let left = "SELECT count(*) FROM thermocline.quarantine"

    private func replay(
        _ tiers: Tiers,
        _ filter: QuarantineFilter = QuarantineFilter(),
        limit: Int = .max,
        isDryRun: Bool = false,
        maxPartitions: Int = 4_000
    ) async throws -> QuarantineReplay.Outcome {
        let connection = try await PostgresConnection(tiers.hot, applicationName: "test replay")
        var settings = tiers.settings
        settings.maxPartitions = maxPartitions
        let replay = QuarantineReplay(
            catalog: tiers.catalog,
            connection: connection,
            settings: settings,
            decoder: { RecordDecoder(type: $0, catalog: tiers.catalog) },
            isDryRun: isDryRun,
            now: Self.later
        )
        do {
            let outcome = try await replay.run(filter, limit: limit)
            await connection.close()
            return outcome
        } catch {
            await connection.close()
            throw error
        }
    }

    /// What a replay must not change twice: rows, activity, quarantine and position.
    private func state(_ tiers: Tiers) async throws -> String? {
        try await tiers.ask(
            tiers.hot,
            """
            SELECT (SELECT count(*) FROM thermocline.trade)
                || ' ' || (SELECT coalesce(string_agg(bucket || writer || rows || stamp, ',' ORDER BY writer), '')
                    FROM thermocline_store.range_activity)
                || ' ' || (SELECT coalesce(string_agg(seq || reason || detail, ',' ORDER BY seq), '')
                    FROM thermocline_store.quarantine)
                || ' ' || (SELECT string_agg(last_seq::text, ',') FROM thermocline_store.ingest_position)
            """
        )
    }

    private func outcome(
        stored: Int = 0,
        repeated: Int = 0,
        staying: [String: Int] = [:]
    ) -> QuarantineReplay.Outcome {
        var outcome = QuarantineReplay.Outcome()
        outcome.stored = stored
        outcome.repeated = repeated
        outcome.staying = staying
        return outcome
    }

    @Test func `rejected rows are stored once their constraint is dropped, and not before`() async throws {
        let tiers = try await Tiers()
        try await tiers.tell(tiers.hot, "ALTER TABLE thermocline_store.trade ADD CONSTRAINT odd CHECK (price < 51)")
        let lane = try await tiers.claim(Self.trade)
        #expect(
            try await lane.commit(try tiers.batch(Self.trade, 0..<100))
                == .committed(stored: 50, repeated: 0, quarantined: 50)
        )
        let before = try await state(tiers)
        #expect(try await replay(tiers) == outcome(staying: ["rejected": 50]))
        #expect(try await state(tiers) == before)
        try await tiers.tell(tiers.hot, "ALTER TABLE thermocline_store.trade DROP CONSTRAINT odd")
        #expect(try await replay(tiers, isDryRun: true) == outcome(stored: 50))
        #expect(try await state(tiers) == before)
        #expect(try await replay(tiers, limit: 20) == outcome(stored: 20))
        #expect(try await replay(tiers) == outcome(stored: 30))
        #expect(try await tiers.ask(tiers.hot, Self.left) == "0")
        let writers =
            "SELECT string_agg(writer || ' ' || rows, ',' ORDER BY rows) FROM thermocline_store.range_activity"
        #expect(try await tiers.ask(tiers.hot, writers) == "TEST_trade/> 50,replay 50")
        let after = try await state(tiers)
        #expect(try await replay(tiers) == outcome())
        #expect(try await state(tiers) == after)
        // The lane goes on from its own position.
        #expect(
            try await lane.commit(try tiers.batch(Self.trade, 90..<110, from: 100))
                == .committed(stored: 10, repeated: 10, quarantined: 0)
        )
        await lane.close()
    }

    @Test func `conflicts stay, exact repeats go, and the reason of what stays is today's`() async throws {
        let tiers = try await Tiers()
        let lane = try await tiers.claim(Self.trade)
        _ = try await lane.commit(try tiers.batch(Self.trade, 0..<5))
        var batch = LaneBatch(epoch: 1, from: 5)
        batch.to = 5
        for number in [2, 3] {
            let other = SampleMessage(Self.trade, number: number, values: ["price": "7"])
            try tiers.add(other, to: &batch, Self.trade)
        }
        #expect(try await lane.commit(batch) == .committed(stored: 0, repeated: 0, quarantined: 2, conflicts: 2))
        await lane.close()
        #expect(try await replay(tiers) == outcome(staying: ["conflict": 2]))
        // An operator decides for one of them; the other is what an older program could not read.
        try await tiers.tell(
            tiers.hot,
            """
            UPDATE thermocline_store.trade SET price = 7 WHERE trade_id = 'trade_id-2';
            UPDATE thermocline_store.quarantine SET reason = 'invalid_json', detail = 'old' WHERE seq = 7
            """
        )
        #expect(try await replay(tiers) == outcome(repeated: 1, staying: ["conflict": 1]))
        let detail = "SELECT reason || ' ' || (detail LIKE 'differs in price %') FROM thermocline.quarantine"
        #expect(try await tiers.ask(tiers.hot, detail) == "conflict true")
        #expect(try await tiers.ask(tiers.hot, "SELECT count(*) FROM thermocline.trade") == "5")
    }

    @Test func `what had no partition is stored once the limit allows it`() async throws {
        let tiers = try await Tiers(daysLate: 1) { $0.maxPartitions = 0 }
        let lane = try await tiers.claim(Self.trade)
        _ = try await lane.commit(try tiers.batch(Self.trade, 0..<3))
        await lane.close()
        #expect(try await replay(tiers, maxPartitions: 0) == outcome(staying: ["no_partition": 3]))
        #expect(try await replay(tiers, isDryRun: true) == outcome(stored: 3))
        let partitions = "SELECT count(*) FROM pg_class WHERE relname ~ '^trade_p[0-9]+$'"
        #expect(try await tiers.ask(tiers.hot, partitions) == "0")
        #expect(try await replay(tiers) == outcome(stored: 3))
        #expect(try await tiers.ask(tiers.hot, partitions) == "1")
    }

    @Test func `messages of all types, of reused sequences, of no type and of zero bytes find their way`() async throws
    {
        let tiers = try await Tiers()
        var expected = outcome(stored: 3 * tiers.catalog.types.count, staying: ["invalid_json": 1])
        expected.unknown = ["ticker.binance.spot.BTC-USDT": 1]
        var rows: [String] = []
        func add(_ sequence: Int, _ seconds: Int, _ subject: String, _ payload: [UInt8]) {
            let hex = payload.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            let time = "'2026-11-20T12:00:00Z'::timestamptz + interval '\(seconds) s'"
            rows.append("('S', \(sequence), \(time), '\(subject)', '', '\\x\(hex)', 'old', 'old')")
        }
        // Sequence 1 to 8 twice: the stream was made again; types mixed, as on a shared stream.
        for life in 0..<3 {
            for (sequence, type) in tiers.catalog.types.enumerated() {
                let sample = SampleMessage(type, number: life)
                add(sequence, life, sample.subject, sample.payload)
            }
        }
        add(99, 0, "ticker.binance.spot.BTC-USDT", Array("{}".utf8))
        add(100, 0, "trade.binance.spot.BTC-USDT", [0, 1, 0x7B, 0, 0xFF])
        try await tiers.tell(
            tiers.hot,
            """
            INSERT INTO thermocline_store.quarantine
                (stream, seq, message_time, subject, headers, payload, reason, detail)
            VALUES \(rows.joined(separator: ", "))
            """
        )
        var filter = QuarantineFilter()
        filter.type = .unknown
        #expect(try await replay(tiers, filter).unknown == expected.unknown)
        #expect(try await replay(tiers) == expected)
        #expect(try await tiers.ask(tiers.hot, Self.left) == "2")
        for type in tiers.catalog.types {
            #expect(try await tiers.ask(tiers.hot, "SELECT count(*) FROM thermocline.\(type.name)") == "3")
        }
    }

    @Test func `two replays at once store everything once`() async throws {
        let tiers = try await Tiers()
        try await tiers.tell(tiers.hot, "ALTER TABLE thermocline_store.trade ADD CONSTRAINT odd CHECK (price < 400)")
        let lane = try await tiers.claim(Self.trade)
        _ = try await lane.commit(try tiers.batch(Self.trade, 0..<480))
        _ = try await lane.commit(try tiers.batch(Self.trade, 300..<480, from: 480))
        await lane.close()
        let aside = Int(try await tiers.ask(tiers.hot, Self.left) ?? "") ?? 0
        #expect(aside == 162)
        try await tiers.tell(tiers.hot, "ALTER TABLE thermocline_store.trade DROP CONSTRAINT odd")
        async let first = replay(tiers)
        async let second = replay(tiers)
        let outcomes = try await [first, second]
        #expect(outcomes.reduce(0) { $0 + $1.stored } == 81)
        #expect(outcomes.reduce(0) { $0 + $1.repeated } == 81)
        #expect(try await tiers.ask(tiers.hot, Self.left) == "0")
        #expect(try await tiers.ask(tiers.hot, "SELECT count(*) FROM thermocline.trade") == "480")
        let rows = "SELECT sum(rows) FROM thermocline_store.range_activity"
        #expect(try await tiers.ask(tiers.hot, rows) == "480")
    }

    @Test func `a replay that is ended between changes nothing`() async throws {
        let tiers = try await Tiers(daysLate: 1) { $0.maxPartitions = 0 }
        let lane = try await tiers.claim(Self.trade)
        _ = try await lane.commit(try tiers.batch(Self.trade, 0..<9))
        await lane.close()
        let before = try await state(tiers)
        // The last thing before COMMIT waits for this: rows are stored by then, and messages released.
        let holder = try await PostgresConnection(tiers.hot, applicationName: "test")
        try await holder.begin()
        _ = try await holder.execute("LOCK TABLE thermocline_store.range_activity IN EXCLUSIVE MODE")
        async let ended = replay(tiers)
        let backend = "FROM pg_stat_activity WHERE application_name = 'test replay' AND wait_event_type = 'Lock'"
        try await poll("the replay waits", within: .seconds(20)) {
            try await tiers.ask(tiers.hot, "SELECT count(*) \(backend)") == "1"
        }
        try await tiers.tell(tiers.hot, "SELECT pg_terminate_backend(pid) \(backend)")
        do {
            _ = try await ended
            Issue.record("the replay was not ended")
        } catch let error as StoreError {
            #expect(error.disposition == .retry)
        }
        await holder.close()
        #expect(try await state(tiers) == before)
        #expect(try await replay(tiers) == outcome(stored: 9))
    }
}

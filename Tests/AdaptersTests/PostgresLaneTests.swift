import Platform
import Adapters
import Postgres
import PrivateServers
import Records
import TestSupport
import Testing
import Tiering

@Suite(.privatePostgres, .timeLimit(.minutes(5))) struct PostgresLaneTests {
    static let types = Catalog.underTest.types
    static let trade = Catalog.standard.types[1]

    @Test(arguments: types) func `a batch is stored with its position and activity`(type: RecordType) async throws {
        let tiers = try await Tiers()
        let lane = try await tiers.claim(type)
        #expect(
            try await lane.commit(try tiers.batch(type, 0..<50)) == .committed(stored: 50, repeated: 0, quarantined: 0)
        )
        #expect(try await tiers.ask(tiers.hot, "SELECT count(*) FROM thermocline.\(type.name)") == "50")
        let activity = "SELECT sum(rows) FROM thermocline_store.range_activity WHERE type = '\(type.name)'"
        #expect(try await tiers.ask(tiers.hot, activity) == "50")
        #expect(try await tiers.ask(tiers.hot, "SELECT last_seq FROM thermocline_store.ingest_position") == "50")
        await lane.close()
    }

    @Test(arguments: types) func `repeated keys are stored once and change no stamp`(type: RecordType) async throws {
        let tiers = try await Tiers()
        let lane = try await tiers.claim(type)
        let stamp = "SELECT string_agg(stamp::text, ' ' ORDER BY bucket) FROM thermocline_store.range_activity"
        _ = try await lane.commit(try tiers.batch(type, 0..<20))
        let before = try await tiers.ask(tiers.hot, stamp)
        let again = try await lane.commit(try tiers.batch(type, 0..<20, from: 20))
        #expect(again == .committed(stored: 0, repeated: 20, quarantined: 0))
        #expect(try await tiers.ask(tiers.hot, stamp) == before)
        let mixed = try await lane.commit(try tiers.batch(type, 10..<30, from: 40))
        #expect(mixed == .committed(stored: 10, repeated: 10, quarantined: 0))
        #expect(try await tiers.ask(tiers.hot, stamp) != before)
        #expect(try await tiers.ask(tiers.hot, "SELECT count(*) FROM thermocline.\(type.name)") == "30")
        await lane.close()
    }

    @Test func `a column that a user added with a default is no obstacle for what repeats`() async throws {
        let tiers = try await Tiers()
        let lane = try await tiers.claim(Self.trade)
        let table = "ALTER TABLE thermocline_store.trade"
        _ = try await tiers.ask(tiers.hot, "\(table) ADD COLUMN desk text NOT NULL DEFAULT 'main'")
        _ = try await lane.commit(try tiers.batch(Self.trade, 0..<5))
        let again = try await lane.commit(try tiers.batch(Self.trade, 3..<8, from: 5))
        #expect(again == .committed(stored: 3, repeated: 2, quarantined: 0))
        #expect(try await tiers.ask(tiers.hot, "SELECT count(desk) FROM thermocline_store.trade") == "8")
        await lane.close()
    }

    @Test func `a batch whose commit was lost is found to have happened`() async throws {
        let tiers = try await Tiers()
        let lane = try await tiers.claim(Self.trade)
        let batch = try tiers.batch(Self.trade, 0..<5)
        _ = try await lane.commit(batch)
        #expect(try await lane.commit(batch) == .positionMoved)
        #expect(try await tiers.ask(tiers.hot, "SELECT count(*) FROM thermocline.trade") == "5")
        await lane.close()
    }

    @Test func `a live owner is waited for, a dead one costs no wait`() async throws {
        let tiers = try await Tiers()
        let hot = PostgresHot(settings: tiers.settings, catalog: tiers.catalog)
        let lane = try await tiers.claim(Self.trade)
        guard case .held(let owner) = try await hot.claim(tiers.source(Self.trade), type: Self.trade, previous: nil)
        else { throw Tiers.NotClaimed() }
        #expect(owner.hasPrefix(lane.owner))
        await lane.close()
        // Its session is gone: `seen_at` is still young, and nobody waits for it to grow old.
        let successor = try await poll("the lane is free") { try? await tiers.claim(Self.trade) }
        #expect(successor.owner != lane.owner)
        await successor.close()
    }

    @Test func `an owner that was not seen for long is ended and fenced`() async throws {
        let tiers = try await Tiers { $0.takeover = .milliseconds(1) }
        let stale = try await tiers.claim(Self.trade)
        try await tiers.tell(tiers.hot, "UPDATE thermocline_store.ingest_position SET seen_at = now() - interval '1 h'")
        let successor = try await tiers.claim(Self.trade)
        await #expect(throws: StoreError.self) { try await stale.commit(try tiers.batch(Self.trade, 0..<5)) }
        #expect(
            try await successor.commit(try tiers.batch(Self.trade, 0..<5))
                == .committed(stored: 5, repeated: 0, quarantined: 0)
        )
        await successor.close()
    }

    @Test func `an owner in a long transaction is not taken for a dead one`() async throws {
        let tiers = try await Tiers { $0.takeover = .milliseconds(1) }
        let lane = try await tiers.claim(Self.trade)
        // The last thing before COMMIT waits for this.
        let holder = try await PostgresConnection(tiers.hot, applicationName: "test")
        try await holder.begin()
        _ = try await holder.execute("LOCK TABLE thermocline_store.range_activity IN EXCLUSIVE MODE")
        async let outcome = lane.commit(try tiers.batch(Self.trade, 0..<5))
        let waiting =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        try await poll("the owner waits", within: .seconds(20)) { try await tiers.ask(tiers.hot, waiting) == "1" }
        await #expect(throws: Tiers.NotClaimed.self) { try await tiers.claim(Self.trade) }
        await holder.rollback()
        #expect(try await outcome == .committed(stored: 5, repeated: 0, quarantined: 0))
        await holder.close()
        await lane.close()
    }

    @Test func `the fence alone keeps a former owner from committing`() async throws {
        let tiers = try await Tiers()
        let lane = try await tiers.claim(Self.trade)
        try await tiers.tell(
            tiers.hot,
            "UPDATE thermocline_store.ingest_position SET owner = 'another', owner_host = 'h'"
        )
        #expect(try await lane.commit(try tiers.batch(Self.trade, 0..<5)) == .lost(owner: "another on h"))
        #expect(try await tiers.ask(tiers.hot, "SELECT count(*) FROM thermocline.trade") == "0")
        await lane.close()
    }

    @Test func `the fence keeps a batch of an epoch that is past from being stored`() async throws {
        let tiers = try await Tiers()
        let lane = try await tiers.claim(Self.trade)
        // The next life of the stream, at the sequence where the batch of the first one begins.
        #expect(try await lane.startEpoch(2, created: Timestamp(micros: 2_000_000), at: 0, gap: nil))
        #expect(try await lane.commit(try tiers.batch(Self.trade, 0..<5)) == .positionMoved)
        #expect(try await tiers.ask(tiers.hot, "SELECT count(*) FROM thermocline.trade") == "0")
        await lane.close()
    }

    @Test func `rows that the database rejects go whole to quarantine, the others are stored`() async throws {
        let tiers = try await Tiers()
        try await tiers.tell(
            tiers.hot,
            "ALTER TABLE thermocline_store.trade ADD CONSTRAINT not_seven CHECK (trade_id NOT LIKE '%7')"
        )
        let lane = try await tiers.claim(Self.trade)
        #expect(
            try await lane.commit(try tiers.batch(Self.trade, 0..<100))
                == .committed(stored: 90, repeated: 0, quarantined: 10)
        )
        let rejected = "SELECT count(*) FROM thermocline.quarantine WHERE reason = 'rejected' AND sqlstate = '23514'"
        #expect(try await tiers.ask(tiers.hot, rejected) == "10")
        let payload =
            "SELECT convert_from(payload, 'UTF8')::jsonb ->> 'trade_id' FROM thermocline.quarantine ORDER BY seq"
        #expect(try await tiers.ask(tiers.hot, payload) == "trade_id-7")
        await lane.close()
    }

    @Test func `a batch that fails whole stops the lane and quarantines nothing`() async throws {
        let tiers = try await Tiers()
        try await tiers.tell(tiers.hot, "ALTER TABLE thermocline_store.trade ADD CONSTRAINT none CHECK (price < 0)")
        let lane = try await tiers.claim(Self.trade)
        let error = await #expect(throws: StoreError.self) { try await lane.commit(try tiers.batch(Self.trade, 0..<9)) }
        #expect(error?.disposition == .halt)
        #expect(try await tiers.ask(tiers.hot, "SELECT count(*) FROM thermocline.quarantine") == "0")
        #expect(try await tiers.ask(tiers.hot, "SELECT last_seq FROM thermocline_store.ingest_position") == "0")
        await lane.close()
    }

    @Test func `beyond its partitions a type's rows go to quarantine`() async throws {
        let tiers = try await Tiers(daysLate: 1) { $0.maxPartitions = 0 }
        let lane = try await tiers.claim(Self.trade)
        #expect(
            try await lane.commit(try tiers.batch(Self.trade, 0..<3))
                == .committed(stored: 0, repeated: 0, quarantined: 3)
        )
        let refused = "SELECT count(*) FROM thermocline.quarantine WHERE reason = 'no_partition'"
        #expect(try await tiers.ask(tiers.hot, refused) == "3")
        await lane.close()
    }

    @Test func `at the quarantine's bound the lane stops rather than drop`() async throws {
        let tiers = try await Tiers(daysLate: 1) {
            $0.maxPartitions = 0
            $0.maxQuarantineBytes = 1
        }
        let lane = try await tiers.claim(Self.trade)
        let error = await #expect(throws: StoreError.self) { try await lane.commit(try tiers.batch(Self.trade, 0..<3)) }
        #expect(error?.disposition == .halt)
        #expect(try await tiers.ask(tiers.hot, "SELECT last_seq FROM thermocline_store.ingest_position") == "0")
        await lane.close()
    }

    @Test func `a lane at the quarantine's bound goes on once messages were dropped`() async throws {
        let bound = 400_000
        let tiers = try await Tiers(daysLate: 1) {
            $0.maxPartitions = 0
            $0.maxQuarantineBytes = bound
        }
        let lane = try await tiers.claim(Self.trade)
        var from: UInt64 = 0
        let error = await #expect(throws: StoreError.self) {
            while from < 10_000 {
                _ = try await lane.commit(try tiers.batch(Self.trade, 0..<100, from: from))
                from += 100
            }
        }
        #expect(error?.disposition == .halt && error?.detail.contains("thermocline quarantine drop") == true)
        // Nearly full: what was deleted and what the indexes take is not counted twice.
        #expect(from >= 500, "\(from)")
        let connection = try await PostgresConnection(tiers.hot, applicationName: "test")
        var filter = QuarantineFilter()
        filter.reason = "no_partition"
        let desk = QuarantineDesk(catalog: tiers.catalog, connection: connection)
        #expect(try await desk.drop(filter) == Int(from))
        await connection.close()
        #expect(
            try await lane.commit(try tiers.batch(Self.trade, 0..<100, from: from))
                == .committed(stored: 0, repeated: 0, quarantined: 100)
        )
        await lane.close()
    }

    @Test func `a partition that was taken away is made again`() async throws {
        let tiers = try await Tiers()
        let lane = try await tiers.claim(Self.trade)
        _ = try await lane.commit(try tiers.batch(Self.trade, 0..<3))
        let partition = try #require(
            try await tiers.ask(tiers.hot, "SELECT relname FROM pg_class WHERE relname ~ '^trade_p[0-9]+$'")
        )
        try await tiers.tell(tiers.hot, "DROP TABLE thermocline_store.\(partition)")
        let batch = try tiers.batch(Self.trade, 3..<6, from: 3)
        let error = await #expect(throws: StoreError.self) { try await lane.commit(batch) }
        #expect(error?.disposition == .retry)
        #expect(try await lane.commit(batch) == .committed(stored: 3, repeated: 0, quarantined: 0))
        await lane.close()
    }

    @Test func `a gap is written with the position that jumps over it`() async throws {
        let tiers = try await Tiers()
        let lane = try await tiers.claim(Self.trade)
        var batch = try tiers.batch(Self.trade, 0..<3, from: 7)
        batch.from = 0
        batch.gaps = [Gap(cause: .discarded, epoch: 1, firstSequence: 1, lastSequence: 7, isSuspected: false)]
        _ = try await lane.commit(batch)
        let gap = "SELECT cause || ' ' || first_seq || '-' || last_seq FROM thermocline.gap"
        #expect(try await tiers.ask(tiers.hot, gap) == "discarded 1-7")
        await lane.close()
    }

    @Test func `a gap and the position that jumps over it are written together or not at all`() async throws {
        let tiers = try await Tiers()
        let lane = try await tiers.claim(Self.trade)
        var batch = try tiers.batch(Self.trade, 0..<3, from: 7)
        batch.gaps = [Gap(cause: .discarded, epoch: 1, firstSequence: 1, lastSequence: 7, isSuspected: false)]
        let written =
            "SELECT (SELECT count(*) FROM thermocline.gap) || ' ' || last_seq FROM "
            + "thermocline_store.ingest_position"
        // From where the position is not.
        #expect(try await lane.commit(batch) == .positionMoved)
        #expect(try await tiers.ask(tiers.hot, written) == "0 0")
        batch.from = 0
        try await tiers.tell(tiers.hot, "ALTER TABLE thermocline_store.gap ADD CONSTRAINT closed CHECK (false)")
        await #expect(throws: StoreError.self) { try await lane.commit(batch) }
        #expect(try await tiers.ask(tiers.hot, written) == "0 0")
        try await tiers.tell(tiers.hot, "ALTER TABLE thermocline_store.gap DROP CONSTRAINT closed")
        #expect(try await lane.commit(batch) == .committed(stored: 3, repeated: 0, quarantined: 0))
        #expect(try await tiers.ask(tiers.hot, written) == "1 10")
        await lane.close()
    }

    @Test func `an epoch neither starts again nor goes back`() async throws {
        let tiers = try await Tiers()
        let lane = try await tiers.claim(Self.trade)
        _ = try await lane.commit(try tiers.batch(Self.trade, 0..<5))
        for epoch in [Int64(1), 0] {
            #expect(try await !lane.startEpoch(epoch, created: Timestamp(micros: 2_000_000), at: 0, gap: nil))
        }
        let position = "SELECT stream_epoch || ' ' || last_seq FROM thermocline_store.ingest_position"
        #expect(try await tiers.ask(tiers.hot, position) == "1 5")
        await lane.close()
    }
}

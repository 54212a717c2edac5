import Adapters
import Digest
import Platform
import Postgres
import PrivateServers
import Records
import TestSupport
import Testing
import Tiering

/// `types.T.dedupe: position`: no index, no comparison; exactly once rests on the position alone.
@Suite(.privatePostgres, .timeLimit(.minutes(5))) struct PositionTests {
    static let types = Catalog.underTest.deduplicated { _ in .position }.types
    static let trade = types[1]
    static let keyed = Catalog.standard.types[1]

    private func indexes(_ tiers: Tiers) async throws -> String? {
        try await tiers.ask(
            tiers.hot,
            """
            SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
            WHERE i.indisunique AND c.relname ~ '^trade(_p[0-9]+)?$'
            """
        )
    }

    private func apply(_ tiers: Tiers, _ dedupe: Deduplication) async throws {
        let connection = try await PostgresConnection(tiers.hot, applicationName: "test schema")
        let keeper = SchemaKeeper(tier: .hot, catalog: tiers.catalog.deduplicated { _ in dedupe })
        do {
            try await keeper.apply(on: connection, bucketMicros: Tiers.bucket)
        } catch {
            await connection.close()
            throw error
        }
        await connection.close()
    }

    /// What a role with this configuration is told, if it is refused.
    private func refusal(_ tiers: Tiers, _ dedupe: Deduplication) async throws -> String? {
        let hot = PostgresHot(settings: tiers.settings, catalog: tiers.catalog.deduplicated { _ in dedupe })
        do throws(StoreError) {
            let connection = try await hot.connectChecked("test")
            await connection.close()
            return nil
        } catch {
            #expect(error.code == .schema && error.disposition == .halt)
            return error.detail
        }
    }

    @Test(arguments: types) func `what comes again is stored again, and what was committed is not`(type: RecordType)
        async throws
    {
        let tiers = try await Tiers(dedupe: .position)
        let lane = try await tiers.claim(type)
        let batch = try tiers.batch(type, 0..<20)
        #expect(try await lane.commit(batch) == .committed(stored: 20, repeated: 0, quarantined: 0))
        #expect(try await lane.commit(batch) == .positionMoved)
        let again = try tiers.batch(type, 10..<30, from: 20)
        #expect(try await lane.commit(again) == .committed(stored: 20, repeated: 0, quarantined: 0))
        #expect(try await tiers.ask(tiers.hot, "SELECT count(*) FROM thermocline.\(type.name)") == "40")
        let activity = "SELECT sum(rows) FROM thermocline_store.range_activity"
        #expect(try await tiers.ask(tiers.hot, activity) == "40")
        #expect(try await indexes(tiers) == "0")
        await lane.close()
    }

    @Test func `rows that are refused are found without the key`() async throws {
        let tiers = try await Tiers(dedupe: .position)
        try await tiers.tell(tiers.hot, "ALTER TABLE thermocline_store.trade ADD CHECK (price < 51)")
        let lane = try await tiers.claim(Self.trade)
        #expect(
            try await lane.commit(try tiers.batch(Self.trade, 0..<100))
                == .committed(stored: 50, repeated: 0, quarantined: 50)
        )
        await lane.close()
    }

    @Test func `a stream that is read by another filter than before halts the lane`() async throws {
        let tiers = try await Tiers(dedupe: .position)
        let lane = try await tiers.claim(Self.trade)
        _ = try await lane.commit(try tiers.batch(Self.trade, 0..<5))
        let hot = PostgresHot(settings: tiers.settings, catalog: tiers.catalog)
        let other = SourceID(stream: tiers.source(Self.trade).stream, filter: "trade.>")
        guard case .claimed(let another, _) = try await hot.claim(other, type: Self.trade, previous: nil)
        else { throw Tiers.NotClaimed() }
        let error = await #expect(throws: StoreError.self) {
            _ = try await another.startEpoch(1, created: Timestamp(micros: 1_000_000), at: 0, gap: nil)
        }
        #expect(error?.disposition == .halt && error?.detail.contains("another filter") == true)
        await another.close()
        await lane.close()
    }

    @Test func `a stream that went back halts the lane, which says what to do`() async throws {
        let tiers = try await Tiers(dedupe: .position)
        let lane = try await tiers.claim(Self.trade)
        _ = try await lane.commit(try tiers.batch(Self.trade, 0..<5))
        let position = "SELECT stream_epoch || ' ' || last_seq FROM thermocline_store.ingest_position"
        for cause in [Gap.Cause.regression, .recreated] {
            let gap = Gap(cause: cause, epoch: 1, firstSequence: nil, lastSequence: nil, isSuspected: true)
            let error = await #expect(throws: StoreError.self) {
                _ = try await lane.startEpoch(2, created: Timestamp(micros: 2_000_000), at: 0, gap: gap)
            }
            #expect(error?.disposition == .halt)
            #expect(error?.detail.contains("types.trade.dedupe = position") == true)
            #expect(error?.detail.contains("thermocline schema apply hot") == true)
            #expect(try await tiers.ask(tiers.hot, position) == "1 5")
        }
        // A stream whose end was noted comes back without a hole, and may hold the same.
        let deleted = Gap(cause: .deleted, epoch: 1, firstSequence: 6, lastSequence: nil, isSuspected: true)
        #expect(try await lane.startEpoch(2, created: nil, at: 0, gap: deleted))
        await #expect(throws: StoreError.self) {
            _ = try await lane.startEpoch(3, created: Timestamp(micros: 2_000_000), at: 0, gap: nil)
        }
        await lane.close()
        // The remedy: everything is read again, under its key.
        try await apply(tiers, .key)
        let hot = PostgresHot(settings: tiers.settings, catalog: .underTest)
        guard
            case .claimed(let again, _) = try await hot.claim(
                tiers.source(Self.trade),
                type: Self.keyed,
                previous: nil
            )
        else { throw Tiers.NotClaimed() }
        #expect(try await again.startEpoch(3, created: Timestamp(micros: 2_000_000), at: 0, gap: nil))
        var batch = try tiers.batch(Self.keyed, 0..<8)
        batch.epoch = 3
        #expect(try await again.commit(batch) == .committed(stored: 3, repeated: 5, quarantined: 0))
        await again.close()
    }

    @Test func `the schema keeps the choice, and a role that was told otherwise is refused with both`() async throws {
        let tiers = try await Tiers()
        let lane = try await tiers.claim(Self.keyed)
        _ = try await lane.commit(try tiers.batch(Self.keyed, 0..<5))
        #expect(try await indexes(tiers) == "2")
        #expect(try await refusal(tiers, .key) == nil)
        let told = try await refusal(tiers, .position) ?? ""
        #expect(told.contains("dedupe = key") && told.contains("says position"), "\(told)")
        #expect(told.contains("thermocline schema apply hot"))

        try await apply(tiers, .position)
        #expect(try await indexes(tiers) == "0")
        #expect(try await refusal(tiers, .position) == nil)
        #expect(try await refusal(tiers, .key)?.contains("dedupe = position") == true)
        // The lane that ran meanwhile believes in its key: it is fenced, and cannot claim again.
        #expect(
            try await lane.commit(try tiers.batch(Self.keyed, 3..<9, from: 5)) == .lost(owner: "nobody")
        )
        await lane.close()
        await #expect(throws: StoreError.self) { _ = try await tiers.claim(Self.keyed) }
        #expect(try await tiers.ask(tiers.hot, "SELECT count(*) FROM thermocline.trade") == "5")
        // Once more changes nothing.
        try await apply(tiers, .position)
        #expect(try await indexes(tiers) == "0")
    }

    @Test func `keys come back where nothing is twice, and else with an example of what is`() async throws {
        let tiers = try await Tiers(dedupe: .position)
        let lane = try await tiers.claim(Self.trade)
        _ = try await lane.commit(try tiers.batch(Self.trade, 0..<5))
        _ = try await lane.commit(try tiers.batch(Self.trade, 3..<5, from: 5))
        await lane.close()
        let error = await #expect(throws: StoreError.self) { try await apply(tiers, .key) }
        #expect(error?.disposition == .halt)
        #expect(error?.detail.contains("holds 2 rows of one key") == true, "\(error?.detail ?? "")")
        #expect(error?.detail.contains("trade_id trade_id-") == true)
        #expect(try await indexes(tiers) == "0")
        #expect(try await refusal(tiers, .position) == nil)

        try await tiers.tell(tiers.hot, "DELETE FROM thermocline_store.trade WHERE stream_seq > 5")
        try await apply(tiers, .key)
        #expect(try await indexes(tiers) == "2")
        let hot = PostgresHot(settings: tiers.settings, catalog: .underTest)
        guard
            case .claimed(let keyed, _) = try await hot.claim(
                tiers.source(Self.trade),
                type: Self.keyed,
                previous: nil
            )
        else { throw Tiers.NotClaimed() }
        // The lane knows the key by its name, on partitions that were made without one too.
        #expect(
            try await keyed.commit(try tiers.batch(Self.keyed, 2..<8, from: 7))
                == .committed(stored: 3, repeated: 3, quarantined: 0)
        )
        await keyed.close()
    }

    @Test func `a schema of before the choice has its keys`() async throws {
        let tiers = try await Tiers()
        try await tiers.tell(tiers.hot, "DROP TABLE thermocline_store.deduplication")
        #expect(try await refusal(tiers, .key) == nil)
        #expect(try await refusal(tiers, .position)?.contains("dedupe = key") == true)
        try await apply(tiers, .position)
        #expect(try await indexes(tiers) == "0")
        #expect(try await refusal(tiers, .position) == nil)
    }

    @Test(arguments: [Deduplication.position, .key])
    func `what hot holds twice ends verified, once in cold and pruned, with none lost`(archiver: Deduplication)
        async throws
    {
        // An archiver whose own configuration does not say `position` finds out.
        let tiers = try await Tiers(dedupe: .position)
        var type = Self.trade
        let lane = try await tiers.claim(type)
        _ = try await lane.commit(try tiers.batch(type, 0..<30))
        _ = try await lane.commit(try tiers.batch(type, 10..<40, from: 30))
        var other = LaneBatch(epoch: 1, from: 60)
        other.to = 60
        try tiers.add(SampleMessage(type, number: 7, values: ["price": "99"]), to: &other, type)
        _ = try await lane.commit(other)
        type.dedupe = archiver
        let archive = try await PostgresArchiveTests.Archive(tiers)
        let moved = try await archive.run(type)
        #expect(moved.map(\.state) == [.pruned] && moved.map(\.rowsPruned) == [61])
        #expect(moved.first?.hot?.rows == 61 && moved.first?.cold?.rows == 40)
        #expect(try await tiers.ask(tiers.hot, "SELECT count(*) FROM thermocline.trade") == "0")
        let keys = "SELECT count(*) || ' ' || count(DISTINCT trade_id) FROM thermocline.trade"
        #expect(try await tiers.ask(tiers.cold, keys) == "40 40")
        let kept = "SELECT string_agg(trade_id || ' ' || price, ',') FROM thermocline_store.conflict_trade"
        #expect(try await tiers.ask(tiers.cold, kept) == "trade_id-7 99")
        // Late repeats are planned again and change nothing.
        let late = try tiers.batch(Self.trade, 0..<3, from: 61)
        #expect(try await lane.commit(late) == .committed(stored: 3, repeated: 0, quarantined: 0))
        #expect(try await archive.run(type).map(\.state) == [.pruned])
        #expect(try await tiers.ask(tiers.cold, keys) == "40 40")
        await lane.close()
        await archive.close()
    }
}

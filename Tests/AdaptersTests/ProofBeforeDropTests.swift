import Adapters
import Platform
import PrivateServers
import Records
import TestSupport
import Testing
import Tiering

/// A proof may be days old: cold is read again before rows go for good.
@Suite(.privatePostgres, .bothFormats, .timeLimit(.minutes(5))) struct ProofBeforeDropTests {
    typealias Site = PostgresPruneTests.Site
    private static let trade = PostgresPruneTests.trade

    static let damages = [
        "UPDATE thermocline_store.trade SET price = price + 1 WHERE trade_id = 'trade_id-3'",
        "DELETE FROM thermocline_store.trade WHERE trade_id = 'trade_id-3'",
        """
        INSERT INTO thermocline_store.trade SELECT (t).* FROM (
            SELECT jsonb_populate_record(t, '{"trade_id": "forged"}') AS t FROM thermocline_store.trade t
            WHERE trade_id = 'trade_id-3') AS forged
        """,
    ]

    @Test(arguments: damages)
    func `what changed in cold while a day rests brings its rows back to hot and halts the type`(damage: String)
        async throws
    {
        var site = try await Site()
        site.policy.undo = .seconds(3_600)
        try await site.fill(Self.trade, 0..<10)
        try await site.pass(2)
        #expect(try await site.held(Self.trade) == [0, 10])
        try await site.tiers.tell(site.tiers.cold, damage)
        site.policy.undo = .zero
        try await site.pass()
        #expect(try await site.states() == "mismatched")
        #expect(try await site.errors().contains("its rows are in hot again"))
        #expect(try await site.held(Self.trade)[0] == 10)
        #expect(try await site.resting() == nil)
        #expect(site.board.current.types["trade"]?.halted != nil)
        let written = "SELECT rows FROM thermocline_store.range_activity WHERE writer = 'undo' AND stamp IS NOT NULL"
        #expect(try await site.tiers.ask(site.tiers.hot, written) == "10")
        try await site.pass(2)
        #expect(try await site.held(Self.trade)[0] == 10, "the type is halted")
    }

    @Test(arguments: damages)
    func `what changed in cold since its proof is found before a DELETE`(damage: String) async throws {
        let site = try await Site()
        try await site.fill(Self.trade, 0..<10)
        try await site.pass()
        try await site.tiers.tell(site.tiers.cold, damage)
        try await site.tiers.tell(site.tiers.cold, "UPDATE thermocline_store.transfer SET prunes = true")
        try await site.pass()
        #expect(try await site.states() == "mismatched")
        #expect(try await site.errors().contains("nothing was pruned"))
        #expect(try await site.held(Self.trade)[0] == 10)
    }

    @Test(arguments: [false, true])
    func `a conflict that cold lost is found before the row that it was goes`(asked: Bool) async throws {
        var site = try await Site()
        site.policy.undo = .seconds(3_600)
        try await site.fill(Self.trade, 0..<5)
        try await site.pass(2)
        var batch = LaneBatch(epoch: 1, from: 5)
        try site.tiers.add(SampleMessage(Self.trade, number: 3, values: ["price": "77"]), to: &batch, Self.trade)
        let lane = try await site.tiers.claim(Self.trade)
        _ = try await lane.commit(batch)
        await lane.close()
        // The earlier life of the day rests, so its late row would leave by DELETE.
        if !asked {
            site.policy.undo = .zero
            try await site.pass()
            site.policy.undo = .seconds(3_600)
        }
        try await site.tiers.tell(
            site.tiers.hot,
            "INSERT INTO thermocline_store.pin (type, range_start, range_end, reason, expires_at) "
                + "VALUES ('trade', '2026-11-18', '2026-11-19', 'wait', now() + interval '1 hour')"
        )
        try await site.pass()
        #expect(try await site.count(site.tiers.cold, "thermocline_store.conflict_trade") == 1)
        #expect(try await site.states() == "verified")
        try await site.tiers.tell(site.tiers.cold, "TRUNCATE thermocline_store.conflict_trade")
        try await site.tiers.tell(site.tiers.hot, "TRUNCATE thermocline_store.pin")
        try await site.pass(asked ? 1 : 2)
        site.policy.undo = .zero
        try await site.pass(2)
        #expect(try await site.states() == "mismatched")
        #expect(try await site.errors().contains("1 of 1 rows are not in cold"))
        #expect(try await site.held(Self.trade) == [1, 5])
    }

    @Test func `a resting row that is not what was verified is given back, not dropped`() async throws {
        var site = try await Site()
        site.policy.undo = .seconds(3_600)
        try await site.fill(Self.trade, 0..<10)
        try await site.pass(2)
        try await site.tiers.tell(
            site.tiers.hot,
            "UPDATE thermocline_pruned.trade_p20261118 SET price = price + 1 WHERE trade_id = 'trade_id-3'"
        )
        site.policy.undo = .zero
        try await site.pass()
        #expect(try await site.states() == "mismatched")
        #expect(try await site.held(Self.trade) == [10, 10])
    }

    @Test func `a table rests on where hot took another row under a key of it`() async throws {
        var site = try await Site()
        site.policy.undo = .seconds(3_600)
        try await site.fill(Self.trade, 0..<10)
        try await site.pass(2)
        var batch = LaneBatch(epoch: 1, from: 10)
        try site.tiers.add(SampleMessage(Self.trade, number: 3, values: ["price": "77"]), to: &batch, Self.trade)
        let lane = try await site.tiers.claim(Self.trade)
        _ = try await lane.commit(batch)
        await lane.close()
        try await site.tiers.tell(site.tiers.cold, "DELETE FROM thermocline_store.trade WHERE trade_id = 'trade_id-5'")
        // The late row is not copied in this pass, which finds the loss.
        try await site.tiers.tell(
            site.tiers.cold,
            "UPDATE thermocline_store.transfer SET stamp = 'x', state = 'verified', verified_at = now()"
        )
        site.policy.undo = .zero
        site.policy.safetyLagMicros = 86_400_000_000 * 30
        try await site.pass()
        #expect(try await site.errors().contains("it rests on"))
        #expect(try await site.resting() == "trade_p20261118")
        #expect(try await site.held(Self.trade)[0] == 10)
    }
}

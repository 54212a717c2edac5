import Platform
import PrivateServers
import Records
import TestSupport
import Testing

/// What cold holds is proved by reading it: what somebody changes there halts that type and nothing else.
@Suite(.serialized, .privatePostgres, .privateNATS, .timeLimit(.minutes(5))) struct MismatchTests {
    /// What somebody does to cold between the copy and its proof, and how a person mends it.
    enum Change: String, CaseIterable {
        case altered = "UPDATE thermocline_store.trade SET price = price + 1 WHERE trade_id = 'trade_id-3'"
        case removed = "DELETE FROM thermocline_store.trade WHERE trade_id = 'trade_id-3'"
        case added = """
            INSERT INTO thermocline_store.trade SELECT (t).* FROM (
                SELECT jsonb_populate_record(t, '{"trade_id": "forged"}') AS t FROM thermocline_store.trade t
                WHERE trade_id = 'trade_id-3') AS forged
            """

        /// How the finding names the row.
        var named: String {
            switch self {
            case .altered: "trade_id=trade_id-3: hot price=4.5 / cold price=5.5"
            case .removed: "only in hot: ts=2026-11-18T"
            case .added: "only in cold: ts=2026-11-18T"
            }
        }

        var repair: String {
            switch self {
            case .altered: "UPDATE thermocline_store.trade SET price = price - 1 WHERE trade_id = 'trade_id-3'"
            case .removed: "INSERT INTO thermocline_store.trade SELECT * FROM kept"
            case .added: "DELETE FROM thermocline_store.trade WHERE trade_id = 'forged'"
            }
        }

        /// A trigger that does it once, in the very transaction of the copy, so that no moment has to be hit.
        var installed: String {
            """
            CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF to_regclass('kept') IS NOT NULL THEN RETURN NULL; END IF;
                CREATE TABLE kept AS SELECT * FROM thermocline_store.trade WHERE trade_id = 'trade_id-3';
                \(rawValue);
                RETURN NULL;
            END $$;
            CREATE TRIGGER change AFTER INSERT OR UPDATE ON thermocline_store.transfer FOR EACH ROW
                WHEN (NEW.type = 'trade' AND NEW.state = 'copied') EXECUTE FUNCTION change()
            """
        }
        static let removal = "DROP FUNCTION change CASCADE"
    }

    private func samples(_ type: String, _ numbers: Range<Int>, _ values: [String: String] = [:]) throws
        -> [SampleMessage]
    {
        let type = try #require(Catalog.standard.type(named: type))
        return numbers.map { SampleMessage(type, number: $0, values: values) }
    }

    private func state(_ stage: Stage, _ type: String) async throws -> String? {
        try await stage.scalar(stage.cold, "SELECT state FROM thermocline_store.transfer WHERE type = '\(type)'")
    }

    private func count(_ conninfo: String, _ type: String, in stage: Stage) async throws -> String? {
        try await stage.scalar(conninfo, "SELECT count(*) FROM thermocline.\(type)")
    }

    @Test(arguments: Change.allCases)
    func `a cold row changed before its proof halts its type alone, until asked again after the repair`(
        change: Change
    ) async throws {
        let stage = try await Stage()
        let hot = try await stage.run(["hot"])
        try await stage.awaitStreams()
        try await stage.publish(try samples("trade", 0..<20) + samples("lsr", 0..<20))
        try await stage.awaitStored()
        try await stage.script(stage.cold, change.installed)

        let cold = try await stage.run(["cold"])
        let request = try await stage.request(cold, "trade")
        try await poll("trade mismatched", within: .seconds(30)) { try await state(stage, "trade") == "mismatched" }
        let pruned = try await stage.request(cold, "lsr")
        try await poll("lsr pruned", within: .seconds(30)) {
            try await stage.states(cold, pruned) == ["pruned": 1]
        }
        #expect(try await stage.states(cold, request) == ["mismatched": 1])
        #expect(try await count(stage.hot, "trade", in: stage) == "20")
        let health = try await cold.health("cold")
        #expect(health.code == 200 && health.status == "degraded")
        #expect(health.trouble.contains("trade: range") && health.trouble.contains("POST /transfers"))
        #expect(!health.trouble.contains("lsr"))
        try await poll("the row named", within: .seconds(10)) {
            try await cold.health("cold").trouble.contains(change.named)
        }
        #expect(cold.output.contains(change.named))

        try await stage.script(stage.cold, Change.removal)
        try await stage.script(stage.cold, change.repair)
        let again = try await stage.request(cold, "trade")
        try await poll("trade pruned", within: .seconds(30)) { try await stage.states(cold, again) == ["pruned": 1] }
        #expect(try await count(stage.cold, "trade", in: stage) == "20")
        #expect(try await count(stage.hot, "trade", in: stage) == "0")
        try await poll("healthy", within: .seconds(10)) { try await cold.health("cold").status == "healthy" }
        #expect(await cold.stop() == .exited(0))
        #expect(await hot.stop() == .exited(0))
    }

    @Test func `a cold row altered long after its proof is found when a late row has the range proved again`()
        async throws
    {
        let stage = try await Stage()
        let hot = try await stage.run(["hot"])
        try await stage.awaitStreams()
        try await stage.publish(try samples("trade", 0..<20))
        try await stage.awaitStored()
        let cold = try await stage.run(["cold"])
        try await poll("trade verified", within: .seconds(30)) { try await state(stage, "trade") == "verified" }
        try await stage.script(stage.cold, Change.altered.rawValue)
        try await stage.publish(try samples("trade", 20..<21))
        try await poll("trade mismatched", within: .seconds(30)) { try await state(stage, "trade") == "mismatched" }
        #expect(try await count(stage.hot, "trade", in: stage) == "21")
        #expect(await cold.stop() == .exited(0))
        #expect(await hot.stop() == .exited(0))
    }

    @Test func `late rows in a pruned range are merged, kept as conflicts or recognized, and pruned again`()
        async throws
    {
        let stage = try await Stage()
        let hot = try await stage.run(["hot"])
        try await stage.awaitStreams()
        try await stage.publish(try samples("trade", 0..<20))
        try await stage.awaitStored()
        let cold = try await stage.run(["cold"])
        let request = try await stage.request(cold, "trade")
        try await poll("trade pruned", within: .seconds(30)) {
            try await stage.states(cold, request) == ["pruned": 1]
        }
        // A new row, one that cold has already, and one whose key it holds with another price.
        let late =
            try samples("trade", 20..<21) + samples("trade", 4..<5) + samples("trade", 5..<6, ["price": #""7""#])
        try await stage.publish(late)
        try await stage.awaitStored()
        try await poll("hot empty again", within: .seconds(30)) {
            try await count(stage.hot, "trade", in: stage) == "0"
        }
        try await poll("trade pruned again", within: .seconds(10)) { try await state(stage, "trade") == "pruned" }
        #expect(try await count(stage.cold, "trade", in: stage) == "21")
        let prices = "SELECT trade_id, price FROM thermocline_store.conflict_trade"
        #expect(try await stage.rows(stage.cold, prices) == [["trade_id-5", "7"]])
        let kept = try await stage.scalar(
            stage.cold,
            "SELECT price FROM thermocline.trade WHERE trade_id = 'trade_id-5'"
        )
        #expect(kept == "6.5")
        #expect(try await cold.health("cold").status == "healthy")
        #expect(await cold.stop() == .exited(0))
        #expect(await hot.stop() == .exited(0))
    }
}

import Foundation
import PrivateServers
import Records
import TestSupport
import Testing

/// `thermocline quarantine` as an operator uses it.
@Suite(.serialized, .privatePostgres, .privateNATS, .timeLimit(.minutes(5))) struct QuarantineTests {
    private static let stream = "TRADE"

    private func hex(_ bytes: [UInt8]) -> String {
        "\\x" + bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Keeps messages aside as a lane does: two that fit, one with bytes that no terminal should see, one of no type.
    private func fill(_ stage: Stage) async throws -> [UInt8] {
        let trade = Catalog.standard.types[1]
        let raw: [UInt8] = [0x7B, 0, 0x1B, 0x5B, 0xFF, 0x0A, 0xC3, 0xA9]
        let messages: [(String, [UInt8], String)] = [
            (SampleMessage(trade, number: 1).subject, SampleMessage(trade, number: 1).payload, "rejected"),
            (SampleMessage(trade, number: 2).subject, SampleMessage(trade, number: 2).payload, "rejected"),
            ("trade.binance.spot.BTC-USDT", raw, "invalid_json"), ("ticker.okx.spot.X", [], "unknown_subject"),
        ]
        for (index, message) in messages.enumerated() {
            try await stage.script(
                stage.hot,
                """
                INSERT INTO thermocline_store.quarantine
                    (stream, seq, message_time, subject, headers, payload, reason, detail, sqlstate, at)
                VALUES ('\(Self.stream)', \(index + 1), '2026-11-20T12:00:00Z', '\(message.0)', '\(hex([0x41, 0x0D]))',
                    '\(hex(message.1))', '\(message.2)', '\(String(repeating: "why ", count: 50))', '23514',
                    now() - interval '\(index) h')
                """
            )
        }
        return raw
    }

    private func run(_ stage: Stage, _ words: String, status: Int32 = 0) async throws -> String {
        let command = try await stage.run(["quarantine"] + words.split(separator: " ").map(String.init))
        #expect(try await command.status() == .exited(status), "\(words): \(command.output)")
        return command.output
    }

    @Test func `what was kept aside is listed, shown, replayed and dropped`() async throws {
        let stage = try await Stage()
        let raw = try await fill(stage)

        let list = try await run(stage, "list")
        #expect(list.split(separator: "\n").allSatisfy { $0.count <= 100 }, "\(list)")
        #expect(list.contains("KEPT ASIDE") && list.contains("invalid_json") && list.contains("4 of 4 messages"))
        #expect(try await run(stage, "list --type trade --limit 1").contains("1 of 3 messages"))
        #expect(try await run(stage, "list --type unknown").contains("1 of 1 messages"))
        #expect(try await run(stage, "list --since 90m --reason rejected --stream TRADE").contains("2 of 2 messages"))
        #expect(try await run(stage, "list --stream OTHER").contains("0 of 0 messages"))

        let shown = try await run(stage, "show TRADE 3")
        #expect(shown.contains(#"{\x00\x1b[\xff\x0aé"#) && shown.contains(#"headers     A\x0d"#), "\(shown)")
        #expect(shown.contains("sqlstate    23514") && shown.contains("type        trade"))
        let bytes = try await stage.run(["quarantine", "show", "TRADE", "3", "--raw"])
        #expect(try await bytes.status() == .exited(0))
        #expect(FileManager.default.contents(atPath: bytes.logFile) == Data(raw))

        let rows = "SELECT count(*) FROM thermocline.trade"
        let aside = "SELECT count(*) FROM thermocline.quarantine"
        #expect(
            try await run(stage, "replay --dry-run").contains("would be stored 2, repeats of what is stored 0, stay 1")
        )
        #expect(try await stage.scalar(stage.hot, rows) == "0")
        let replayed = try await run(stage, "replay")
        #expect(replayed.contains("stored 2, repeats of what is stored 0, stay 1"), "\(replayed)")
        #expect(replayed.contains("invalid_json: 1") && replayed.contains("1 of ticker.okx.spot.X"), "\(replayed)")
        #expect(try await stage.scalar(stage.hot, rows) == "2")
        #expect(try await stage.scalar(stage.hot, aside) == "2")

        #expect(try await run(stage, "drop --type unknown --dry-run") == "1 messages would be dropped\n")
        #expect(try await run(stage, "drop --type unknown") == "1 messages dropped\n")
        #expect(try await run(stage, "drop --all") == "1 messages dropped\n")
        #expect(try await stage.scalar(stage.hot, aside) == "0")
    }

    @Test func `what cannot be done is refused with what to do`() async throws {
        let stage = try await Stage()
        _ = try await fill(stage)
        #expect(try await run(stage, "drop", status: 2).contains("say --all"))
        #expect(try await run(stage, "drop --all --type trade", status: 2).contains("say --all"))
        #expect(try await run(stage, "list --type trades", status: 2).contains("expected one of orderbook, trade"))
        #expect(try await run(stage, "list --since yesterday", status: 2).contains("2026-11-20T08:00:00Z"))
        #expect(try await run(stage, "show TRADE x", status: 2).contains("quarantine list"))
        #expect(try await run(stage, "show TRADE 77", status: 1).contains("quarantine list --stream TRADE"))
        #expect(try await run(stage, "show TRADE", status: 2).contains("sequence is missing"))
        #expect(try await stage.scalar(stage.hot, "SELECT count(*) FROM thermocline.quarantine") == "4")
        let bare = try await Stage(appliesSchema: [])
        #expect(try await run(bare, "list", status: 1).contains("thermocline schema apply hot"))
    }

    @Test func `a replay killed in the middle changes nothing, and the next one does it all`() async throws {
        let stage = try await Stage()
        _ = try await fill(stage)
        try await stage.holding("LOCK TABLE thermocline_store.range_activity IN EXCLUSIVE MODE", on: stage.hot) {
            let replay = try await stage.run(["quarantine", "replay"])
            try await poll("the replay waits before its COMMIT", within: .seconds(20)) {
                let waiting = """
                    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                        AND application_name = 'thermocline quarantine' AND wait_event_type = 'Lock'
                    """
                return try await stage.scalar(stage.hot, waiting) == "1"
            }
            await replay.kill()
        }
        #expect(try await stage.scalar(stage.hot, "SELECT count(*) FROM thermocline.quarantine") == "4")
        #expect(try await stage.scalar(stage.hot, "SELECT count(*) FROM thermocline.trade") == "0")
        #expect(try await run(stage, "replay").contains("stored 2, repeats of what is stored 0, stay 1"))
    }
}

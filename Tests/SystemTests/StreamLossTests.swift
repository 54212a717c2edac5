import JetStream
import PrivateServers
import Records
import TestSupport
import Testing

/// Streams that lose what was not read yet: it is listed with its cause, nothing stalls, the rest is stored once.
@Suite(.serialized, .privatePostgres(.init(listensOnTCP: true)), .privateNATS, .timeLimit(.minutes(5)))
struct StreamLossTests {
    struct Removal: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// Limits of the stream, where they are what removes.
        var limit: @Sendable (inout StreamConfiguration) -> Void = { _ in }
        var remove: @Sendable (JetStreamConnection) async throws -> Void = { _ in }
    }

    static let purges = [
        Removal(testDescription: "all", remove: { try await $0.purge("THERMOCLINE_TRADE") }),
        Removal(testDescription: "all but the last 7", remove: { try await $0.purge("THERMOCLINE_TRADE", keep: 7) }),
        Removal(
            testDescription: "the last 20, one by one",
            remove: { connection in
                let last = try await connection.stream(named: "THERMOCLINE_TRADE")?.lastSequence ?? 0
                for sequence in (last - 19)...last {
                    try await connection.deleteMessage(in: "THERMOCLINE_TRADE", sequence: sequence)
                }
            }
        ),
    ]
    static let limits = [
        Removal(testDescription: "max_msgs", limit: { $0.maxMessages = 20 }),
        Removal(testDescription: "max_bytes", limit: { $0.maxBytes = 8_000 }),
        Removal(testDescription: "max_age", limit: { $0.maxAge = .milliseconds(500) }) { connection in
            try await poll("the stream's age") {
                try await connection.stream(named: "THERMOCLINE_TRADE")?.messages == 0
            }
        },
    ]

    @Test(arguments: purges)
    func `what somebody removes before it is read is listed as purged, exactly`(_ purge: Removal) async throws {
        let run = try await FaultRun.trades()
        let hot = try await run.startReading()
        try await run.whileUnread(fault: purge.remove)
        try await run.publish(5)
        try await run.expectListed(["purged"], by: hot)
        #expect(await hot.stop() == .exited(0))
    }

    @Test(arguments: limits)
    func `what limits discard before it is read is listed as discarded, exactly`(_ limit: Removal) async throws {
        let run = try await FaultRun.trades(limit: limit.limit)
        let hot = try await run.startReading()
        try await run.whileUnread(fault: limit.remove)
        try await run.publish(5)
        try await run.expectListed(["discarded"], by: hot)
        #expect(await hot.stop() == .exited(0))
    }

    @Test func `what a stream discards while nobody reads is listed at the next start`() async throws {
        let run = try await FaultRun.trades(limit: { $0.maxMessages = 20 })
        try await run.startReading().stop()
        try await run.publish(60, poison: 0)
        let hot = try await run.start()
        try await run.expectListed(["discarded"], by: hot)
        #expect(await hot.stop() == .exited(0))
    }

    static let shared = [
        Removal(testDescription: "purged", remove: { try await $0.purge("THERMOCLINE_TRADE", subject: "trade.>") }),
        Removal(testDescription: "discarded", limit: { $0.maxMessages = 30 }),
    ]

    @Test(arguments: shared)
    func `what a shared stream loses before it is read is suspected`(_ removal: Removal) async throws {
        let run = try await FaultRun.trades(["trade.>", "other.>"], limit: removal.limit)
        let hot = try await run.startReading()
        try await run.onNATS { connection in
            _ = try await JetStreamPublisher(connection).store((0..<5).map { OutgoingMessage("other.a", [UInt8($0)]) })
        }
        try await run.whileUnread(fault: removal.remove)
        try await run.publish(5)
        try await run.expectListed([removal.testDescription], by: hot, others: 5)
        #expect(try await run.gaps().allSatisfy(\.isSuspected))
        #expect(await hot.stop() == .exited(0))
    }
}

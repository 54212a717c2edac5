import JetStream
import Platform
import PrivateServers
import TestSupport
import Testing

/// Streams that end, begin again, go back, or let nobody in: the lane says so, goes on by itself, and doubles nothing.
@Suite(.serialized, .privatePostgres(.init(listensOnTCP: true)), .privateNATS, .timeLimit(.minutes(5)))
struct StreamLifeTests {
    @Test(arguments: [-30, 0, 30])
    func `a stream that is deleted and made again at once is another life of it`(more: Int) async throws {
        let run = try await FaultRun.trades()
        let hot = try await run.startReading()
        // The lane does not look before the new stream holds fewer, as many, or more messages than the old one.
        try await run.whileUnread { connection in
            let old = try #require(try await connection.stream(named: "THERMOCLINE_TRADE"))
            run.nats.refuse()
            try await connection.deleteStream("THERMOCLINE_TRADE")
            try await connection.createStream(old.configuration)
            try await run.publish(Int(old.lastSequence) + more, poison: 0)
        }
        run.nats.accept()
        try await run.expectListed(["recreated"], by: hot)
        #expect(await hot.stop() == .exited(0))
    }

    @Test func `a stream that is deleted is listed at once, and read when it comes back`() async throws {
        let run = try await FaultRun.trades(settings: ["nats.create_streams=orderbook"])
        let hot = try await run.startReading()
        let configuration = try await run.onNATS { try await $0.stream(named: "THERMOCLINE_TRADE")?.configuration }
        try await run.whileUnread { try await $0.deleteStream("THERMOCLINE_TRADE") }
        try await hot.awaitTrouble(["no stream captures trade.>", "the collector creates MARKET_DATA for it"])
        #expect(try await run.gaps().map(\.cause) == ["deleted"])
        _ = try await run.onNATS { try await $0.createStream(try #require(configuration)) }
        try await run.publish(20)
        try await run.expectListed(["deleted"], by: nil)
        try await hot.awaitHealthy()
        #expect(await hot.stop() == .exited(0))
    }

    @Test func `a stream of ours that is deleted is made again within seconds`() async throws {
        let run = try await FaultRun(FaultRun.small)
        let hot = try await run.startReading()
        try await run.whileUnread { try await $0.deleteStream("THERMOCLINE_TRADE") }
        try await poll("the stream again", within: .seconds(15)) {
            try await run.onNATS { try await $0.stream(named: "THERMOCLINE_TRADE") } != nil
        }
        try await run.publish(20)
        try await run.expectListed(["deleted"], by: nil)
        #expect(await hot.stop() == .exited(0))
    }

    @Test func `a type that a stream no longer captures is listed, and read on when it is captured again`() async throws
    {
        let settings = ["nats.create_streams=orderbook", "nats.discovery=1s"]
        let run = try await FaultRun.trades(["trade.>", "other.>"], settings: settings)
        let hot = try await run.startReading()
        // What is unread stays readable, however many looks find the type no longer captured.
        try await run.whileUnread { connection in
            try await connection.updateStreamSubjects("THERMOCLINE_TRADE", ["other.>", "another.>"])
            await #expect(throws: PollTimeout.self) {
                try await poll("the lane given up", within: .seconds(4)) { !hot.lines("source is gone").isEmpty }
            }
        }
        try await run.stage.awaitStored(within: .seconds(10))
        try await hot.awaitTrouble(["no stream captures trade.>"])
        try await poll("the gap", within: .seconds(10)) { try await run.gaps().map(\.cause) == ["uncaptured"] }
        _ = try await run.onNATS { try await $0.updateStreamSubjects("THERMOCLINE_TRADE", ["other.>", "trade.>"]) }
        try await run.publish(20)
        try await run.expectListed(["uncaptured"], by: nil, loses: false)
        try await hot.awaitHealthy()
        #expect(await hot.stop() == .exited(0))
    }

    @Test(arguments: [false, true])
    func `a stream that comes back as an older copy is read again, and listed as a regression`(isGrownAgain: Bool)
        async throws
    {
        let run = try await FaultRun.trades()
        let hot = try await run.startReading()
        try await run.publish(20, poison: 0)
        try await run.settle()
        let copy = try await PrivateNATS.current.copyStore()
        try await run.publish(10, poison: 0)
        try await run.settle()
        run.nats.refuse()
        try await run.publish(15, poison: 0)
        try await PrivateNATS.current.restoreStore(copy)
        // Other messages, at other times, under the sequences that were used before.
        if isGrownAgain { try await run.publish(40, poison: 0) }
        run.nats.accept()
        try await run.expectListed(["regression"], by: hot)
        try await run.publish(5)
        try await run.expectListed(["regression"], by: hot)
        #expect(await hot.stop() == .exited(0))
    }

    @Test func `a consumer that is deleted under the lane costs nothing`() async throws {
        let run = try await FaultRun.trades()
        let hot = try await run.startReading()
        try await run.whileUnread { connection in
            let name = try #require(
                try await run.stage.scalar(run.stage.hot, "SELECT consumer FROM thermocline_store.ingest_position")
            )
            #expect(try await connection.deleteConsumer("THERMOCLINE_TRADE", name))
        }
        try await run.expectExact(within: .seconds(10))
        #expect(!hot.lines("lane waits").isEmpty || !hot.lines("lane restarted").isEmpty)
        #expect(await hot.stop() == .exited(0))
    }

    @Test func `messages that another reader takes from the lane's consumer are read again`() async throws {
        let run = try await FaultRun.trades()
        let hot = try await run.startReading()
        try await run.whileUnread { connection in
            let name = try #require(
                try await run.stage.scalar(run.stage.hot, "SELECT consumer FROM thermocline_store.ingest_position")
            )
            let other = try PullConsumer(connection, stream: "THERMOCLINE_TRADE", name: name)
            // A few: the lane gets those that follow, and sees the hole.
            let taken = try await other.fetch(maxMessages: 3, maxBytes: 1_000, timeout: .seconds(5))
            #expect(!taken.isEmpty)
            other.close()
        }
        try await run.expectExact(within: .seconds(10))
        #expect(hot.lines("lane restarted").contains { $0["reason"]?.string?.contains("consumer sequence") == true })
        #expect(await hot.stop() == .exited(0))
    }

    @Test func `a stream that allows no more consumers is waited for, and named`() async throws {
        let run = try await FaultRun.trades(limit: { $0.maxConsumers = 1 })
        try await run.onNATS {
            _ = try await $0.createConsumer(
                "THERMOCLINE_TRADE",
                ConsumerConfiguration(name: "another", startSequence: 1)
            )
        }
        let hot = try await run.start()
        try await run.publish(20, poison: 0)
        try await hot.awaitTrouble(["THERMOCLINE_TRADE", "maximum consumers limit reached", "tries again by itself"])
        try await run.onNATS { _ = try await $0.deleteConsumer("THERMOCLINE_TRADE", "another") }
        try await run.expectExact()
        try await hot.awaitHealthy()
        #expect(await hot.stop() == .exited(0))
    }

    @Test func `a work-queue stream is refused by name, and nothing is taken from it`() async throws {
        let run = try await FaultRun.trades(limit: { $0.retention = .workQueue })
        let hot = try await run.start()
        try await run.publish(20, poison: 0)
        try await hot.awaitTrouble(["stream THERMOCLINE_TRADE", "reading it would take its messages"])
        #expect(try await run.onNATS { try await $0.stream(named: "THERMOCLINE_TRADE")?.messages } == 20)
        #expect(try await run.stage.rows(run.stage.hot, "SELECT FROM thermocline.trade").isEmpty)
        #expect(await hot.stop() == .exited(0))
    }
}

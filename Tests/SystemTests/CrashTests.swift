import Glibc
import Platform
import PrivateServers
import Records
import TestSupport
import Testing

/// What was delivered and not committed comes again at once, whoever died in between.
@Suite(.serialized, .privatePostgres, .privateNATS, .timeLimit(.minutes(5))) struct CrashTests {
    static let lockTrades = "LOCK TABLE thermocline_store.trade IN ACCESS EXCLUSIVE MODE"

    private func trades(_ numbers: Range<Int>) throws -> [SampleMessage] {
        let type = try #require(Catalog.standard.type(named: "trade"))
        return numbers.map { SampleMessage(type, number: $0) }
    }

    private static func isTrade(_ line: JSONValue) -> Bool {
        line["source"]?.string?.hasPrefix("THERMOCLINE_TRADE") == true
    }

    private func expectTrades(_ count: Int, in stage: Stage) async throws {
        let counts = try await stage.rows(
            stage.hot,
            "SELECT count(*), count(DISTINCT trade_id), (SELECT sum(rows) FROM thermocline_store.range_activity) "
                + "FROM thermocline.trade"
        )
        #expect(counts == [["\(count)", "\(count)", "\(count)"]])
    }

    @Test(arguments: [true, false])
    func `100 messages delivered and not committed are stored after kill -9`(lockOutlivesProcess: Bool) async throws {
        let stage = try await Stage()
        let first = try await stage.run(["hot"])
        try await stage.awaitReading(first)
        // The partition is there before the lock, so that it is the COPY that waits.
        try await stage.publish(try trades(0..<1))
        try await stage.awaitStored()

        let second = try await stage.holding(Self.lockTrades, on: stage.hot) {
            try await stage.publish(try trades(1..<101))
            try await stage.awaitBlockedCopy(of: "trade")
            await first.kill()
            guard lockOutlivesProcess else { return Daemon?.none }
            let second = try await stage.run(["hot"])
            // The dead owner's session waits for the lock too, and looks alive.
            try await poll("the lane taken over", within: .seconds(10)) {
                second.lines("lane claimed").contains { Self.isTrade($0) }
            }
            return second
        }
        let hot = if let second { second } else { try await stage.run(["hot"]) }
        try await stage.awaitStored(within: .seconds(10))
        try await expectTrades(101, in: stage)
        #expect(await hot.stop() == .exited(0))
    }
}

import PrivateServers
import Records
import TestSupport
import Testing

/// The pages answer whatever the data path waits for.
@Suite(.serialized, .privatePostgres, .privateNATS, .timeLimit(.minutes(3))) struct HealthTests {
    @Test func `health and stats answer at once while a COPY is blocked on a locked table`() async throws {
        let stage = try await Stage()
        let type = try #require(Catalog.standard.type(named: "trade"))
        let hot = try await stage.run(["hot"])
        try await stage.awaitReading(hot)
        try await stage.publish([SampleMessage(type, number: 0)])
        try await stage.awaitStored()
        try await stage.holding(CrashTests.lockTrades, on: stage.hot) {
            try await stage.publish((1...50).map { SampleMessage(type, number: $0) })
            try await stage.awaitBlockedCopy(of: "trade")
            for _ in 0..<20 {
                for path in ["/health", "/stats", "/metrics"] {
                    // A page that waits for the lane would wait for ever: the lock is held until all have answered.
                    let response = try await hot.get("hot", path)
                    #expect(response.status == 200, "\(path): \(response.body)")
                }
            }
            #expect(["healthy", "degraded"].contains(try await hot.health("hot").status))
            try await stage.awaitBlockedCopy(of: "trade")
        }
        try await stage.awaitStored(within: .seconds(20))
        #expect(try await stage.scalar(stage.hot, "SELECT count(*) FROM thermocline.trade") == "51")
        #expect(try await hot.get("hot", "/health").body.contains(#""status": "healthy""#))
        #expect(await hot.stop() == .exited(0))
    }
}

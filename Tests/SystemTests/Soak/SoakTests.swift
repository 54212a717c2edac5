import Adapters
import Foundation
import Platform
import Postgres
import PrivateServers
import Records
import Simulation
import TestSupport
import Testing

@testable import thermocline

/// Random faults under load; `SEED` repeats their order.
///
/// `SOAK_SECONDS` (60) says how long, `SOAK_RATE` (5,000) how many messages a second.
@Suite(
    .serialized,
    .slow,
    .privatePostgres(.init(listensOnTCP: true)),
    .privateNATS,
    .timeLimit(.minutes(30))
)
struct SoakTests {
    private static func number(_ name: String) -> Int? { ProcessInfo.processInfo.environment[name].flatMap(Int.init) }
    private static let seed = number("SEED").map(UInt64.init) ?? .random(in: 1...1_000_000)
    private static let length = Duration.seconds(number("SOAK_SECONDS") ?? 60)
    private static let rate = number("SOAK_RATE") ?? 5_000

    @Test func `under random faults nothing is lost and nothing stored twice`() async throws {
        say("soak: SEED=\(Self.seed) for \(Self.length) at \(Self.rate) messages/s")
        let postgres = try FaultProxy(to: PrivatePostgres.current.port)
        let nats = try FaultProxy(to: PrivateNATS.current.port)
        defer {
            postgres.stop()
            nats.stop()
        }
        let url = "nats://127.0.0.1:\(nats.port)"
        let stage = try await Stage(["ingest.takeover=3s"], natsURL: url, hotProxy: postgres.port)
        let target = try await SoakTarget(stage, postgres: postgres, nats: nats)
        try await stage.awaitReading(target.hot)

        let feed = SoakFeed(url: PrivateNATS.current.url, seed: Self.seed, rate: Self.rate)
        let stop = Latch()
        async let published: Void = feed.run(until: stop)
        let faults: Int
        do {
            defer { stop.open() }
            faults = try await suffer(target)
        }
        try await published
        try await stage.awaitStored(within: .seconds(180))
        #expect(await target.hot.stop() == .exited(0))

        let audit = try await audit(of: stage, await feed.published)
        say("soak: \(faults) faults, \(await feed.failures) failed attempts; \(audit.report)")
        #expect(audit.report.isExact, "SEED=\(Self.seed)")
        #expect(audit.lost(atMost: 5) == [] && audit.duplicated(atMost: 5) == [] && audit.unexpected(atMost: 5) == [])
        #expect(audit.report.stored > 0 && faults > 0)
        let gaps = try await stage.rows(stage.hot, "SELECT type, cause, first_seq, last_seq FROM thermocline.gap")
        #expect(gaps == [], "nothing was discarded")
    }

    /// One fault after the other, each kind in its turn, with a moment of peace between; returns how many.
    private func suffer(_ target: SoakTarget) async throws -> Int {
        var generator = SeededGenerator(seed: Self.seed)
        let end = ContinuousClock.now + Self.length
        var faults = 0
        var deck: [SoakFault] = []
        while ContinuousClock.now < end {
            // Each comes once before any comes again.
            if deck.isEmpty { deck = SoakFault.allCases.shuffled(using: &generator) }
            let fault = deck.removeLast()
            let length = Duration.milliseconds(Int.random(in: 50...3_000, using: &generator))
            let peace = Duration.milliseconds(Int.random(in: 200...3_000, using: &generator))
            say("soak: \(fault.rawValue) \(length)")
            try await target.suffer(fault, for: length)
            faults += 1
            try await Task.sleep(for: peace)  // tidy:allow the random moment of the next fault
        }
        return faults
    }

    /// What the hot database and its quarantine hold, against what was acknowledged.
    private func audit(of stage: Stage, _ published: SetChecker<String>) async throws -> SetChecker<String> {
        var checker = published
        let connection = try await PostgresConnection(stage.hot, applicationName: "soak audit")
        let hot = TierInventory(.hot, on: connection)
        for type in Catalog.standard.types {
            try await hot.forEachKey(of: type) { key in
                checker.store(key.identity(of: type))
            }
        }
        try await hot.forEachQuarantined { subject, payload in
            checker.quarantine(FeedMessage.quarantinedIdentity(subject: subject, payload: payload))
        }
        await connection.close()
        return checker
    }

    private func say(_ line: String) { FileHandle.standardError.write(Data("\(line)\n".utf8)) }
}

import Foundation
import Records
import Simulation
import TestSupport

/// Simulated worlds over every record type, the one that only tests have included.
enum Worlds {
    static func make(seed: UInt64, change: (inout World.Options) -> Void = { _ in }) -> World {
        var options = World.Options(catalog: .underTest)
        options.extra = Self.reading
        change(&options)
        return World(seed: seed, options: options)
    }

    /// `SEED` of the environment, else a random one.
    static var seed: UInt64 {
        ProcessInfo.processInfo.environment["SEED"].flatMap(UInt64.init) ?? .random(in: 1...1_000_000)
    }

    /// A message of the type that only tests have; its event time depends on its number alone.
    private static func reading(_ number: Int, _ now: Timestamp) -> FeedMessage {
        let milliseconds = 1_795_000_000_000 + Int64(number) * 2_000
        let values = ["reading_ts_ms", "ts_ms"].map { ($0, "\(milliseconds)") }
        let sample = SampleMessage(.testReading, number: number, values: Dictionary(values) { $1 })
        return FeedMessage(
            type: RecordType.testReading.name,
            subject: sample.subject,
            messageID: nil,
            payload: sample.payload,
            kind: .good,
            at: now,
            identity: identity(sample, number, Timestamp(milliseconds: milliseconds))
        )
    }

    private static func identity(_ sample: SampleMessage, _ number: Int, _ ts: Timestamp) -> String {
        let settled = Timestamp(milliseconds: 1_795_100_000_000 + Int64(number)).postgresMicros
        return FeedMessage.storedIdentity(
            type: RecordType.testReading.name,
            exchange: "binance",
            marketType: "perpetual",
            symbol: "BTC-USDT",
            ts: ts,
            own: "label-\(number)/\(number)/\(settled)/true"
        )
    }
}

import Foundation
import JetStream
import Platform
import PrivateServers
import Records
import TestSupport
import Testing

/// What the hot service keeps resident while every lane has more to read than memory to read it into.
@Suite(.serialized, .privatePostgres, .privateNATS, .slow, .timeLimit(.minutes(8)))
struct MemoryTests {
    /// What the process may need beside its budget, in KiB.
    private static let beside = 48 << 10
    private static let budget = 64 << 10

    @Test func `memory stays within the budget and 48 MiB at full speed, with the database stopped in the middle`()
        async throws
    {
        // Batches without end: the budget alone is what bounds them.
        let batches = ["hot.batch.rows=100000", "hot.batch.bytes=256MiB"]
        let stage = try await Stage(["hot.memory=\(Self.budget)KiB", "quarantine.max_share=100%"] + batches)
        // The service makes the streams; then it stops, so that it finds all of them full.
        let first = try await stage.run(["hot"])
        try await stage.awaitReading(first)
        #expect(await first.stop() == .exited(0))
        let published = try await fill(stage)

        let hot = try await stage.run(["hot"])
        try await poll("the first rows", within: .seconds(60)) { try await figures(hot).received > 0 }
        await PrivatePostgres.current.signalAll(SIGSTOP)
        // Full, and nothing moves: what is read now waits for the database.
        var (last, same) = (-1, 0)
        try await poll("nothing more is read", within: .seconds(60)) {
            let received = try await figures(hot).received
            (last, same) = (received, received == last ? same + 1 : 0)
            return same > 50
        }
        let stopped = try await figures(hot)
        #expect(stopped.received < published, "it was stopped in the middle")
        #expect(stopped.used <= stopped.budget + 2 << 20, "one message may be beyond the budget: \(stopped)")
        await PrivatePostgres.current.signalAll(SIGCONT)
        try await stage.awaitStored(within: .seconds(300))

        let peak = try #require(try peak(of: hot.process.pid))
        #expect(peak < Self.budget + Self.beside, "\(peak) KiB resident at most, \(stopped)")
        try await poll("what is stored is given back", within: .seconds(30)) {
            try await figures(hot).used < 16 << 20
        }
        #expect(await hot.stop() == .exited(0))
        let stored = try await Catalog.standard.types.asyncSum { type in
            Int(try await stage.scalar(stage.hot, "SELECT count(*) FROM thermocline.\(type.name)") ?? "") ?? 0
        }
        let kept = Int(try await stage.scalar(stage.hot, "SELECT count(*) FROM thermocline.quarantine") ?? "") ?? 0
        #expect(stored + kept == published)
    }

    /// Publishes messages of 330 B, 5 KB, 21 KB and nearly 1 MB, and some of every other type.
    private func fill(_ stage: Stage) async throws -> Int {
        func levels(_ count: Int) -> String {
            "[" + (0..<count).map { #"["\#(60_000 - $0).25","\#($0 % 9).123456"]"# }.joined(separator: ",") + "]"
        }
        var count = 0
        for type in Catalog.standard.types {
            let sizes = type.name == "orderbook" ? [(4_000, 100), (1_500, 400), (10, 20_000)] : [(3_000, 0)]
            let (rounds, size) = type.name == "trade" ? (20, sizes) : (1, sizes)
            for (number, levelCount) in Array(repeating: size, count: rounds).joined() {
                let side = levels(levelCount)
                for start in stride(from: 0, to: number, by: 100) {
                    let messages = (0..<min(100, number - start)).map { offset in
                        SampleMessage(
                            type,
                            number: count + start + offset,
                            values: levelCount > 0 ? ["bids": side, "asks": side] : [:]
                        )
                    }
                    try await stage.publish(messages)
                }
                count += number
            }
        }
        return count
    }

    private func figures(_ hot: Daemon) async throws -> (received: Int, used: Int, budget: Int) {
        let stats = try await hot.json("hot", "/stats")
        let received = stats["sources"]?.array?.compactMap { $0["received"]?.int }.reduce(0, +)
        return (received ?? 0, stats["memory"]?["used"]?.int ?? -1, stats["memory"]?["budget"]?.int ?? -1)
    }

    /// The most that a process had resident so far, in KiB.
    private func peak(of pid: Int32) throws -> Int? {
        let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        return line?.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) }
    }
}

extension Sequence where Element: Sendable {
    fileprivate func asyncSum(_ body: (Element) async throws -> Int) async rethrows -> Int {
        var sum = 0
        for element in self { sum += try await body(element) }
        return sum
    }
}

import JetStream
import Platform
import PrivateServers
import Simulation
import TestSupport
import Testing

/// What a stream loses before it is read, and what is listed of it.
extension FaultRun {
    /// A row of `thermocline.gap`.
    struct Listed: Equatable {
        let cause: String
        /// What is missing; an end that cannot be known stands for everything on that side.
        let sequences: ClosedRange<Int>
        let isSuspected: Bool
    }

    /// Settings of a lane that takes ten messages at a time and looks at its stream every second.
    ///
    /// The server works ahead of it by half of the bytes: five more.
    static let small = ["hot.batch.rows=10", "hot.batch.bytes=4KiB", "ingest.takeover=3s"]

    /// A stage with the stream `THERMOCLINE_TRADE`, of trades alone or with other messages.
    static func trades(
        _ subjects: [String] = ["trade.>"],
        settings: [String] = [],
        limit: (inout StreamConfiguration) -> Void = { _ in }
    ) async throws -> FaultRun {
        let run = try await FaultRun(FaultRun.small + settings)
        var configuration = StreamConfiguration(name: "THERMOCLINE_TRADE", subjects: subjects)
        limit(&configuration)
        try await run.onNATS { [configuration] in _ = try await $0.createStream(configuration) }
        return run
    }

    func onNATS<R>(_ body: (JetStreamConnection) async throws -> R) async throws -> R {
        let connection = try await JetStreamConnection(ConnectionOptions(url: PrivateNATS.current.url, name: "fault"))
        do {
            let answer = try await body(connection)
            await connection.close()
            return answer
        } catch {
            await connection.close()
            throw error
        }
    }

    /// Publishes trades of which the lane can read but the first few, because its table is locked, and does the fault.
    func whileUnread(trades: Int = 60, fault: (JetStreamConnection) async throws -> Void) async throws {
        try await stage.holding(CrashTests.lockTrades, on: stage.hot) {
            try await publish(1, poison: 0)
            try await stage.awaitBlockedCopy(of: "trade")
            try await publish(trades, poison: 0)
            try await onNATS(fault)
        }
    }

    func gaps() async throws -> [Listed] {
        let sql = "SELECT cause, first_seq, last_seq, suspected FROM thermocline.gap ORDER BY at"
        return try await stage.rows(stage.hot, sql).map { row in
            let (first, last) = (row[1].flatMap { Int($0) } ?? 0, row[2].flatMap { Int($0) } ?? .max)
            return Listed(cause: row[0] ?? "", sequences: first...last, isSuspected: row[3] == "t")
        }
    }

    /// The causes in their order, each run of one cause once.
    private static func runs(_ gaps: [Listed]) -> [String] {
        gaps.indices.filter { $0 == 0 || gaps[$0].cause != gaps[$0 - 1].cause }.map { gaps[$0].cause }
    }

    /// Waits until gaps of these causes are listed and all that the streams hold is stored, and compares the sets: what
    /// is in neither tier nor quarantine is listed, and an exact gap holds nothing else.
    ///
    /// `hot` says so too, unless its lane was given up meanwhile; `others` messages lie in the stream before the trades
    /// that were lost.
    func expectListed(
        _ causes: [String],
        by hot: Daemon?,
        others: Int = 0,
        loses: Bool = true,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        var listed: [Listed] = []
        do {
            try await poll("gaps", within: .seconds(20)) {
                listed = try await gaps()
                return Self.runs(listed) == causes
            }
        } catch is PollTimeout {
            throw PollTimeout(description: "listed are \(listed), expected \(causes)")
        }
        try await stage.awaitStored(within: .seconds(20))
        let (audit, figures) = try await audit()
        // A lane that reads while a limit discards finds more than one hole.
        listed = try await gaps()
        #expect(Self.runs(listed) == causes, "\(listed)", sourceLocation: sourceLocation)
        let (checked, messages) = (audit.checked, published.withLock { $0.messages })
        let gone = Set(checked.lost(atMost: .max))
        // Where nothing else is published, trade number n is message n + 1 of the stream's first life.
        let sequences = Set((0..<messages).filter { gone.contains(identity($0)) }.map { $0 + 1 + others })
        #expect(sequences.count == gone.count && sequences.isEmpty != loses, "\(gone)", sourceLocation: sourceLocation)
        #expect(
            checked.report.duplicated == 0 && checked.report.unexpected == 0,
            "\(checked.report)",
            sourceLocation: sourceLocation
        )
        #expect(figures == ["\(audit.rowsInHot)", "\(listed.count)"], sourceLocation: sourceLocation)
        let unlisted = sequences.filter { sequence in !listed.contains { $0.sequences.contains(sequence) } }
        #expect(unlisted.isEmpty, "\(unlisted.sorted()) is not in \(listed)", sourceLocation: sourceLocation)
        for gap in listed where !gap.isSuspected {
            #expect(sequences.isSuperset(of: gap.sequences), "\(gap)", sourceLocation: sourceLocation)
        }
        guard let hot else { return }
        let lane = try await hot.json("hot", "/stats")["sources"]?.array?.first
        #expect(lane?["gaps"]?.int == listed.count, sourceLocation: sourceLocation)
        let last = lane?["last_gap"]?.string ?? ""
        #expect(last.hasPrefix("\(causes.last ?? ""): "), "\(last)", sourceLocation: sourceLocation)
        try await hot.awaitHealthy(within: .seconds(20))
    }
}

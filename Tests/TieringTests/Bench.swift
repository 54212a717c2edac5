import Digest
import Platform
import Records
import Simulation
import TestSupport
import Tiering

/// One lane and one archiver of one type over servers in memory, for tests that drive them by hand.
struct Bench {
    let type: RecordType
    let clock = ManualClock(start: Timestamp(micros: 1_795_000_000_000_000))
    let server: StreamServer
    let hot: HotDatabase
    let cold: ColdDatabase
    let source: SourceID

    /// Rows lie a millisecond apart, so all of a test's are in this one.
    let range: TimeRange

    static let rangeMicros: Int64 = 60_000_000
    /// Made once: an explorer stores in thousands of benches.
    private static let decoders = Dictionary(
        Catalog.underTest.types.map { ($0.name, RecordDecoder(type: $0, catalog: .underTest)) }
    ) { $1 }

    init(_ type: RecordType, coldFlaws: ColdDatabase.Flaws = [], hotFlaws: HotDatabase.Flaws = []) {
        self.type = type
        server = StreamServer(clock: clock)
        hot = HotDatabase(catalog: .underTest, clock: clock, bucketMicros: 20_000_000, flaws: hotFlaws)
        cold = ColdDatabase(catalog: .underTest, clock: clock, bucketMicros: 20_000_000, flaws: coldFlaws)
        source = SourceID(stream: type.name, filter: SourceID.everything)
        range = TimeRange(containing: Timestamp(micros: 1_795_000_000_000_000), width: Self.rangeMicros)
    }

    func publish(_ numbers: Range<Int>, values: [String: String] = [:]) async {
        for number in numbers {
            let message = SampleMessage(type, number: number, values: values)
            _ = await server.publish(message.subject, message.payload, to: type.name)
        }
    }

    func lane(
        rows: Int = 10,
        faults: Faults = Faults(),
        isShared: Bool = false,
        board: LaneBoard = LaneBoard(),
        memory: MemoryBudget = MemoryBudget(64 << 20),
        now: (@Sendable () -> Timestamp)? = nil,
        report: @escaping @Sendable (LaneEvent) -> Void = { _ in }
    ) -> LaneRunner<ScriptedStreams, MemoryHot, ManualClock> {
        let clock = clock
        return LaneRunner(
            LaneSettings(source: source, type: type, isShared: isShared, batch: BatchPolicy(rows: rows)),
            streams: ScriptedStreams(server, clock: clock, faults: faults),
            hot: MemoryHot(hot, faults: faults),
            decoder: Self.decoders[type.name] ?? RecordDecoder(type: type, catalog: .underTest),
            clock: clock,
            now: now ?? { clock.timestamp },
            board: board,
            memory: memory,
            report: report
        )
    }

    /// Publishes rows and stores them in hot.
    func store(_ numbers: Range<Int>, values: [String: String] = [:]) async throws {
        await publish(numbers, values: values)
        let runner = lane()
        guard var open = try await runner.open() else { preconditionFailure("the lane is held") }
        while true {
            let batch = try await runner.gather(&open, committing: nil)
            if batch.isEmpty { break }
            try await runner.settle(batch, in: open.session, consumer: open.consumer, flight: Flight())
        }
        await runner.close(open)
    }

    func tiers(_ holder: String = "one", faults: Faults = Faults(), cold other: ColdDatabase? = nil) -> MemoryTiers {
        MemoryTiers(hot: hot, cold: other ?? cold, holder: holder, faults: faults)
    }

    static let policy = ArchivePolicy(
        rangeMicros: rangeMicros,
        safetyLagMicros: 1_000_000,
        retentionMicros: 600_000_000
    )

    func archiver(
        _ tiers: MemoryTiers,
        concurrency: Int = 1,
        throttle: Throttle? = nil,
        board: ArchiveBoard = ArchiveBoard(),
        report: @escaping @Sendable (ArchiveEvent) -> Void = { _ in }
    ) -> Archiver<MemoryTiers> {
        let clock = clock
        return Archiver(
            tiers: tiers,
            types: Catalog.underTest.types,
            policy: Self.policy,
            concurrency: concurrency,
            throttle: throttle ?? Throttle(clock: clock),
            now: { clock.timestamp },
            newID: { RandomID.uuid() },
            board: board,
            report: report
        )
    }

    /// Takes the lease and runs one pass of an archiver of its own.
    func pass(
        _ tiers: MemoryTiers,
        concurrency: Int = 1,
        throttle: Throttle? = nil,
        board: ArchiveBoard = ArchiveBoard(),
        report: @escaping @Sendable (ArchiveEvent) -> Void = { _ in }
    ) async throws {
        guard case .held(let token, let isNew) = try await tiers.acquireLease() else {
            preconditionFailure("the lease is held")
        }
        if isNew { try await tiers.takeOver(token) }
        try await archiver(tiers, concurrency: concurrency, throttle: throttle, board: board, report: report)
            .pass(token: token) { false }
    }

    /// The steps of single transfers, under a lease of its own.
    func runner() async throws -> TransferRunner<MemorySource, MemoryTarget> {
        let (tiers, clock) = (tiers("by hand"), clock)
        guard case .held(let token, let isNew) = try await tiers.acquireLease() else {
            preconditionFailure("the lease is held")
        }
        if isNew { try await tiers.takeOver(token) }
        return TransferRunner(
            source: try await tiers.openSource(token),
            target: try await tiers.openTarget(token),
            planner: Planner(policy: Self.policy),
            now: { clock.timestamp }
        )
    }

    var planned: Transfer { Transfer(id: RandomID.uuid(), type: type.name, range: range) }

    /// What is known of the type now; nothing is expected of it.
    func evidence() async -> Evidence {
        var evidence = Evidence(type: type.name)
        await hot.describe(&evidence)
        await cold.describe(&evidence)
        return evidence
    }
}

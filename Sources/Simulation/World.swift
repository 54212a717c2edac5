import Platform
package import Records
import Tiering

/// Ingest and archive of all types on servers in memory, with everything that can go wrong, drawn from one seed.
///
/// One step at a time, on one clock that only steps move: a run of a seed is the same run every time. After each step
/// the invariants are checked. What it cannot show: two commits that really overlap, and SQL.
package actor World {
    package struct Options: Sendable {
        package var catalog: Catalog
        /// Share of operations that a fault hits.
        package var faultShare = 0.02
        /// Messages of types that the feed does not know: `number` and the time now make one.
        package var extra: (@Sendable (_ number: Int, _ now: Timestamp) -> FeedMessage)?
        /// Lines of the trace that are kept for a person.
        package var traceLines = 60
        /// How long cold keeps rows, in widths of a range; nil is for ever.
        package var coldRetention: Int64?
        package var hotFlaws: HotDatabase.Flaws = []
        package var coldFlaws: ColdDatabase.Flaws = []
        package var streamFlaws: StreamServer.Flaws = []

        package init(catalog: Catalog) { self.catalog = catalog }
    }

    package nonisolated let trace: Trace
    let options: Options
    private let seed: UInt64
    let clock: ManualClock
    let server: StreamServer
    let hot: HotDatabase
    let cold: ColdDatabase
    let policy: ArchivePolicy
    let lanes: [LaneSettings]
    private let ids = Counter()
    private var generator: SeededGenerator
    private var feed: Feed
    private var recent: [FeedMessage] = []
    var publications: Publications
    private var coldBefore: [String: RowSet] = [:]
    var ingest: [IngestProcess] = []
    var archive: [ArchiveProcess] = []
    private var processes: UInt64 = 0
    private var extras = 0
    private var isInterrupting = false
    private var failure: Invariants.Violation?

    package init(seed: UInt64, options: Options) {
        self.seed = seed
        self.options = options
        trace = Trace(keeps: options.traceLines)
        // In the middle of a day, and where a sample message of the tests lies.
        let start = Timestamp(micros: 1_795_000_000_000_000)
        clock = ManualClock(start: start)
        server = StreamServer(clock: clock, flaws: options.streamFlaws)
        let bucket: Int64 = 20_000_000
        let partition = 6 * bucket
        hot = HotDatabase(
            catalog: options.catalog,
            clock: clock,
            bucketMicros: bucket,
            partitionMicros: partition,
            flaws: options.hotFlaws
        )
        cold = ColdDatabase(catalog: options.catalog, clock: clock, bucketMicros: bucket, flaws: options.coldFlaws)
        policy = ArchivePolicy(
            rangeMicros: 3 * bucket,
            safetyLagMicros: bucket,
            retentionMicros: 9 * bucket,
            partitionMicros: Dictionary(
                options.catalog.types.filter { $0.partition == .day }.map { ($0.name, partition) }
            ) { $1 },
            undo: .seconds(60),
            coldRetentionMicros: options.coldRetention.map { $0 * 3 * bucket }
        )
        lanes = Self.lanes(of: options.catalog)
        publications = Publications(catalog: options.catalog)
        generator = SeededGenerator(seed: seed)
        var mix = Feed.Options()
        mix.rate = 2
        mix.poisonShare = 0.05
        mix.duplicateShare = 0.1
        mix.lateShare = 0.2
        mix.lateBy = .seconds(20) ... .seconds(600)
        mix.otherShare = 0.8
        mix.depth = 1...3
        feed = Feed(seed: seed, start: start, options: mix)
    }

    /// Order books and trades have a stream of their own, the rest share one.
    private static func lanes(of catalog: Catalog) -> [LaneSettings] {
        let batch = BatchPolicy(rows: 5, bytes: 1 << 16)
        var lanes: [LaneSettings] = []
        for type in catalog.types {
            let isAlone = type.name == "orderbook" || type.name == "trade"
            let patterns = type.name == "lsr" ? Array(type.subjects.prefix(2)) : Array(type.subjects.prefix(1))
            for pattern in patterns {
                let source =
                    isAlone
                    ? SourceID(stream: type.name, filter: SourceID.everything)
                    : SourceID(stream: Self.shared, filter: pattern.filter)
                lanes.append(LaneSettings(source: source, type: type, isShared: !isAlone, batch: batch))
            }
        }
        return lanes
    }

    static let shared = "MARKET_DATA"
    var streams: [String] { Set(lanes.map(\.source.stream)).sorted() }

    func draw(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &generator) }

    // MARK: Running

    /// Runs `steps` steps from the seed.
    ///
    /// Throws: the first `Invariants.Violation`.
    package nonisolated func run(steps: Int) async throws(Invariants.Violation) {
        try await onOneThread { () throws(Invariants.Violation) in try await self.runSteps(steps) }
    }

    /// What happens at the same time happens in the same order in every run.
    nonisolated func onOneThread<R: Sendable>(
        _ body: @escaping @Sendable () async throws(Invariants.Violation) -> R
    ) async throws(Invariants.Violation) -> R {
        let result = await withTaskExecutorPreference(OneThread(label: "simulation")) {
            do throws(Invariants.Violation) { return Result<R, Invariants.Violation>.success(try await body()) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func runSteps(_ steps: Int) async throws(Invariants.Violation) {
        await start()
        for number in 0..<steps {
            trace.beginStep()
            trace.add("step \(number) at \(clock.timestamp.micros)")
            try await step()
            try await check()
        }
    }

    func start() async {
        guard ingest.isEmpty else { return }
        for stream in streams { await server.createStream(stream) }
        for index in 0..<2 {
            ingest.append(newIngest(index))
            archive.append(newArchive(index))
        }
    }

    private func newFaults() -> Faults {
        processes += 1
        return Faults(seed: seed &+ processes &* 7_919, share: options.faultShare)
    }

    func newIngest(_ index: Int) -> IngestProcess {
        IngestProcess(
            name: "ingest \(index)",
            lanes: lanes,
            catalog: options.catalog,
            server: server,
            hot: hot,
            clock: clock,
            faults: newFaults(),
            trace: trace
        )
    }

    func newArchive(_ index: Int) -> ArchiveProcess {
        let faults = newFaults()
        faults.interrupt { [weak self] _ in await self?.interrupt(index) }
        return ArchiveProcess(
            name: "archive \(index)/\(processes)",
            catalog: options.catalog,
            policy: policy,
            hot: hot,
            cold: cold,
            clock: clock,
            faults: faults,
            ids: { [ids] in "transfer-\(ids.next())" },
            trace: trace
        )
    }

    /// The rest of the world between two operations of an archiver.
    private func interrupt(_ index: Int) async {
        guard !isInterrupting, options.faultShare > 0, draw(100) < 8 else { return }
        isInterrupting = true
        defer { isInterrupting = false }
        switch draw(20) {
        case 0..<6: await publish(1 + draw(2))
        case 6..<17: await laneStep()
        case 17: if draw(2) == 0 { pass(.seconds(1 + draw(40))) } else { await requestPart() }
        case 18: await archive[1 - index].step(draw(2) == 0 ? .work : .renew)
        default:
            trace.add("  archive \(index) is killed")
            trace.count("archiver killed")
            archive[index].faults.kill()
        }
        do throws(Invariants.Violation) { try await check() } catch { failure = failure ?? error }
    }

    private func step() async throws(Invariants.Violation) {
        switch draw(200) {
        case 0..<24: await publish(1 + draw(3))
        case 24..<140: await laneStep()
        case 140..<166: await archiveStep()
        case 166..<186: pass(.seconds(1 + draw(30)))
        case 186: await restartIngest()
        case 187: await restartArchive()
        case 188..<192: await trouble()
        case 192..<195: if draw(2) == 0 { await request() } else { await requestPart() }
        case 195: await pin()
        case 196: try await scrub()
        default: break
        }
    }

    private func pass(_ span: Duration) {
        trace.add("  \(span.milliseconds) ms pass")
        clock.advance(by: span)
    }

    // MARK: Publishing

    private func publish(_ count: Int) async {
        for _ in 0..<count {
            let message: FeedMessage
            if let extra = options.extra, draw(8) == 0 {
                // Each fourth repeats an earlier one.
                message = extra(draw(4) == 0 ? draw(extras + 1) : extras, clock.timestamp)
                extras += 1
            } else if draw(12) == 0, let earlier = recent.randomElement(using: &generator) {
                message = conflict(with: earlier)
            } else {
                feed.skip(to: clock.timestamp)
                message = feed.next()
                if message.kind == .good || message.kind == .late { recent.append(message) }
                if recent.count > 64 { recent.removeFirst() }
            }
            await publish(message)
        }
    }

    private func publish(_ message: FeedMessage) async {
        let isOwn = { (lane: LaneSettings) in
            lane.type.name == message.type
                && (!lane.isShared || message.subject.hasPrefix(lane.source.filter.dropLast()))
        }
        guard let lane = lanes.first(where: isOwn) else { preconditionFailure("no lane reads \(message.subject)") }
        let stored = await server.publish(message.subject, message.payload, to: lane.source.stream)
        guard let stored else { return }
        trace.add("  \(message.kind) \(message.identity) is \(stored.sequence) of \(lane.source.stream)")
        trace.count("published \(message.kind)")
        publications.add(message, stored: stored, source: lane.source)
    }

    /// The key of an earlier message with other content: one more key in its payload.
    private func conflict(with message: FeedMessage) -> FeedMessage {
        var payload = message.payload
        payload.insert(contentsOf: Array("\"remark\":\(draw(3)),".utf8), at: 1)
        trace.count("published conflict")
        return FeedMessage(
            type: message.type,
            subject: message.subject,
            messageID: nil,
            payload: payload,
            kind: .duplicate,
            at: message.at,
            identity: message.identity
        )
    }

    // MARK: Lanes and archivers

    private func laneStep() async {
        let (process, lane) = (draw(3) == 0 ? 1 : 0, draw(lanes.count))
        await ingest[process].step(lane, prefersCommit: draw(2) == 0)
        await followPosition(of: lanes[lane].source)
    }

    func followPosition(of source: SourceID) async {
        guard let position = await hot.position(of: source) else { return }
        let time = await server.time(of: position.sequence, in: source.stream)
        let isCurrent = time != nil && time == position.messageTime
        publications.moved(source, to: position, isCurrent: isCurrent)
    }

    private func archiveStep() async {
        let index = draw(3) == 0 ? 1 : 0
        if archive[index].faults.isDead { archive[index] = newArchive(index) }
        await archive[index].step(draw(10) < 8 ? .work : draw(2) == 0 ? .renew : .release)
    }

    private func restartIngest() async {
        let index = draw(2)
        let linger = draw(2) == 0
        trace.add("  ingest \(index) is killed")
        trace.count("lanes killed")
        await ingest[index].die(sessionsLinger: linger)
        ingest[index] = newIngest(index)
    }

    private func restartArchive() async {
        let index = draw(2)
        trace.add("  archive \(index) is killed")
        trace.count("archiver killed")
        archive[index].faults.kill()
        archive[index] = newArchive(index)
    }

    func newRequest() -> String { "request-\(ids.next())" }

    private func request() async {
        guard let transfer = await cold.ledger.randomElement(using: &generator) else { return }
        let prunes = draw(2) == 0
        trace.add("  \(transfer.type) \(transfer.range.start.micros) is asked for")
        trace.count("request")
        await cold.request(
            transfer.request ?? newRequest(),
            type: transfer.type,
            range: transfer.range,
            prunes: prunes
        )
    }

    /// Pins a range that the ledger knows for a while.
    private func pin() async {
        guard options.faultShare > 0, let transfer = await cold.ledger.randomElement(using: &generator) else { return }
        trace.add("  \(transfer.type) \(transfer.range.start.micros) is pinned")
        trace.count("pinned")
        await hot.pin(
            Pin(
                id: "pin-\(ids.next())",
                type: transfer.type,
                range: transfer.range,
                reason: "simulated",
                expiresAt: clock.timestamp.advanced(byMicros: Int64(1 + draw(300)) * 1_000_000)
            )
        )
    }

    // MARK: Checking

    func check() async throws(Invariants.Violation) {
        if let failure { throw failure }
        // What is found then is looked for by who did the damage; what changes meanwhile is judged after it.
        if await cold.isDamaged { return }
        let changed = await hot.takeChanges().union(await cold.takeChanges())
        for type in changed.sorted() {
            let evidence = await evidence(of: type)
            try Invariants.check(evidence, coldBefore: coldBefore[type])
            coldBefore[type] = evidence.cold
        }
        if let transfer = await cold.halted {
            let detail = "\(transfer.range) is \(transfer.state): \(transfer.error ?? "")"
            throw Invariants.Violation(rule: .provedBeforePruned, type: transfer.type, detail: detail)
        }
    }

    func evidence(of type: String) async -> Evidence {
        var evidence = publications.evidence[type] ?? Evidence(type: type)
        await hot.describe(&evidence)
        await cold.describe(&evidence)
        evidence.coldRetentionMicros = policy.coldRetentionMicros
        return evidence
    }
}

/// Numbers that nobody else has.
private final class Counter: Sendable {
    private let value = Locked(0)

    func next() -> Int {
        value.withLock { value in
            value += 1
            return value
        }
    }
}

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
        package var hotFlaws: HotDatabase.Flaws = []
        package var coldFlaws: ColdDatabase.Flaws = []
        package var streamFlaws: StreamServer.Flaws = []

        package init(catalog: Catalog) { self.catalog = catalog }
    }

    package nonisolated let trace: Trace
    private let options: Options
    private let seed: UInt64
    let clock: ManualClock
    let server: StreamServer
    let hot: HotDatabase
    let cold: ColdDatabase
    private let policy: ArchivePolicy
    private let lanes: [LaneSettings]
    private let ids = Counter()
    private var generator: SeededGenerator
    private var feed: Feed
    private var recent: [FeedMessage] = []
    private var publications: Publications
    private var coldBefore: [String: RowSet] = [:]
    private var ingest: [IngestProcess] = []
    private var archive: [ArchiveProcess] = []
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
        hot = HotDatabase(catalog: options.catalog, clock: clock, bucketMicros: bucket, flaws: options.hotFlaws)
        cold = ColdDatabase(catalog: options.catalog, clock: clock, bucketMicros: bucket, flaws: options.coldFlaws)
        policy = ArchivePolicy(rangeMicros: 3 * bucket, safetyLagMicros: bucket, retentionMicros: 9 * bucket)
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

    private static let shared = "MARKET_DATA"
    private var streams: [String] { Set(lanes.map(\.source.stream)).sorted() }

    private func draw(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &generator) }

    // MARK: Running

    /// Runs `steps` steps from the seed.
    ///
    /// Throws: the first `Invariants.Violation`.
    package func run(steps: Int) async throws(Invariants.Violation) {
        await start()
        for number in 0..<steps {
            trace.beginStep()
            trace.add("step \(number) at \(clock.timestamp.micros)")
            await step()
            try await check()
        }
    }

    private func start() async {
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

    private func newIngest(_ index: Int) -> IngestProcess {
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

    private func newArchive(_ index: Int) -> ArchiveProcess {
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
        case 17: pass(.seconds(1 + draw(40)))
        case 18: await archive[1 - index].step(draw(2) == 0 ? .work : .renew)
        default:
            trace.add("  archive \(index) is killed")
            trace.count("archiver killed")
            archive[index].faults.kill()
        }
        do throws(Invariants.Violation) { try await check() } catch { failure = failure ?? error }
    }

    private func step() async {
        switch draw(200) {
        case 0..<24: await publish(1 + draw(3))
        case 24..<140: await laneStep()
        case 140..<166: await archiveStep()
        case 166..<186: pass(.seconds(1 + draw(30)))
        case 186: await restartIngest()
        case 187: await restartArchive()
        case 188..<192: await trouble()
        case 192..<195: await request()
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

    private func followPosition(of source: SourceID) async {
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

    private func request() async {
        guard let transfer = await cold.ledger.randomElement(using: &generator) else { return }
        let prunes = draw(2) == 0
        trace.add("  \(transfer.type) \(transfer.range.start.micros) is asked for")
        trace.count("request")
        await cold.request(
            transfer.request ?? "request-\(ids.next())",
            type: transfer.type,
            range: transfer.range,
            prunes: prunes
        )
    }

    // MARK: Trouble

    private func trouble() async {
        guard options.faultShare > 0 else { return }
        let stream = streams[draw(streams.count)]
        switch draw(16) {
        case 0..<2: await discard(stream)
        case 2: await recreate(stream)
        case 3: await restore(stream)
        case 4:
            trace.add("  the server restarts")
            await server.restart()
        case 5..<8:
            let skew = Int64(draw(5) - 2) * 7_000_000
            trace.add("  the server's clock is \(skew) us ahead")
            await server.setClock(aheadBy: skew)
        default:
            let ends = draw(2) == 0
            trace.add("  ending a session \(ends ? "ends it" : "leaves it alive")")
            await hot.setEndsSessions(ends)
            await cold.setEndsSessions(ends)
        }
    }

    /// The stream discards its oldest messages, read or not.
    private func discard(_ stream: String) async {
        let held = await server.messages(of: stream)
        guard let first = held.first?.sequence else { return }
        let below = first + UInt64(draw(held.count + 1))
        trace.add("  \(stream) discards below \(below)")
        trace.count("stream discarded")
        // A lane of a shared stream that goes on reading cannot see this hole: its consumer simply goes on. Where the
        // lanes start over, it is seen by comparing the position with the stream's first sequence.
        if stream == Self.shared { await server.restart() }
        await server.discard(below: below, of: stream)
        guard below > first else { return }
        publications.lost(stream, 0...(below - 1), gaps: await hot.gaps.count)
    }

    private func recreate(_ stream: String) async {
        trace.add("  \(stream) is made again")
        trace.count("stream recreated")
        await server.recreateStream(stream)
        publications.lost(stream, 0...UInt64.max, gaps: await hot.gaps.count)
    }

    /// The stream comes back as it was some messages ago.
    private func restore(_ stream: String) async {
        let held = await server.messages(of: stream)
        guard held.count > 1, await canTellRegression(stream, held) else { return }
        let kept = held[draw(held.count - 1)].sequence
        trace.add("  \(stream) goes back to \(kept)")
        trace.count("stream went back")
        await server.restore(stream, through: kept)
        publications.lost(stream, (kept + 1)...UInt64.max, gaps: await hot.gaps.count)
    }

    /// A position whose message is gone has nothing to be compared by once the stream has grown past it again.
    private func canTellRegression(_ stream: String, _ held: [StreamServer.Message]) async -> Bool {
        for lane in lanes where lane.source.stream == stream {
            guard let position = await hot.position(of: lane.source) else { continue }
            guard position.messageTime != nil, held.contains(where: { $0.sequence == position.sequence }) else {
                return false
            }
        }
        return true
    }

    // MARK: Checking

    private func check() async throws(Invariants.Violation) {
        if let failure { throw failure }
        for lane in lanes { await followPosition(of: lane.source) }
        let changed = await hot.takeChanges().union(await cold.takeChanges())
        for type in changed.sorted() {
            let evidence = await evidence(of: type)
            try Invariants.check(evidence, coldBefore: coldBefore[type])
            coldBefore[type] = evidence.cold
        }
        for transfer in await cold.ledger where transfer.state == .mismatched || transfer.state == .unaccounted {
            let detail = "\(transfer.range) is \(transfer.state): \(transfer.error ?? "")"
            throw Invariants.Violation(rule: .provedBeforePruned, type: transfer.type, detail: detail)
        }
    }

    private func evidence(of type: String) async -> Evidence {
        var evidence = publications.evidence[type] ?? Evidence(type: type)
        await hot.describe(&evidence)
        await cold.describe(&evidence)
        return evidence
    }

    // MARK: The end

    /// Ends all faults, lets everything be read and moved, and compares the tiers with what was published.
    package func converge() async throws(Invariants.Violation) -> SetReport {
        await start()
        await endFaults()
        for round in 0..<40 {
            trace.add("round \(round) at \(clock.timestamp.micros)")
            if await settleOnce() { break }
            try await check()
        }
        try await check()
        let before = await (cold.ledger, hot.newestEvent())
        _ = await settleOnce()
        let after = await cold.ledger
        guard before.0.map(\.state) == after.map(\.state), before.0.map(\.manifest) == after.map(\.manifest) else {
            throw Invariants.Violation(rule: .provedBeforePruned, type: "all", detail: "a second pass moved something")
        }
        return try await audit()
    }

    private func endFaults() async {
        trace.add("no more faults")
        await server.setClock(aheadBy: 0)
        await hot.setEndsSessions(true)
        await cold.setEndsSessions(true)
        for index in 0..<2 {
            await ingest[index].die(sessionsLinger: false)
            archive[index].faults.kill()
            ingest[index] = newIngest(index)
            archive[index] = newArchive(index)
            ingest[index].faults.stop()
            archive[index].faults.stop()
            archive[index].faults.interrupt(with: nil)
        }
        clock.advance(by: .seconds(3_600))
    }

    /// Drains every lane and archives once; true where nothing is left to do.
    private func settleOnce() async -> Bool {
        let before = await cold.ledger.map(\.state)
        for lane in lanes.indices {
            for _ in 0..<2_000 {
                await ingest[0].step(lane, prefersCommit: true)
                if await ingest[0].isDrained(lane) { break }
            }
        }
        await archive[0].step(.work)
        await archive[0].step(.work)
        let after = await cold.ledger
        return before == after.map(\.state) && after.allSatisfy { $0.state == .verified || $0.state == .pruned }
    }

    private func audit() async throws(Invariants.Violation) -> SetReport {
        let excused = publications.excused(by: await hot.gaps)
        var checker = SetChecker<String>()
        var found: Set<String> = []
        for type in options.catalog.types {
            let evidence = await evidence(of: type.name)
            try Invariants.checkConverged(evidence, except: excused)
            let rows = Set(evidence.hot.rows.keys).union(evidence.cold.rows.keys)
            for identity in rows { checker.store(identity) }
            for identity in evidence.quarantined { checker.quarantine(identity) }
            found.formUnion(rows)
            found.formUnion(evidence.quarantined)
        }
        for entry in publications.entries where found.contains(entry.identity) || !excused.contains(entry.identity) {
            checker.publish(entry.identity)
        }
        return checker.report
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

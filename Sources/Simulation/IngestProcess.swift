import Platform
import Records
import Tiering

/// A process that ingests, driven a step at a time: what its lanes have open, and what they have gathered.
actor IngestProcess {
    private typealias Runner = LaneRunner<ScriptedStreams, MemoryHot, ManualClock>

    /// A lane between two steps.
    private struct Lane {
        let runner: Runner
        var open: Runner.Open?
        /// Gathered and not committed; at most two, as a lane that runs has.
        var batches: [LaneBatch] = []
        var isIdle = false
    }
    nonisolated let name: String
    nonisolated let faults: Faults
    private let trace: Trace
    private var lanes: [Lane]

    init(
        name: String,
        lanes: [LaneSettings],
        catalog: Catalog,
        server: StreamServer,
        hot: HotDatabase,
        clock: ManualClock,
        faults: Faults,
        trace: Trace
    ) {
        self.name = name
        self.faults = faults
        self.trace = trace
        let streams = ScriptedStreams(server, clock: clock, faults: faults)
        self.lanes = lanes.map { settings in
            Lane(
                runner: LaneRunner(
                    settings,
                    streams: streams,
                    hot: MemoryHot(hot, faults: faults),
                    decoder: RecordDecoder(type: settings.type, catalog: catalog),
                    clock: clock,
                    now: { clock.timestamp.advanced(byMicros: faults.clockSkewMicros) },
                    board: LaneBoard(),
                    report: { Self.report($0, by: name, to: trace) }
                )
            )
        }
    }

    private static func report(_ event: LaneEvent, by name: String, to trace: Trace) {
        switch event {
        case .claimed(let source, let position):
            trace.count("lane claimed")
            trace.add("  \(name) claimed \(source) at \(position.epoch)/\(position.sequence)")
        case .held(let source, _): trace.add("  \(name) waits for \(source)")
        case .gap(let source, let gap):
            trace.count("gap \(gap.cause)")
            trace.add("  \(name) lists a gap of \(source): \(gap.cause) from \(gap.firstSequence ?? 0)")
        case .restarted(let source, let reason):
            trace.count("lane restarted")
            trace.add("  \(name) starts \(source) over: \(reason)")
        case .failed(let source, let detail, let disposition):
            trace.count("lane failed, \(disposition)")
            trace.add("  \(name) \(source) failed: \(detail)")
        }
    }

    /// Carries one lane one step on; what fails closes it, as the service does.
    func step(_ index: Int, prefersCommit: Bool) async {
        var lane = lanes[index]
        do {
            try await advance(&lane, prefersCommit: prefersCommit)
        } catch {
            if error is LostLane { trace.count("lane lost") }
            if let open = lane.open { await lane.runner.close(open) }
            lane.open = nil
            lane.batches = []
            _ = await lane.runner.failed(error)
        }
        lanes[index] = lane
    }

    private func advance(_ lane: inout Lane, prefersCommit: Bool) async throws {
        guard var open = lane.open else {
            lane.open = try await lane.runner.open()
            return
        }
        defer { lane.open = open }
        if lane.batches.isEmpty || (lane.batches.count == 1 && !prefersCommit) {
            let batch = try await lane.runner.gather(&open, committing: nil)
            trace.add("  \(name) gathers \(batch.received) of \(lane.runner.settings.source) to \(batch.to)")
            lane.isIdle = batch.isEmpty
            if !batch.isEmpty { lane.batches.append(batch) }
            if lane.batches.isEmpty { try await lane.runner.beat(&open, isIdle: true) }
        } else {
            let batch = lane.batches.removeFirst()
            trace.add("  \(name) commits \(lane.runner.settings.source) from \(batch.from) to \(batch.to)")
            try await lane.runner.settle(batch, in: open.session, consumer: open.consumer, flight: Flight())
            if lane.batches.isEmpty { try await lane.runner.beat(&open, isIdle: false) }
        }
    }

    /// Whether a lane holds nothing that is not committed, and found nothing at its last look.
    func isDrained(_ index: Int) -> Bool {
        lanes[index].open != nil && lanes[index].batches.isEmpty && lanes[index].isIdle
    }

    /// Ends the process; its sessions with the database end with it, or linger where its host is gone.
    func die(sessionsLinger: Bool) async {
        faults.kill()
        for lane in lanes {
            guard let open = lane.open, !sessionsLinger else { continue }
            await lane.runner.close(open)
        }
    }
}

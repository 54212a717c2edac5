import Adapters
import Platform
import Records
import Simulation
import Synchronization
import Tiering

/// How far the demo is, and what the roles in it are doing: written by the demo, read by the display.
final class DemoBoard: Sendable {
    enum Phase: String, Sendable {
        case starting, running, draining, settling, auditing, over
    }
    private struct State {
        var phase = Phase.starting
        var feedStarted: ContinuousClock.Instant?
        var feedEnded: ContinuousClock.Instant?
        var published = SetChecker<String>()
        var publishedCount = 0
    }
    let types: [RecordType]
    private let roles: Roles
    private let length: Duration?
    private let state = Locked(State())

    init(roles: Roles, length: Duration?, types: [RecordType] = Catalog.standard.types) {
        self.roles = roles
        self.length = length
        self.types = types
    }

    // MARK: The demo's own

    func enter(_ phase: Phase) {
        state.withLock { state in
            state.phase = phase
            if phase == .running { state.feedStarted = .now }
            if phase == .draining { state.feedEnded = .now }
        }
    }

    /// Notes messages that the server has taken.
    func note(_ messages: [FeedMessage]) {
        state.withLock { state in
            for message in messages { state.published.publish(message.identity) }
            state.publishedCount += messages.count
        }
    }

    var published: SetChecker<String> { state.withLock { $0.published } }
    var publishedCount: Int { state.withLock { $0.publishedCount } }

    // MARK: What the roles say

    private var lanes: [LaneStatus] { roles.ingestBoard.status(isConnected: true).lanes }

    /// Whether every type has a source and every lane reads.
    var isReading: Bool {
        let ingest = roles.ingestBoard.status(isConnected: true)
        return ingest.waiting.isEmpty && Set(ingest.lanes.map(\.type)) == Set(types.map(\.name))
            && ingest.lanes.allSatisfy { $0.state == .reading }
    }

    /// Messages whose rows, repeats or quarantine are committed.
    var settled: Int { lanes.reduce(0) { $0 + $1.stored + $1.repeated + $1.quarantined } }
    var passes: Int { roles.archiveBoard.current.passes }

    /// Whether no range is on its way.
    var isSettled: Bool {
        let resting: Set<Transfer.State> = [.verified, .pruned]
        return roles.archiveBoard.current.types.values.allSatisfy { of in
            of.sums.ranges.allSatisfy { $0.value == 0 || resting.contains($0.key) }
        }
    }

    /// What keeps the roles from being healthy.
    var trouble: [String] {
        let archive = roles.archiveBoard.current
        return lanes.compactMap { lane in lane.trouble.map { "\(lane.type): \($0)" } }
            + [archive.trouble].compactMap(\.self) + archive.types.values.compactMap(\.halted)
    }

    /// Everything at this instant.
    func progress() -> DemoProgress {
        let now = ContinuousClock.now
        let lanes = Dictionary(grouping: lanes, by: \.type)
        let archive = roles.archiveBoard.current
        let time = Timestamp(micros: WallClock.now())
        let of = types.map { DemoProgress.OfType($0.name, lanes[$0.name] ?? [], archive.types[$0.name], at: time) }
        return state.withLock { state in
            DemoProgress(
                phase: state.phase,
                at: now,
                elapsed: state.feedStarted.map { $0.duration(to: state.feedEnded ?? now) } ?? .zero,
                length: length,
                published: state.publishedCount,
                types: of,
                trouble: trouble.first
            )
        }
    }
}

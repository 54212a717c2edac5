import Records
import Tiering

/// What the display shows of one instant.
struct DemoProgress: Sendable {
    /// One record type, from the stream to cold.
    struct OfType: Sendable {
        let name: String
        var received = 0
        var stored = 0
        var repeated = 0
        var quarantined = 0
        /// Seconds that its lanes are behind their streams.
        var lag: Double?
        /// Ranges that came at least so far.
        var copied = 0
        var verified = 0
        var pruned = 0
        var rowsInCold = 0
        var rowsPruned = 0

        init(_ name: String) { self.name = name }

        init(_ name: String, _ lanes: [LaneStatus], _ archive: ArchiveStatus.OfType?, at time: Timestamp) {
            self.init(name)
            for lane in lanes {
                received += lane.received
                stored += lane.stored
                repeated += lane.repeated
                quarantined += lane.quarantined
            }
            lag = lanes.compactMap { $0.lagSeconds(at: time) }.max()
            guard let archive else { return }
            pruned = archive.sums.ranges[.pruned] ?? 0
            verified = pruned + (archive.sums.ranges[.verified] ?? 0)
            copied = verified + (archive.sums.ranges[.copied] ?? 0) + (archive.sums.ranges[.mismatched] ?? 0)
            rowsInCold = archive.sums.rowsInCold
            rowsPruned = archive.rowsPruned
        }

        static func += (sum: inout OfType, of: OfType) {
            sum.received += of.received
            sum.stored += of.stored
            sum.repeated += of.repeated
            sum.quarantined += of.quarantined
            sum.lag = [sum.lag, of.lag].compactMap(\.self).max()
            sum.copied += of.copied
            sum.verified += of.verified
            sum.pruned += of.pruned
            sum.rowsInCold += of.rowsInCold
            sum.rowsPruned += of.rowsPruned
        }
    }

    let phase: DemoBoard.Phase
    let at: ContinuousClock.Instant
    /// How long the feed has run.
    let elapsed: Duration
    let length: Duration?
    let published: Int
    let types: [OfType]
    let trouble: String?

    var total: OfType { types.reduce(into: OfType("total")) { $0 += $1 } }
}

/// Turns counts into rates, over the last seconds.
struct RateMeter {
    /// 2 s: lively, without jumping at each batch.
    private static let window = Duration.seconds(2)
    private var samples: [DemoProgress] = []

    /// Notes one more instant and returns what each type, then the feed as a whole, had per second.
    mutating func rates(at progress: DemoProgress) -> (types: [Double], published: Double) {
        samples.append(progress)
        while samples.count > 2, samples[1].at.duration(to: progress.at) >= Self.window { samples.removeFirst() }
        let first = samples[0]
        let seconds = max(first.at.duration(to: progress.at) / .seconds(1), 0.001)
        let types = zip(progress.types, first.types).map { Double($0.received - $1.received) / seconds }
        return (types, Double(progress.published - first.published) / seconds)
    }
}

/// Compares what a feed published with what the two tiers and the quarantine hold together.
///
/// A row counts once, however the archive has it at the moment: in hot, in cold, or in both. A second row of the same
/// identity in one tier is a duplicate.
package struct FeedAudit: Sendable {
    private let published: SetChecker<String>
    private var inHot: [String: Int] = [:]
    private var inCold: [String: Int] = [:]
    private var inQuarantine: [String] = []
    package private(set) var rowsInHot = 0
    package private(set) var rowsInCold = 0

    /// `published` has been told of every message that the server took.
    package init(published: SetChecker<String>) { self.published = published }

    package mutating func foundInHot(_ identity: String) {
        inHot[identity, default: 0] += 1
        rowsInHot += 1
    }

    package mutating func foundInCold(_ identity: String) {
        inCold[identity, default: 0] += 1
        rowsInCold += 1
    }

    package mutating func foundInQuarantine(_ identity: String) { inQuarantine.append(identity) }

    /// The published set with everything that was found noted in it: its `report` is the verdict.
    package var checked: SetChecker<String> {
        var checker = published
        for (identity, times) in inHot.merging(inCold, uniquingKeysWith: max) {
            for _ in 0..<times { checker.store(identity) }
        }
        for identity in inQuarantine { checker.quarantine(identity) }
        return checker
    }
}

package import Records

/// What an operator asks for: ranges of one type, or parts of them, to be copied and verified; whole ones are pruned at
/// once if `prunes`.
package struct TransferRequest: Sendable, Equatable {
    package var type: String
    package var range: TimeRange
    /// The rows that are meant, where not all are; the time is that of `range`.
    package var filter: TransferFilter
    package var prunes: Bool

    package init(type: String, range: TimeRange, filter: TransferFilter = TransferFilter(), prunes: Bool) {
        self.type = type
        self.range = range
        self.filter = filter
        self.prunes = prunes
    }

    /// Why a request is refused, and what to ask for instead.
    package struct Refusal: Error, Sendable, Equatable {
        package var code: String
        package var message: String
        package var remedy: String

        package init(code: String, message: String, remedy: String) {
            self.code = code
            self.message = message
            self.remedy = remedy
        }
    }

    /// A range that the request means, and which part of it; nil is the whole.
    package struct Target: Sendable, Equatable {
        package var range: TimeRange
        package var filter: TransferFilter?
    }

    /// The ranges that the request means: those it touches that hold something or are known to the ledger.
    ///
    /// Where it is filtered, or covers a range in part, it means that part: pruning is refused there, as it is where a
    /// range is not closed yet. Parts of what cold let go are refused.
    package func targets(
        activity: [RangeActivity],
        ledger: [Transfer],
        planner: Planner,
        wall: Timestamp
    ) throws(Refusal) -> [Target] {
        let known = ledger.filter { $0.type == type && planner.isOnGrid($0.range) }
        let touched = activity.filter { $0.type == type }.map(\.range) + known.map(\.range)
        let targets = Set(touched.filter { $0.overlaps(range) }).sorted { $0.start < $1.start }
            .map { Target(range: $0, filter: part(of: $0)) }
        let expired = Set(known.lazy.filter { $0.state == .expired }.map(\.range))
        if let gone = targets.first(where: { $0.filter != nil && expired.contains($0.range) }) {
            throw Refusal(
                code: "range_expired",
                message: "cold's own retention let the range \(gone.range) go: no part of it can be copied",
                remedy: "ask for the whole range, without a filter, to archive what hot holds of it anew"
            )
        }
        if prunes { try refusePrune(of: targets, planner, wall) }
        return targets
    }

    private func part(of whole: TimeRange) -> TransferFilter? {
        var filter = filter
        if whole.start < range.start || range.end < whole.end {
            filter.time = TimeRange(start: max(whole.start, range.start), end: min(whole.end, range.end))
        }
        return filter.isEmpty ? nil : filter
    }

    private func refusePrune(of targets: [Target], _ planner: Planner, _ wall: Timestamp) throws(Refusal) {
        guard filter.isEmpty else {
            throw Refusal(
                code: "partial_prune",
                message: "pruning is refused for what is filtered: a range leaves hot only whole, as it was proved",
                remedy: "leave prune out, or ask for whole ranges without exchange, market_type and symbol"
            )
        }
        let width = "\(planner.policy.rangeMicros / 1_000_000) s (archive.range)"
        if let part = targets.first(where: { $0.filter != nil })?.range {
            throw Refusal(
                code: "partial_range",
                message: "pruning is refused for part of a range: \(part.start) to \(part.end) is covered only in part",
                remedy: "start and end at range edges, every \(width) from the epoch, or leave prune out"
            )
        }
        if let open = targets.first(where: { !planner.isClosedForCopy($0.range, at: wall) })?.range {
            throw Refusal(
                code: "range_open",
                message: "the range \(open.start) to \(open.end) is not closed yet: it still takes rows",
                remedy: "wait until its end plus archive.safety_lag is past, or leave prune out"
            )
        }
    }
}

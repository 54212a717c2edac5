package import Records

/// What an operator asks for: ranges of one type to be copied and verified, and pruned at once if `prunes`.
package struct TransferRequest: Sendable, Equatable {
    package var type: String
    package var range: TimeRange
    package var prunes: Bool

    package init(type: String, range: TimeRange, prunes: Bool) {
        self.type = type
        self.range = range
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

    /// The ranges that the request means: those it touches that hold something or are known to the ledger.
    ///
    /// A range it covers in part is moved whole, which proves more than was asked; but pruning is refused there, and
    /// where a range is not closed yet.
    package func ranges(
        activity: [RangeActivity],
        ledger: [Transfer],
        planner: Planner,
        wall: Timestamp
    ) throws(Refusal) -> [TimeRange] {
        let touched =
            activity.filter { $0.type == type }.map(\.range)
            + ledger.filter { $0.type == type && planner.isOnGrid($0.range) }.map(\.range)
        let ranges = Set(touched.filter { $0.start < range.end && range.start < $0.end }).sorted { $0.start < $1.start }
        guard prunes else { return ranges }
        let width = "\(planner.policy.rangeMicros / 1_000_000) s (archive.range)"
        if let part = ranges.first(where: { $0.start < range.start || $0.end > range.end }) {
            throw Refusal(
                code: "partial_range",
                message: "pruning is refused for part of a range: \(part.start) to \(part.end) is covered only in part",
                remedy: "start and end at range edges, every \(width) from the epoch, or leave prune out"
            )
        }
        if let open = ranges.first(where: { !planner.isClosedForCopy($0, at: wall) }) {
            throw Refusal(
                code: "range_open",
                message: "the range \(open.start) to \(open.end) is not closed yet: it still takes rows",
                remedy: "wait until its end plus archive.safety_lag is past, or leave prune out"
            )
        }
        return ranges
    }
}

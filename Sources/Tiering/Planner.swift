import Digest
package import Records

/// When ranges are copied and when they may leave hot.
package struct ArchivePolicy: Sendable, Equatable {
    /// Width of a range, microseconds; a multiple of the activity bucket.
    package var rangeMicros: Int64
    /// How far behind the wall clock a range must end before it is copied, microseconds.
    package var safetyLagMicros: Int64
    /// How long hot keeps rows, microseconds, by type name; `retentionMicros` for the rest.
    package var retentionByType: [String: Int64]
    package var retentionMicros: Int64
    /// Whether verified ranges past retention are pruned at all.
    package var prunes: Bool
    /// Width of the partitions that leave hot whole, microseconds, by type name; what is not listed leaves by DELETE.
    package var partitionMicros: [String: Int64]
    /// How long a partition that left hot rests before it is dropped.
    package var undo: Duration
    /// How long cold keeps rows, microseconds, by type name; `coldRetentionMicros` for the rest; nil is for ever.
    package var coldRetentionByType: [String: Int64]
    package var coldRetentionMicros: Int64?
    /// Rows of a mismatch that are named with both versions; the others are counted.
    package var namedRows: Int

    package init(
        rangeMicros: Int64,
        safetyLagMicros: Int64,
        retentionMicros: Int64,
        retentionByType: [String: Int64] = [:],
        prunes: Bool = true,
        partitionMicros: [String: Int64] = [:],
        undo: Duration = .zero,
        coldRetentionMicros: Int64? = nil,
        coldRetentionByType: [String: Int64] = [:],
        namedRows: Int = 10
    ) {
        precondition(rangeMicros > 0 && safetyLagMicros >= 0 && retentionMicros >= 0, "spans are not negative")
        self.rangeMicros = rangeMicros
        self.safetyLagMicros = safetyLagMicros
        self.retentionMicros = retentionMicros
        self.retentionByType = retentionByType
        self.prunes = prunes
        self.partitionMicros = partitionMicros
        self.undo = undo
        self.coldRetentionMicros = coldRetentionMicros
        self.coldRetentionByType = coldRetentionByType
        self.namedRows = namedRows
    }
}

/// What hot says a range holds: a stamp that changes whenever a writer stores rows, and how many rows there are now.
package struct RangeActivity: Sendable, Equatable {
    package var type: String
    package var range: TimeRange
    package var stamp: String
    package var rows: Int

    package init(type: String, range: TimeRange, stamp: String, rows: Int) {
        self.type = type
        self.range = range
        self.stamp = stamp
        self.rows = rows
    }
}

/// The two clocks that pruning waits for: neither alone can make rows old.
package struct PruneClock: Sendable, Equatable {
    package var wall: Timestamp
    /// Newest committed event over all types that is not later than its own stream time; nil where there is none.
    package var newestEvent: Timestamp?

    package init(wall: Timestamp, newestEvent: Timestamp?) {
        self.wall = wall
        self.newestEvent = newestEvent
    }
}

/// Decides, from what hot holds and what the ledger says, which transfers need work.
///
/// Pure; every pass asks anew.
package struct Planner: Sendable {
    package let policy: ArchivePolicy

    package init(policy: ArchivePolicy) { self.policy = policy }

    package enum Step: Sendable, Equatable { case copy, verify, prune }

    struct Key: Hashable {
        let type: String
        let range: TimeRange

        init(_ type: String, _ range: TimeRange) { (self.type, self.range) = (type, range) }
        init(_ transfer: Transfer) { self.init(transfer.type, transfer.range) }
    }

    /// What of the ledger says what is to be done: `parts` are those that are not verified.
    package func selection(
        _ activity: [RangeActivity],
        _ parts: [Transfer],
        _ types: [RecordType],
        clock: PruneClock
    ) -> LedgerSelection {
        let before = types.compactMap { type in expiryLimit(of: type.name, clock: clock).map { (type.name, $0) } }
        let touched = activity.map { ($0.type, $0.range.start) } + parts.map { ($0.type, $0.range.start) }
        return LedgerSelection(
            touched: Dictionary(grouping: touched, by: \.0).mapValues { Set($0.map(\.1)) },
            before: Dictionary(before) { $1 }
        )
    }

    /// What of the ledger says what cold must hold of partitions that rest.
    package func selection(_ resting: [Resting]) -> LedgerSelection {
        var selection = LedgerSelection(touched: [:])
        for resting in resting {
            let width = resting.proofs.first.map { $0.range.end.micros - $0.range.start.micros } ?? policy.rangeMicros
            let first = TimeRange(containing: resting.range.start, width: width).start.micros
            let starts = stride(from: first, to: resting.range.end.micros, by: Int(width)).map(Timestamp.init(micros:))
            selection.touched[resting.type, default: []].formUnion(starts + [resting.range.start])
        }
        return selection
    }

    /// What hot holds nothing of any more and the ledger has settled; not more than a statement should take at once.
    package func emptied(_ activity: [RangeActivity], _ ledger: [Transfer]) -> [RangeActivity] {
        let settled = ledger.filter { $0.state == .pruned || $0.state == .expired }
        let stamps = Dictionary(settled.map { (Key($0), $0.stamp) }) { $1 }
        return activity.filter { found in found.rows == 0 && stamps[Key(found.type, found.range)] == found.stamp }
            .prefix(5_000).map(\.self)
    }

    /// The transfers that have something to do, oldest range first; a type with a mismatched range has none.
    ///
    /// `parts` are those of parts of ranges, as far as they are not verified: each follows the whole of its range.
    package func plan(
        activity: [RangeActivity],
        ledger: [Transfer],
        parts: [Transfer] = [],
        clock: PruneClock,
        newID: () -> String
    ) -> [Transfer] {
        let halted = halted(ledger, parts)
        var known: [Key: Transfer] = [:]
        // Rows of another `archive.range` are history: what they moved is where it is, and the ranges of today prove
        // what hot holds again. A mismatch stays one.
        for transfer in ledger where isOnGrid(transfer.range) || transfer.state == .mismatched {
            known[Key(transfer)] = transfer
        }
        var present: [Key: RangeActivity] = [:]
        var candidates: [Transfer] = []
        for found in activity {
            let key = Key(found.type, found.range)
            present[key] = found
            if known[key] == nil && isClosedForCopy(found.range, at: clock.wall) {
                candidates.append(Transfer(id: newID(), type: found.type, range: found.range))
            }
        }
        candidates += known.map { key, transfer in renewed(transfer, present[key], clock: clock) }
        candidates = ordered(candidates, with: parts.filter { isOnGrid($0.range) }, known)
        return candidates.filter { !halted.contains($0.type) && step(of: $0, clock: clock) != nil }
            .sorted {
                let filters = ($0.filter?.description ?? "", $1.filter?.description ?? "")
                return ($0.range.start, $0.type, filters.0) < ($1.range.start, $1.type, filters.1)
            }
    }

    /// Types of which nothing moves.
    func halted(_ ledger: [Transfer], _ parts: [Transfer]) -> Set<String> {
        Set((ledger + parts).lazy.filter { $0.state == .mismatched }.map(\.type))
    }

    /// The ranges and the parts that may be carried now.
    ///
    /// What was copied of a range is proved before any more of it is. What cold let go has no parts to be added to.
    private func ordered(
        _ ranges: [Transfer],
        with parts: [Transfer],
        _ known: [Key: Transfer]
    ) -> [Transfer] {
        guard !parts.isEmpty else { return ranges }
        let copied = Dictionary(parts.lazy.filter { $0.state == .copied }.map { (Key($0), $0.id) }) { $1 }
        let after = parts.filter { part in
            copied[Key(part)].map { $0 == part.id } ?? (known[Key(part)]?.state != .expired)
        }
        return ranges.filter { copied[Key($0)] == nil } + after
    }

    /// A known transfer as it stands now: planned again where hot is not as it was left.
    private func renewed(_ transfer: Transfer, _ activity: RangeActivity?, clock: PruneClock) -> Transfer {
        guard !isSettled(transfer, activity), isClosedForCopy(transfer.range, at: clock.wall) else { return transfer }
        var again = transfer
        again.plan()
        return again
    }

    /// Whether hot is as the proof or the prune left it.
    ///
    /// A writer changes the stamp. A hot that went back, as an older replica is that was promoted, may lack what was
    /// verified, or hold again, under the old stamp, what was pruned.
    private func isSettled(_ transfer: Transfer, _ activity: RangeActivity?) -> Bool {
        switch transfer.state {
        case .verified: (activity?.stamp ?? "") == (transfer.stamp ?? "")
        case .pruned: activity.map { $0.stamp == transfer.stamp && $0.rows == 0 } ?? true
        default: true
        }
    }

    /// What a transfer needs next; nil where it rests.
    package func step(of transfer: Transfer, clock: PruneClock) -> Step? {
        switch transfer.state {
        case .planned, .failed, .unaccounted:
            transfer.request != nil || isClosedForCopy(transfer.range, at: clock.wall) ? .copy : nil
        case .copied: .verify
        case .verified: transfer.filter == nil && isPruneDue(transfer, clock: clock) ? .prune : nil
        case .pruned, .expired, .mismatched: nil
        }
    }

    /// Whether a range is one of today's `archive.range`.
    package func isOnGrid(_ range: TimeRange) -> Bool {
        TimeRange(containing: range.start, width: policy.rangeMicros) == range
    }

    package func isClosedForCopy(_ range: TimeRange, at wall: Timestamp) -> Bool {
        range.end.advanced(byMicros: policy.safetyLagMicros) <= wall
    }

    /// Past retention by both clocks, or asked for; never an open range, nor one whose rows leave with its partition.
    package func isPruneDue(_ transfer: Transfer, clock: PruneClock) -> Bool {
        guard isClosedForCopy(transfer.range, at: clock.wall) else { return false }
        if transfer.prunes { return true }
        return policy.prunes && (wholePartition(of: transfer) == nil || transfer.hot?.rows == 0)
            && isPastRetention(transfer.range, of: transfer.type, clock: clock)
    }

    /// Past retention by both clocks.
    package func isPastRetention(_ range: TimeRange, of type: String, clock: PruneClock) -> Bool {
        guard let newest = clock.newestEvent else { return false }
        let retention = policy.retentionByType[type] ?? policy.retentionMicros
        return range.end.advanced(byMicros: retention) <= min(clock.wall, newest)
    }
}

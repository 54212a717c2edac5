package import Records

/// What the archiver would do with a partition now, and why not more.
package struct PartitionVerdict: Sendable, Equatable {
    package var due: DuePartition
    /// What keeps it in hot; nil where it may leave.
    package var keeps: String?
}

/// Which partitions leave hot whole: pure, like the rest of the planner, and decided anew in every pass.
extension Planner {
    /// The partition that a range leaves hot with; nil where it leaves alone.
    ///
    /// A partition goes whole only where ranges divide it: one that reached over its edge would be proved as a whole
    /// and pruned in part.
    package func wholePartition(of transfer: Transfer) -> TimeRange? {
        guard let width = policy.partitionMicros[transfer.type], width % policy.rangeMicros == 0 else { return nil }
        return TimeRange(containing: transfer.range.start, width: width)
    }

    /// The partitions that may leave hot now, oldest first.
    package func duePartitions(
        activity: [RangeActivity],
        ledger: [Transfer],
        parts: [Transfer] = [],
        existing: [HotPartition],
        clock: PruneClock
    ) -> [DuePartition] {
        verdicts(activity: activity, ledger: ledger, parts: parts, existing: existing, clock: clock)
            .compactMap { $0.keeps == nil ? $0.due : nil }
    }

    /// Every partition that exists or was to go when an answer was lost, oldest first, and what keeps it.
    package func verdicts(
        activity: [RangeActivity],
        ledger: [Transfer],
        parts: [Transfer] = [],
        existing: [HotPartition],
        clock: PruneClock
    ) -> [PartitionVerdict] {
        let halted = halted(ledger, parts)
        let known = Dictionary(
            ledger.lazy.filter { isOnGrid($0.range) }.map { (HotPartition(type: $0.type, range: $0.range), $0) }
        ) { $1 }
        let byType = Dictionary(grouping: activity, by: \.type)
        var partitions = Set(existing)
        for transfer in known.values where transfer.state == .verified && !transfer.prunes {
            if let range = wholePartition(of: transfer) {
                partitions.insert(HotPartition(type: transfer.type, range: range))
            }
        }
        return partitions.sorted { ($0.range.start, $0.type) < ($1.range.start, $1.type) }.map { partition in
            var verdict = PartitionVerdict(due: DuePartition(partition: partition, transfers: []))
            if !policy.prunes {
                verdict.keeps = "archive.prune is off"
            } else if halted.contains(partition.type) {
                verdict.keeps = "\(partition.type) is halted by a mismatched range"
            } else if !isPastRetention(partition.range, of: partition.type, clock: clock) {
                verdict.keeps = "not all of it is past retention by both clocks"
            } else if let part = parts.first(where: {
                $0.type == partition.type && $0.range.overlaps(partition.range)
            }) {
                // Its range is carried with it, and is not in the ledger then as it is here.
                verdict.keeps = "a part of range \(part.range) is on its way"
            } else {
                collect(byType[partition.type] ?? [], known, into: &verdict)
            }
            return verdict
        }
        // Gone, though no answer was lost: hot itself lost it.
        .filter { $0.keeps != nil || !$0.due.transfers.isEmpty || existing.contains($0.due.partition) }
    }

    /// Takes in the ranges of a partition, or finds the one that keeps it.
    private func collect(
        _ activity: [RangeActivity],
        _ known: [HotPartition: Transfer],
        into verdict: inout PartitionVerdict
    ) {
        let partition = verdict.due.partition
        let touching = activity.filter { $0.range.overlaps(partition.range) }
        for found in touching.sorted(by: { $0.range.start < $1.range.start }) {
            let transfer = known[HotPartition(type: found.type, range: found.range)]
            // Cold let it go after hot did.
            if transfer?.state == .expired && found.rows == 0 { continue }
            guard let transfer, transfer.stamp == found.stamp, [.verified, .pruned].contains(transfer.state) else {
                verdict.keeps = "range \(found.range) is not verified as it is now"
                return
            }
            if transfer.state == .verified && wholePartition(of: transfer) == partition.range {
                verdict.due.transfers.append(transfer)
            } else if transfer.state == .verified || found.rows != 0 {
                verdict.keeps = "range \(found.range) still holds \(found.rows) rows"
                return
            }
        }
    }
}

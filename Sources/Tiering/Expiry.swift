import Platform
import Records

/// The cold tier's own retention: ranges that both tiers are done with leave cold, and their proofs stay.
extension Planner {
    /// Ranges that are due to leave cold, those that overlap together: one without the other would be half a range.
    ///
    /// Only what was pruned from hot, and past retention by both clocks. Ranges overlap where `archive.range` changed.
    package func expiring(_ ledger: [Transfer], parts: [Transfer] = [], clock: PruneClock) -> [[Transfer]] {
        guard policy.coldRetentionMicros != nil || !policy.coldRetentionByType.isEmpty else { return [] }
        let halted = halted(ledger, parts)
        let held = ledger.filter { $0.state != .expired && !halted.contains($0.type) }
            .sorted { ($0.type, $0.range.start) < ($1.type, $1.range.start) }
        var groups: [[Transfer]] = []
        var end = Timestamp(micros: 0)
        for transfer in held {
            if let last = groups.last?.last, last.type == transfer.type, transfer.range.start < end {
                groups[groups.count - 1].append(transfer)
                end = max(end, transfer.range.end)
            } else {
                groups.append([transfer])
                end = transfer.range.end
            }
        }
        let moving = Set(parts.map(Key.init))
        return groups.filter { $0.allSatisfy { isExpiryDue($0, clock: clock) && !moving.contains(Key($0)) } }
    }

    func isExpiryDue(_ transfer: Transfer, clock: PruneClock) -> Bool {
        guard transfer.state == .pruned, transfer.manifest != nil else { return false }
        return expiryLimit(of: transfer.type, clock: clock).map { transfer.range.end <= $0 } ?? false
    }

    /// Which ranges cold's retention is over for: those that end by this.
    func expiryLimit(of type: String, clock: PruneClock) -> Timestamp? {
        guard let newest = clock.newestEvent,
            let retention = policy.coldRetentionByType[type] ?? policy.coldRetentionMicros
        else { return nil }
        return min(clock.wall, newest).advanced(byMicros: -retention)
    }

    /// Rows that came into ranges after cold let them go: they rest in hot until an operator asks for the range.
    package func late(_ activity: [RangeActivity], _ ledger: [Transfer]) -> [(Transfer, rows: Int)] {
        let expired = Dictionary(grouping: ledger.filter { $0.state == .expired }, by: \.range)
        return activity.compactMap { found in
            guard found.rows > 0, let transfer = expired[found.range]?.first(where: { $0.type == found.type })
            else { return nil }
            return (transfer, found.rows)
        }
    }
}

/// Takes what is due out of cold, in one fenced transaction for each partition it lies in.
struct Expiry<Source: ArchiveSource, Target: ArchiveTarget>: Sendable {
    let source: Source
    let target: Target
    let types: [RecordType]

    /// What became of the ranges that hot no longer holds in any way.
    func run(_ groups: [[Transfer]], isStopping: @Sendable () -> Bool) async throws(StoreError) -> [Transfer] {
        var settled: [Transfer] = []
        for type in types {
            var due: [Transfer] = []
            for group in groups where group[0].type == type.name {
                if isStopping() { return settled }
                var held = false
                for transfer in group where !held {
                    held = try await !source.isGone(type, in: transfer.range)
                }
                if !held { due += group }
            }
            guard !due.isEmpty else { continue }
            try await source.refuseDrift(of: type, target)
            settled += try await target.expire(due, type: type)
        }
        return settled
    }

    /// Says in the ledger that rows rest in hot because their range is gone from cold.
    func tell(_ late: [(Transfer, rows: Int)]) async throws(StoreError) {
        for (transfer, rows) in late {
            let detail =
                "\(rows) rows came after cold's retention let this range go: they are neither copied nor pruned and "
                + "stay in hot; ask for the range with POST /transfers to archive them anew, or delete them"
            if detail != transfer.error { try await target.recordFailure(of: transfer, detail: detail) }
        }
    }
}

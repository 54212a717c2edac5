import Digest
import Platform
package import Records

/// Takes whole partitions out of hot, and drops those that rested once cold is proved to hold them again.
///
/// Each step is one transaction of hot; what the ledger learns after it, it learns again where it did not.
package struct PartitionRunner<Source: ArchiveSource, Target: ArchiveTarget>: Sendable {
    private let runner: TransferRunner<Source, Target>
    private var source: Source { runner.source }
    private var target: Target { runner.target }
    private let now: @Sendable () -> Timestamp
    private let newID: @Sendable () -> String

    package init(
        source: Source,
        target: Target,
        planner: Planner,
        now: @escaping @Sendable () -> Timestamp,
        newID: @escaping @Sendable () -> String
    ) {
        runner = TransferRunner(source: source, target: target, planner: planner, now: now)
        self.now = now
        self.newID = newID
    }

    // MARK: Rest

    /// Lets a partition rest; `progress` hears of every range that left hot, or that could not.
    package func prune(
        _ due: DuePartition,
        type: RecordType,
        progress: (_ transfer: Transfer, _ before: Transfer) -> Void
    ) async throws(StoreError) -> PartitionOutcome {
        let sha256 = try await target.manifests(due.transfers.compactMap(\.manifest))
        let outcome = try await source.prune(due, type: type, sha256: sha256)
        for before in due.transfers {
            var transfer = before
            switch outcome {
            case .rests, .already:
                transfer.pruned(rows: before.hot?.rows ?? 0, at: now())
                try await target.record(transfer)
            case .occupied: transfer = try await runner.prune(before, type: type)
            case .late: continue
            case .declined(let reason):
                transfer.error = reason
                if transfer != before { try await target.record(transfer) }
                progress(transfer, before)
                return outcome
            }
            progress(transfer, before)
        }
        return outcome
    }

    // MARK: Drop

    /// Drops what rested, if cold holds it; else gives its rows back to hot and returns the range that is in doubt.
    package func settle(
        _ resting: Resting,
        type: RecordType,
        ledger: [Transfer]
    ) async throws(StoreError) -> Transfer? {
        guard let doubt = try await doubt(resting, type, ledger) else {
            _ = try await source.drop(resting)
            return nil
        }
        let isBack = try await source.giveBack(resting, type: type)
        var transfer = doubt.transfer
        let finding =
            "\(doubt.finding); partition \(resting.name) was not dropped: "
            + (isBack ? "its rows are in hot again" : "it rests on, for hot holds other rows under keys of it")
        // Rows that no proof knows say nothing of cold: they are copied like any others.
        if transfer.manifest == nil {
            transfer.failed(finding, unaccounted: true)
            try await target.record(transfer)
            return transfer
        }
        transfer.mismatched(finding)
        return try await runner.named(transfer, type: type)
    }

    /// The first range of a resting partition that is not proved, and why.
    private func doubt(
        _ resting: Resting,
        _ type: RecordType,
        _ ledger: [Transfer]
    ) async throws(StoreError) -> (transfer: Transfer, finding: String)? {
        let found = try await summaries(of: resting, type)
        let proofs = Dictionary(resting.proofs.map { ($0.range, $0) }) { $1 }
        let own = Dictionary(ledger.lazy.filter { $0.type == type.name }.map { ($0.range, $0) }) { $1 }
        for range in Set(found.keys).union(proofs.keys).sorted(by: { $0.start < $1.start }) {
            let transfer = own[range] ?? Transfer(id: newID(), type: type.name, range: range)
            let (rests, verified) = (found[range] ?? .zero, proofs[range]?.hot ?? .zero)
            guard rests == verified else {
                return (transfer, "its table holds \(rests), verified was \(verified)")
            }
            guard rests.rows > 0 else { continue }
            let finding = try await runner.doubt(transfer, type: type, hot: verified) { () throws(StoreError) in
                try await target.missing(try await source.read(resting, type: type, in: range), type: type, in: range)
            }
            if let finding { return (transfer, finding) }
        }
        return nil
    }

    /// What rests, by the ranges that its proofs name and, where none does, by the partition.
    private func summaries(of resting: Resting, _ type: RecordType) async throws(StoreError) -> [TimeRange: Summary] {
        let width = resting.proofs.first.map { $0.range.end.micros - $0.range.start.micros }
        let bounds = resting.range.end.micros - resting.range.start.micros
        var sums = BucketSums(type: type, bucketMicros: width ?? bounds)
        let rows = try await source.read(resting, type: type, in: nil)
        try await rows.forEach { chunk throws(StoreError) in try sums.add(chunk, tier: "hot") }
        guard let width else { return [resting.range: sums.summary] }
        let found = sums.buckets.map { (TimeRange(containing: $0.key, width: width), $0.value) }
        return Dictionary(uniqueKeysWithValues: found)
    }
}

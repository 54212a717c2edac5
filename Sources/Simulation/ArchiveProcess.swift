import Digest
import Records
import Tiering

/// A process that archives, driven a step at a time.
actor ArchiveProcess {
    nonisolated let name: String
    nonisolated let faults: Faults
    private let tiers: MemoryTiers
    private let archiver: Archiver<MemoryTiers>
    private let trace: Trace
    private(set) var token: Int64?

    init(
        name: String,
        catalog: Catalog,
        policy: ArchivePolicy,
        hot: HotDatabase,
        cold: ColdDatabase,
        clock: ManualClock,
        faults: Faults,
        ids: @escaping @Sendable () -> String,
        trace: Trace
    ) {
        self.name = name
        self.faults = faults
        self.trace = trace
        tiers = MemoryTiers(hot: hot, cold: cold, holder: name, faults: faults)
        archiver = Archiver(
            tiers: tiers,
            types: catalog.types,
            policy: policy,
            concurrency: 2,
            now: { clock.timestamp },
            newID: ids,
            board: ArchiveBoard(),
            report: { Self.report($0, by: name, to: trace) }
        )
    }

    static func report(_ event: ArchiveEvent, by name: String, to trace: Trace) {
        switch event {
        case .moved(let transfer, let from):
            trace.count(transfer.filter == nil ? "\(transfer.state)" : "part \(transfer.state)")
            trace.add(
                "  \(name) moved \(transfer.type) \(transfer.range.start.micros) from \(from) to \(transfer.state)"
                    + " \(transfer.filter?.description ?? "") \(transfer.hot?.rows ?? 0) \(transfer.error ?? "")"
            )
        case .transferFailed(let transfer, let detail, _):
            trace.count("transfer failed")
            trace.add("  \(name) failed at \(transfer.type) \(transfer.range.start.micros): \(detail)")
        case .rests(let due, let rows, _):
            trace.count("partition rests")
            trace.add("  \(name) let \(due.partition.type) \(due.partition.range.start.micros) rest, \(rows) rows")
        case .dropped(let resting):
            trace.count("partition dropped")
            trace.add("  \(name) dropped \(resting.name)")
        case .archiveLost(let detail): trace.add("  \(name) \(detail)")
        case .leaseTaken, .leaseHeld, .leaseLost, .passFailed, .scrubFailed, .packed, .packFailed: break
        }
    }

    enum Turn: CaseIterable { case work, renew, release }

    /// Takes the lease where it has none; else works, renews or gives it back.
    func step(_ turn: Turn) async {
        do throws(StoreError) {
            guard let token else {
                try await acquire()
                return
            }
            switch turn {
            case .work:
                try await archiver.pass(token: token) { false }
                trace.count("pass")
            case .renew: if try await !tiers.renewLease(token) { self.token = nil }
            case .release:
                try await tiers.releaseLease(token)
                self.token = nil
            }
        } catch {
            trace.add("  \(name) stopped: \(error)")
            if error.code == .fenced {
                trace.count("archiver fenced")
                token = nil
            }
        }
    }

    private func acquire() async throws(StoreError) {
        switch try await tiers.acquireLease() {
        case .heldBy(let holder): trace.add("  \(name) waits for \(holder)")
        case .held(let taken, let isNew):
            if isNew { try await tiers.takeOver(taken) }
            trace.count("lease taken")
            trace.add("  \(name) archives with token \(taken)")
            token = taken
        }
    }
}

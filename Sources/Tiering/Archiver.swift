package import Platform
import Digest
package import Records

/// What the archiver tells its surroundings; the service logs it once.
package enum ArchiveEvent: Sendable {
    case leaseTaken(token: Int64)
    case leaseHeld(by: String)
    case leaseLost(token: Int64)
    case moved(Transfer, from: Transfer.State)
    case transferFailed(Transfer, detail: String, Disposition)
    case passFailed(detail: String, Disposition)
    /// Cold lacks manifests that hot's log names: it was restored from an older backup.
    case archiveLost(String)
}

/// Moves closed ranges from hot to cold, pass by pass: plan, copy, verify, prune.
package actor Archiver<Tiers: ArchiveTiers> {
    private let tiers: Tiers
    private let types: [RecordType]
    private let planner: Planner
    private let now: @Sendable () -> Timestamp
    private let board: ArchiveBoard
    private let report: @Sendable (ArchiveEvent) -> Void
    private let newID: @Sendable () -> String

    package init(
        tiers: Tiers,
        types: [RecordType],
        policy: ArchivePolicy,
        now: @escaping @Sendable () -> Timestamp,
        newID: @escaping @Sendable () -> String,
        board: ArchiveBoard,
        report: @escaping @Sendable (ArchiveEvent) -> Void
    ) {
        self.tiers = tiers
        self.types = types
        planner = Planner(policy: policy)
        self.now = now
        self.newID = newID
        self.board = board
        self.report = report
    }

    /// Both tiers' sessions of one pass; opened again after a failure, because a failed session may be anywhere.
    private struct Sessions {
        var source: Tiers.Source
        var target: Tiers.Target

        func close() async {
            await source.close()
            await target.close()
        }
    }

    /// One pass under a lease: everything that is due is carried as far as it can go.
    ///
    /// A transfer that fails does not keep the others from running; the pass ends where a tier cannot be reached.
    package func pass(token: Int64, isStopping: @Sendable () -> Bool) async throws(StoreError) {
        var sessions = try await open(token)
        do throws(StoreError) {
            try await run(&sessions, token: token, isStopping: isStopping)
        } catch {
            await sessions.close()
            throw error
        }
        await sessions.close()
    }

    private func open(_ token: Int64) async throws(StoreError) -> Sessions {
        let source: Tiers.Source
        do throws(StoreError) {
            source = try await tiers.openSource(token)
            board.update { $0.hotReachable = true }
        } catch {
            board.update { $0.hotReachable = error.code != .unreachable }
            throw error
        }
        do throws(StoreError) {
            let target = try await tiers.openTarget(token)
            board.update { $0.coldReachable = true }
            return Sessions(source: source, target: target)
        } catch {
            board.update { $0.coldReachable = error.code != .unreachable }
            await source.close()
            throw error
        }
    }

    private func run(
        _ sessions: inout Sessions,
        token: Int64,
        isStopping: @Sendable () -> Bool
    ) async throws(StoreError) {
        try await checkManifests(sessions)
        let ledger = try await sessions.target.ledger()
        let known = Dictionary(ledger.map { ($0.id, $0.state) }) { $1 }
        let names = types.map(\.name)
        let activity = try await sessions.source.activity(of: types, rangeMicros: planner.policy.rangeMicros)
        let newest = try await sessions.source.newestEvent()
        let due = planner.plan(
            activity: activity,
            ledger: ledger,
            clock: PruneClock(wall: now(), newestEvent: newest),
            newID: newID
        )
        board.update {
            $0.count(ledger, types: names)
            for name in names {
                let waiting = due.filter { $0.type == name && $0.state != .verified }
                $0.types[name]?.oldestUnverified = waiting.map(\.range.start).min()
            }
        }
        var halted: Set<String> = []
        for transfer in due where !halted.contains(transfer.type) {
            if isStopping() { break }
            guard let type = types.first(where: { $0.name == transfer.type }) else { continue }
            let after = try await carry(transfer, type, newest, &sessions, token)
            if after.state == .mismatched { halted.insert(after.type) }
            board.update { $0.moved(after, from: known[after.id]) }
        }
        board.update {
            $0.passes += 1
            $0.lastPass = now()
            $0.state = .archiving
            $0.trouble = nil
            $0.needsOperator = false
        }
    }

    /// Runs one transfer; a failure is recorded with it, and the pass goes on in new sessions.
    private func carry(
        _ transfer: Transfer,
        _ type: RecordType,
        _ newest: Timestamp?,
        _ sessions: inout Sessions,
        _ token: Int64
    ) async throws(StoreError) -> Transfer {
        let runner = TransferRunner(source: sessions.source, target: sessions.target, planner: planner, now: now)
        var last = transfer
        do throws(StoreError) {
            return try await runner.run(transfer, type: type, newestEvent: newest) { moved in
                count(moved, from: last)
                report(.moved(moved, from: last.state))
                last = moved
            }
        } catch {
            await sessions.close()
            if error.code == .fenced { throw error }
            sessions = try await open(token)
            try await sessions.target.recordFailure(of: last, detail: error.description)
            last.failed(error.description)
            report(.transferFailed(last, detail: error.description, error.disposition))
            return last
        }
    }

    private func count(_ moved: Transfer, from before: Transfer) {
        board.update { status in
            switch moved.state {
            case .copied: status.types[moved.type, default: .init()].rowsCopied += moved.hot?.rows ?? 0
            case .verified where before.state == .copied:
                status.types[moved.type, default: .init()].rowsVerified += moved.hot?.rows ?? 0
            case .pruned: status.types[moved.type, default: .init()].rowsPruned += moved.rowsPruned
            default: break
            }
        }
    }

    /// Refuses to work over a cold tier that lacks proofs on whose strength hot was pruned.
    private func checkManifests(_ sessions: Sessions) async throws(StoreError) {
        let pruned = try await sessions.source.pruneRecords()
        let held = try await sessions.target.manifests(pruned.map(\.manifest))
        guard let lost = pruned.first(where: { held[$0.manifest] != $0.sha256 }) else { return }
        let detail =
            "hot pruned \(lost.type) \(lost.range) on the strength of manifest \(lost.manifest), which cold does not "
            + "hold: cold was restored from an older backup, or is another database. Nothing was moved or pruned. "
            + "Restore the newest backup of cold, or point cold.postgres at the right database."
        report(.archiveLost(detail))
        throw StoreError(.corrupt, .halt, tier: "cold", operation: "check manifests", detail: detail)
    }
}

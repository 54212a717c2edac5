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
    /// A partition left hot whole and rests; its table was locked that long.
    case rests(DuePartition, rows: Int, locked: Duration)
    case dropped(Resting)
    /// Reading cold again could not go on; it is tried again.
    case scrubFailed(detail: String, Disposition)
    /// What cold kept in another format, or in segments that were too small, is as it is to be.
    case packed(UnpackedPartition, Packed)
    /// A partition that could not be packed; it is tried again later.
    case packFailed(UnpackedPartition, detail: String, Disposition)
    /// Cold lacks manifests that hot's log names: it was restored from an older backup.
    case archiveLost(String)
}

/// Moves closed ranges from hot to cold, pass by pass: plan, copy, verify, prune.
package struct Archiver<Tiers: ArchiveTiers>: Sendable {
    private let tiers: Tiers
    let types: [RecordType]
    let planner: Planner
    /// Transfers that a pass carries at the same time, each in sessions of its own.
    private let concurrency: Int
    private let throttle: Throttle
    /// Rows that a pass packs.
    let packedRows: Int
    let now: @Sendable () -> Timestamp
    let board: ArchiveBoard
    let report: @Sendable (ArchiveEvent) -> Void
    let newID: @Sendable () -> String

    package init(
        tiers: Tiers,
        types: [RecordType],
        policy: ArchivePolicy,
        concurrency: Int = 1,
        throttle: Throttle = Throttle(clock: ContinuousClock()),
        packedRows: Int = 0,
        now: @escaping @Sendable () -> Timestamp,
        newID: @escaping @Sendable () -> String,
        board: ArchiveBoard,
        report: @escaping @Sendable (ArchiveEvent) -> Void
    ) {
        self.tiers = tiers
        self.types = types
        planner = Planner(policy: policy)
        self.concurrency = concurrency
        self.throttle = throttle
        self.packedRows = packedRows
        self.now = now
        self.newID = newID
        self.board = board
        self.report = report
    }

    /// Both tiers' sessions of one transfer after the other; opened again after a failure, because a failed session may
    /// be anywhere.
    struct Sessions {
        var source: Tiers.Source
        var target: Tiers.Target

        func close() async {
            await source.close()
            await target.close()
        }
    }

    /// What one pass carries, and what it knew when it began.
    final class Work: Sendable {
        let token: Int64
        let newestEvent: Timestamp?
        /// States that the ledger had, by id.
        let known: [String: Transfer.State]
        let isStopping: @Sendable () -> Bool
        /// What is due to leave cold once the rest is carried.
        let expiring: [[Transfer]]
        let count: Int
        /// The partitions that may leave hot whole, and whether any waits for its drop.
        let partitions: [DuePartition]
        let rests: Bool
        /// The transfers that wait, oldest range first, those of one range together; and the types of which none is
        /// begun any more.
        private let queue: Locked<(waiting: ArraySlice<[Transfer]>, halted: Set<String>)>

        init(
            _ due: [Transfer],
            partitions: [DuePartition],
            rests: Bool,
            token: Int64,
            newestEvent: Timestamp?,
            known: [String: Transfer.State],
            expiring: [[Transfer]],
            isStopping: @escaping @Sendable () -> Bool
        ) {
            (self.token, self.newestEvent, self.known, self.isStopping) = (token, newestEvent, known, isStopping)
            (self.partitions, self.rests) = (partitions, rests)
            self.expiring = expiring
            var ranges: [[Transfer]] = []
            for transfer in due {
                if let last = ranges.last?.last, last.type == transfer.type, last.range == transfer.range {
                    ranges[ranges.count - 1].append(transfer)
                } else {
                    ranges.append([transfer])
                }
            }
            count = ranges.count
            queue = Locked((ranges[...], []))
        }

        /// The transfers of the next range, to be carried one after the other.
        func next() -> [Transfer]? {
            guard !isStopping() else { return nil }
            return queue.withLock { queue in
                while let range = queue.waiting.popFirst() {
                    if !queue.halted.contains(range[0].type) { return range }
                }
                return nil
            }
        }

        func halt(_ type: String) { queue.withLock { _ = $0.halted.insert(type) } }
    }

    /// One pass under a lease: everything that is due is carried as far as it can go.
    ///
    /// A transfer that fails does not keep the others from running; the pass ends where a tier cannot be reached.
    package func pass(token: Int64, isStopping: @escaping @Sendable () -> Bool) async throws(StoreError) {
        let sessions = try await open(token)
        let work: Work
        do throws(StoreError) {
            work = try await plan(sessions, token: token, isStopping: isStopping)
        } catch {
            await sessions.close()
            throw error
        }
        try await carry(work, beginningWith: sessions)
        try await leave(work)
        try await expire(work)
        try await pack(work)
        board.update {
            $0.passes += 1
            $0.lastPass = now()
            $0.state = .archiving
            $0.trouble = nil
            $0.needsOperator = false
        }
    }

    func open(_ token: Int64) async throws(StoreError) -> Sessions {
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

    private func plan(
        _ sessions: Sessions,
        token: Int64,
        isStopping: @escaping @Sendable () -> Bool
    ) async throws(StoreError) -> Work {
        try await checkManifests(sessions)
        let parts = try await sessions.target.openParts().filter(isOurs)
        let activity = try await sessions.source.activity(of: types, rangeMicros: planner.policy.rangeMicros)
        let newest = try await sessions.source.newestEvent()
        let clock = PruneClock(wall: now(), newestEvent: newest)
        let ledger = try await sessions.target.ledger(planner.selection(activity, parts, types, clock: clock))
            .filter(isOurs)
        let emptied = planner.emptied(activity, ledger)
        if !emptied.isEmpty { try await sessions.source.forget(emptied) }
        try await count(ledger + parts, sessions.target)
        let drift = try await sessions.source.drift(of: types) + (try await sessions.target.drift(of: types))
        let due = planner.plan(activity: activity, ledger: ledger, parts: parts, clock: clock, newID: newID)
        let late = planner.late(activity, ledger)
        try await Expiry(source: sessions.source, target: sessions.target, types: types).tell(late)
        let partitions = planner.duePartitions(
            activity: activity,
            ledger: ledger,
            parts: parts,
            existing: try await sessions.source.partitions(of: types),
            clock: clock
        ).filter { due in !drift.contains { $0.type == due.partition.type } }
        let rests = try await !sessions.source.resting(for: planner.policy.undo).isEmpty
        board.update {
            for name in types.map(\.name) {
                let waiting = due.filter { $0.type == name && $0.filter == nil && $0.state != .verified }
                $0.types[name]?.oldestUnverified = waiting.map(\.range.start).min()
                $0.types[name]?.rowsLate = late.reduce(0) { $0 + ($1.0.type == name ? $1.rows : 0) }
                $0.types[name]?.drift = drift.first { $0.type == name }?.description
            }
        }
        return Work(
            due,
            partitions: partitions,
            rests: rests,
            token: token,
            newestEvent: newest,
            known: Dictionary((ledger + parts).map { ($0.id, $0.state) }) { $1 },
            expiring: planner.expiring(ledger, parts: parts, clock: clock),
            isStopping: isStopping
        )
    }

    /// Of a type that is not moved hot was not asked what it holds.
    private func isOurs(_ transfer: Transfer) -> Bool { types.contains { $0.name == transfer.type } }

    private func count(_ ledger: [Transfer], _ target: Tiers.Target) async throws(StoreError) {
        let sums = try await target.sums(since: board.current.countedAt)
        let proofs = try await target.oldestProofs(of: types)
        board.update {
            $0.count(ledger, sums?.of, oldestProofs: proofs, types: types.map(\.name))
            $0.countedAt = sums?.at ?? $0.countedAt
        }
    }

    /// Carries what waits, as many transfers at once as are allowed; the first that finds a tier away ends the others.
    private func carry(_ work: Work, beginningWith sessions: Sessions) async throws(StoreError) {
        let count = max(1, min(concurrency, work.count))
        let outcome = await withTaskGroup(of: Result<Void, StoreError>.self) { group in
            for index in 0..<count {
                group.addTask {
                    await Result { () async throws(StoreError) in
                        try await carryEach(of: work, in: index == 0 ? sessions : try await open(work.token))
                    }
                }
            }
            defer { group.cancelAll() }
            for await ended in group { if case .failure = ended { return ended } }
            return .success(())
        }
        try outcome.get()
    }

    /// Takes out of cold what its own retention lets go.
    private func expire(_ work: Work) async throws(StoreError) {
        guard !work.expiring.isEmpty, !work.isStopping() else { return }
        let sessions = try await open(work.token)
        let expiry = Expiry(source: sessions.source, target: sessions.target, types: types)
        do throws(StoreError) {
            for transfer in try await expiry.run(work.expiring, isStopping: work.isStopping) {
                report(.moved(transfer, from: .pruned))
                board.update { $0.moved(transfer, from: work.known[transfer.id]) }
            }
        } catch {
            await sessions.close()
            // A type whose schema has drifted is told of already, and waits.
            guard error.code == .schema else { throw error }
            return
        }
        await sessions.close()
    }

    /// Carries one waiting transfer after the other.
    private func carryEach(of work: Work, in sessions: Sessions) async throws(StoreError) {
        var sessions = sessions
        do throws(StoreError) {
            while let range = work.next() { try await carry(range, work, &sessions) }
        } catch {
            await sessions.close()
            throw error
        }
        await sessions.close()
    }

    /// Carries the whole of a range, then the parts that were asked for.
    private func carry(_ range: [Transfer], _ work: Work, _ sessions: inout Sessions) async throws(StoreError) {
        for transfer in range {
            // The scrub halts types, too.
            guard let type = types.first(where: { $0.name == transfer.type }),
                board.current.types[type.name]?.halted == nil
            else { return }
            try await awaitCalm(sessions.source, work)
            if work.isStopping() { return }
            let after = try await carry(transfer, type, work, &sessions)
            if after.state == .mismatched { work.halt(after.type) }
            board.update { $0.moved(after, from: work.known[after.id]) }
            // Proved before any more of it is copied.
            if [.copied, .mismatched].contains(after.state) { return }
        }
    }

    private func awaitCalm(_ source: Tiers.Source, _ work: Work) async throws(StoreError) {
        var wasPaused = false
        try await throttle.awaitCalm(of: source, unless: work.isStopping) { latency in
            wasPaused = true
            board.update {
                $0.paused = "hot takes \(latency.milliseconds) ms to commit, more than archive.pause_above"
            }
        }
        if wasPaused { board.update { $0.paused = nil } }
    }

    /// Runs one transfer; a failure is recorded with it, and the pass goes on in new sessions.
    private func carry(
        _ transfer: Transfer,
        _ type: RecordType,
        _ work: Work,
        _ sessions: inout Sessions
    ) async throws(StoreError) -> Transfer {
        let runner = TransferRunner(
            source: sessions.source,
            target: sessions.target,
            planner: planner,
            throttle: throttle,
            now: now
        )
        var last = transfer
        do throws(StoreError) {
            return try await runner.run(transfer, type: type, newestEvent: work.newestEvent) { moved in
                count(moved, from: last)
                report(.moved(moved, from: last.state))
                last = moved
            }
        } catch {
            await sessions.close()
            if error.code == .fenced { throw error }
            if error.code == .schema {
                work.halt(type.name)
                board.update { $0.types[type.name, default: .init()].drift = error.detail }
            }
            sessions = try await open(work.token)
            try await sessions.target.recordFailure(of: last, detail: error.description)
            last.failed(error.description)
            report(.transferFailed(last, detail: error.description, error.disposition))
            return last
        }
    }

    func count(_ moved: Transfer, from before: Transfer) {
        board.update { status in
            switch moved.state {
            case .verified where before.state == .verified && moved.error != nil:
                status.types[moved.type, default: .init()].declined += 1
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
        guard let lost = try await sessions.source.newestPrune(),
            try await sessions.target.manifests([lost.manifest])[lost.manifest] != lost.sha256
        else { return }
        let detail =
            "hot pruned \(lost.type) \(lost.range) on the strength of manifest \(lost.manifest), which cold does not "
            + "hold: cold was restored from an older backup, or is another database. Nothing was moved or pruned. "
            + "Restore the newest backup of cold, point cold.postgres at the right database, or take what still rests "
            + "in hot back with `thermocline undo`."
        report(.archiveLost(detail))
        throw StoreError(.corrupt, .halt, tier: "cold", operation: "check manifests", detail: detail)
    }
}

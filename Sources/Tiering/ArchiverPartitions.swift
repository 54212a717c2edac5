import Records

/// The end of a pass: partitions that are proved whole leave hot whole.
extension Archiver {
    /// Lets the partitions that are due rest, and drops those that rested long enough.
    func leave(_ work: Work) async throws(StoreError) {
        guard work.rests || !work.partitions.isEmpty else { return }
        var sessions = try await open(work.token)
        do throws(StoreError) {
            for due in work.partitions { try await rest(due, work, &sessions) }
            let resting = try await sessions.source.resting(for: planner.policy.undo)
            // What cold must be now: this pass may have merged more.
            let ledger = resting.isEmpty ? [] : try await sessions.target.ledger(planner.selection(resting))
            for resting in resting { try await settle(resting, ledger, work, &sessions) }
        } catch {
            await sessions.close()
            throw error
        }
        await sessions.close()
    }

    /// The type of what may leave hot; nil where it is not ours, is halted, or nothing more is to be begun.
    private func type(_ name: String, _ work: Work) -> RecordType? {
        guard !work.isStopping(), board.current.types[name]?.halted == nil else { return nil }
        return types.first { $0.name == name }
    }

    private func rest(_ due: DuePartition, _ work: Work, _ sessions: inout Sessions) async throws(StoreError) {
        guard let type = type(due.partition.type, work) else { return }
        try await retrying(due.transfers.first, work, &sessions) { runner throws(StoreError) in
            let outcome = try await runner.prune(due, type: type) { moved, before in
                count(moved, from: before)
                report(.moved(moved, from: before.state))
                board.update { $0.moved(moved, from: before.state) }
            }
            switch outcome {
            case .rests(let rows, let locked): report(.rests(due, rows: rows, locked: locked))
            case .declined where due.transfers.isEmpty:
                board.update { $0.types[type.name, default: .init()].declined += 1 }
            case .already, .late, .occupied, .declined: break
            }
        }
    }

    private func settle(
        _ resting: Resting,
        _ ledger: [Transfer],
        _ work: Work,
        _ sessions: inout Sessions
    ) async throws(StoreError) {
        guard let type = type(resting.type, work) else { return }
        let known = ledger.first { $0.type == resting.type && $0.range.overlaps(resting.range) }
        try await retrying(known, work, &sessions) { runner throws(StoreError) in
            guard let doubted = try await runner.settle(resting, type: type, ledger: ledger) else {
                report(.dropped(resting))
                return
            }
            let before = ledger.first { $0.id == doubted.id }?.state
            report(.moved(doubted, from: before ?? .planned))
            board.update { $0.moved(doubted, from: before) }
        }
    }

    /// Runs one step with a partition; a failure is recorded with a transfer of it, and the pass goes on in new
    /// sessions.
    private func retrying(
        _ transfer: Transfer?,
        _ work: Work,
        _ sessions: inout Sessions,
        _ body: (PartitionRunner<Tiers.Source, Tiers.Target>) async throws(StoreError) -> Void
    ) async throws(StoreError) {
        do throws(StoreError) {
            try await body(
                PartitionRunner(
                    source: sessions.source,
                    target: sessions.target,
                    planner: planner,
                    now: now,
                    newID: newID
                )
            )
        } catch {
            await sessions.close()
            guard var transfer, error.code != .fenced else { throw error }
            sessions = try await open(work.token)
            try await sessions.target.recordFailure(of: transfer, detail: error.description)
            transfer.failed(error.description)
            report(.transferFailed(transfer, detail: error.description, error.disposition))
        }
    }
}

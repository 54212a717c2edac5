import Platform
import Digest
package import Records

/// Carries one transfer through its steps: copy, verify, prune.
///
/// Each step is one transaction that records itself.
package struct TransferRunner<Source: ArchiveSource, Target: ArchiveTarget>: Sendable {
    package let source: Source
    package let target: Target
    package let planner: Planner
    private let throttle: Throttle
    private let now: @Sendable () -> Timestamp

    package init(
        source: Source,
        target: Target,
        planner: Planner,
        throttle: Throttle = Throttle(clock: ContinuousClock()),
        now: @escaping @Sendable () -> Timestamp
    ) {
        self.source = source
        self.target = target
        self.planner = planner
        self.throttle = throttle
        self.now = now
    }

    /// Runs a transfer until it rests; `progress` hears of every state it reaches.
    package func run(
        _ transfer: Transfer,
        type: RecordType,
        newestEvent: Timestamp?,
        progress: (Transfer) -> Void
    ) async throws(StoreError) -> Transfer {
        var transfer = transfer
        while let step = planner.step(of: transfer, clock: PruneClock(wall: now(), newestEvent: newestEvent)) {
            let before = transfer
            try await source.refuseDrift(of: type, target)
            switch step {
            case .copy: transfer = try await copy(transfer, type: type)
            case .verify: transfer = try await verify(transfer, type: type)
            case .prune: transfer = try await prune(transfer, type: type)
            }
            progress(transfer)
            // Declined, unaccounted, or hot changed: the next pass looks again.
            if transfer.state == before.state || transfer.state == .unaccounted { break }
        }
        return transfer
    }

    /// Streams one hot snapshot into cold, digesting the rows as they pass.
    ///
    /// Where hot holds a key twice, as it may under `dedupe: position`, they cannot go straight in and are merged.
    package func copy(_ transfer: Transfer, type: RecordType) async throws(StoreError) -> Transfer {
        if type.dedupe == .key && transfer.filter == nil {
            do throws(StoreError) {
                return try await copy(transfer, type, merges: false)
            } catch {
                guard error.sqlState == "23505" else { throw error }
            }
        }
        return try await copy(transfer, type, merges: true)
    }

    private func copy(
        _ transfer: Transfer,
        _ type: RecordType,
        merges: Bool
    ) async throws(StoreError) -> Transfer {
        let snapshot = try await source.openSnapshot(of: type, in: transfer.range, filter: transfer.filter)
        do throws(StoreError) {
            let copied = try await pump(snapshot, transfer, type, merges)
            await snapshot.close()
            return copied
        } catch {
            await snapshot.close()
            throw error
        }
    }

    private func pump(
        _ snapshot: Source.Snapshot,
        _ transfer: Transfer,
        _ type: RecordType,
        _ merges: Bool
    ) async throws(StoreError) -> Transfer {
        let copy = try await target.beginCopy(transfer, type: type, merges: merges)
        do throws(StoreError) {
            let digester = ContentDigester(type: type)
            var hot = Summary.zero
            // Hot is read, the rows are digested and cold takes them at the same time.
            try await snapshot.forEach { rows throws(StoreError) in
                async let summary = Result { () throws(StoreError) in try digester.summary(of: rows, tier: "hot") }
                try await throttle.spend(rows.count)
                try await copy.write(rows)
                hot += try await summary.get()
            }
            guard hot.rows == snapshot.expectedRows else {
                await copy.abandon()
                var transfer = transfer
                transfer.failed(
                    "hot's activity says \(snapshot.expectedRows) rows, its snapshot held \(hot.rows); "
                        + "nothing was copied",
                    unaccounted: true
                )
                try await target.record(transfer)
                return transfer
            }
            return try await copy.commit(hot: hot, stamp: snapshot.stamp)
        } catch {
            await copy.abandon()
            throw error
        }
    }

    /// Reads the range back as readers would and compares it with what must be there.
    package func verify(_ transfer: Transfer, type: RecordType) async throws(StoreError) -> Transfer {
        let rows = try await target.read(type, in: transfer.range)
        var proof = Proof(found: try await rows.summary(of: type, tier: "cold"))
        if let staging = transfer.staging {
            let staged = try await target.readStaging(staging, type: type)
            proof.staged = try await staged.summary(of: type, tier: "cold")
            proof.missing = try await target.missingRows(ofStaging: staging, type: type, in: transfer.range)
        }
        var transfer = transfer
        transfer.compared(proof, at: now())
        if transfer.state == .mismatched { return try await named(transfer, type: type) }
        guard transfer.isProved else { return try await target.recordVerified(transfer, type: type) }
        // Nothing was copied since: its manifest stands, on the strength of which hot may have been pruned meanwhile.
        try await target.record(transfer)
        return transfer
    }

    /// Records a mismatch, then finds which rows it is and records those too.
    func named(_ transfer: Transfer, type: RecordType) async throws(StoreError) -> Transfer {
        try await target.record(transfer)
        var named = transfer
        named.explain(await target.differingRows(of: transfer, type, source, limit: planner.policy.namedRows))
        try await target.record(named)
        return named
    }

    /// Deletes from hot exactly the rows that were verified, once cold was read again and holds them.
    package func prune(_ transfer: Transfer, type: RecordType) async throws(StoreError) -> Transfer {
        guard let number = transfer.manifest, let hot = transfer.hot,
            let sha256 = try await target.manifests([number])[number]
        else {
            throw StoreError(
                .corrupt,
                .halt,
                tier: "cold",
                operation: "prune \(transfer.type)",
                detail: "the ledger lacks the manifest of a verified range; nothing was pruned"
            )
        }
        let before = transfer
        var transfer = transfer
        transfer.error = nil
        // Asked again in the prune's transaction; here it saves reading cold in vain.
        let pinned = try await source.pins().first { $0.type == type.name && $0.range.overlaps(transfer.range) }
        if let pinned {
            transfer.error = pinned.refusal
            if transfer != before { try await target.record(transfer) }
            return transfer
        }
        // The proof may be days old.
        var isLate = false
        let finding = try await doubt(transfer, type: type, hot: hot) { () throws(StoreError) in
            let snapshot = try await source.openSnapshot(of: type, in: before.range, filter: nil)
            // Rows that came since the proof are not in cold yet: the range is planned again.
            isLate = snapshot.stamp != before.stamp
            let missing = isLate ? 0 : try await target.missing(snapshot, type: type, in: before.range)
            await snapshot.close()
            return missing
        }
        if isLate { return transfer }
        if let finding {
            transfer.mismatched("\(finding); nothing was pruned")
            return try await named(transfer, type: type)
        }
        switch try await source.prune(transfer, type: type, sha256: sha256) {
        case .pruned(let rows), .already(let rows): transfer.pruned(rows: rows, at: now())
        case .late: return transfer
        case .declined(let reason): transfer.error = reason
        case .altered(let found):
            transfer.mismatched("hot holds \(found), verified was \(hot); nothing was pruned")
            // Once it is asked for again, hot is copied as it then is.
            transfer.stamp = nil
            return try await named(transfer, type: type)
        }
        if transfer != before { try await target.record(transfer) }
        return transfer
    }

    /// Reads cold again before rows go: what is wrong there, or nil where it holds every row of `hot`.
    ///
    /// Cold must be what its last proof says, so that nothing altered, removed or added escapes; and where that is more
    /// than hot held, each row is looked for by its key: `missing` counts those that are not there.
    func doubt(
        _ transfer: Transfer,
        type: RecordType,
        hot: Summary,
        missing: () async throws(StoreError) -> Int
    ) async throws(StoreError) -> String? {
        let found = try await target.read(type, in: transfer.range).summary(of: type, tier: "cold")
        // A range of another `archive.range` is history: those of today say what cold must be.
        if planner.isOnGrid(transfer.range), found != transfer.cold {
            return "cold holds \(found), must be \(transfer.cold ?? .zero)"
        }
        guard found != hot else { return nil }
        let missing = try await missing()
        return missing == 0 ? nil : "\(missing) of \(hot.rows) rows are not in cold"
    }
}

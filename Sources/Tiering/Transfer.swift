package import Digest
package import Records

/// One range of one type, or a part of it, on its way from hot to cold, as the ledger in the cold database has it.
package struct Transfer: Sendable, Equatable {
    /// How far it has come: planned → copied → verified → pruned → expired, or mismatched, unaccounted, failed.
    package enum State: String, Sendable, CaseIterable {
        /// To be copied (again).
        case planned
        /// The rows of one hot snapshot are in cold, in the same transaction as this ledger row; not proved yet.
        case copied
        /// Cold was read back and holds every row of that snapshot.
        case verified
        /// Exactly the verified rows were deleted from hot.
        case pruned
        /// Cold was read back and is not what it must be: the type halts until an operator asks for the range again.
        case mismatched
        /// The snapshot did not hold the rows that hot's activity says: nothing was copied; looked at again.
        case unaccounted
        /// The last attempt failed; tried again with backoff.
        case failed
        /// Cold's own retention let the range go: its rows are in neither tier, its proof stays.
        case expired
    }

    package var id: String
    package var type: String
    package var range: TimeRange
    /// The part of the range that a partial transfer moves; nil where it moves the whole.
    ///
    /// A part is copied and verified, adds what it inserts to what the range must be in cold, and settles nothing.
    package var filter: TransferFilter?
    package var state: State
    /// The operator's request it belongs to, if any.
    package var request: String?
    /// Prune as soon as verified, whatever the retention.
    package var prunes: Bool
    package var attempt: Int
    /// Activity stamp of the snapshot copied last.
    package var stamp: String?
    /// What that snapshot held.
    package var hot: Summary?
    /// What the range must now be in cold.
    package var cold: Summary?
    /// Rows of the merge kept beside the range until verified; nil where the copy went straight in.
    package var staging: String?
    /// Number of the manifest that proves it.
    package var manifest: Int64?
    package var rowsPruned: Int
    package var error: String?
    package var updatedAt: Timestamp?
    package var verifiedAt: Timestamp?
    /// When exactly the verified rows left hot; nil where rows were copied since.
    package var prunedAt: Timestamp?
    /// When cold was last read again and found as the proof says.
    package var scrubbedAt: Timestamp?

    package init(
        id: String,
        type: String,
        range: TimeRange,
        filter: TransferFilter? = nil,
        state: State = .planned
    ) {
        self.id = id
        self.type = type
        self.range = range
        self.filter = filter
        self.state = state
        prunes = false
        attempt = 0
        rowsPruned = 0
    }

    /// Takes the transfer back to the start, because hot changed or an operator asked; what cold must be stays known.
    package mutating func plan() {
        precondition(state != .copied, "a copied range is verified before it is copied again")
        state = .planned
        attempt = 0
        error = nil
    }

    /// The rows of one hot snapshot are in cold.
    package mutating func copied(hot: Summary, cold: Summary, stamp: String, staging: String?) {
        precondition(state == .planned || state == .failed || state == .unaccounted, "copied from \(state)")
        state = .copied
        self.hot = hot
        self.cold = cold
        self.stamp = stamp
        self.staging = staging
        // Of a part, the last one proves what was copied before.
        if filter != nil { manifest = nil }
        prunedAt = nil
        error = nil
    }

    /// Cold was read back; `proof` is what it holds and how many staged rows it lacks.
    ///
    /// A range that was found mismatched and mended is proved again as it was: verified, pruned, or still to be copied
    /// where only parts of it were.
    package mutating func compared(_ proof: Proof, at time: Timestamp) {
        precondition(state == .copied, "compared from \(state)")
        // Without staging a copy went straight in, unless it was proved before: then nothing was copied since.
        let isKnown = staging == nil && manifest != nil
        let copied = isKnown ? nil : hot
        guard let cold, isKnown || hot != nil, proof.isComplete(hot: copied, cold: cold) else {
            return mismatched(proof.difference(hot: copied, cold: cold ?? .zero))
        }
        state = hot == nil ? .planned : prunedAt == nil ? .verified : .pruned
        verifiedAt = time
        error = nil
    }

    /// A tier is not what it must be: the type halts until an operator asks for the range again.
    package mutating func mismatched(_ finding: String) {
        state = .mismatched
        error = finding
    }

    /// Adds to a finding which rows it is, and how to go on.
    package mutating func explain(_ rows: String) {
        error =
            [error, rows].compactMap(\.self).joined(separator: ": ")
            + "; to go on, mend the rows by hand and ask for "
            + (filter.map { "this part (\($0)) of the range" } ?? "the range") + " again with POST /transfers"
    }

    /// When cold was last found to hold what it must.
    package var provedAt: Timestamp? { [verifiedAt, scrubbedAt].compactMap(\.self).max() }

    /// A range as it is before anything of it was copied, or after all that was copied is proved.
    package var isSettled: Bool {
        switch state {
        case .planned, .verified, .pruned, .unaccounted, .failed: staging == nil
        case .copied, .mismatched, .expired: false
        }
    }

    /// Whether `cold` is what the range in cold must be now: it was proved, and nothing was copied since.
    package var isProved: Bool { filter == nil && manifest != nil && cold != nil && isSettled }

    /// Exactly the verified rows left hot.
    package mutating func pruned(rows: Int, at time: Timestamp) {
        precondition(state == .verified, "pruned from \(state)")
        state = .pruned
        rowsPruned = rows
        prunedAt = time
        error = nil
    }

    /// An attempt failed; `state` tells where it goes on from.
    package mutating func failed(_ detail: String, unaccounted: Bool = false) {
        attempt += 1
        error = detail
        if unaccounted { state = .unaccounted } else if state == .planned { state = .failed }
    }
}

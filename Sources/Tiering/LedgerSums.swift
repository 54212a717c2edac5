import Digest
package import Records

/// What of the ledger a pass needs: all that is not settled, and what else something touches.
///
/// Settled is what left hot, or cold as well: over the years nearly everything.
package struct LedgerSelection: Sendable {
    /// By type: where settled ranges begin that are wanted, too.
    package var touched: [String: Set<Timestamp>]
    /// By type: what cold still holds and began before this.
    package var before: [String: Timestamp]

    package init(touched: [String: Set<Timestamp>], before: [String: Timestamp] = [:]) {
        (self.touched, self.before) = (touched, before)
    }

    package func contains(_ transfer: Transfer) -> Bool {
        let start = transfer.range.start
        return ![.pruned, .expired].contains(transfer.state)
            || touched[transfer.type]?.contains(start) == true
            || transfer.state != .expired && before[transfer.type].map { start < $0 } == true
    }
}

/// What the whole ledger says of one type.
package struct LedgerSums: Sendable, Equatable {
    package var ranges: [Transfer.State: Int] = [:]
    /// End of the newest verified range.
    package var verifiedThrough: Timestamp?
    package var lastVerifiedAt: Timestamp?
    /// What the ranges proved so far hold in cold, now.
    package var rowsInCold = 0

    package init() {}

    /// Adds ranges, or parts of ranges, that share a state; of parts only their number counts, and `end` is nil.
    package mutating func add(
        _ count: Int,
        _ state: Transfer.State,
        through end: Timestamp?,
        verifiedAt: Timestamp?,
        rowsInCold rows: Int
    ) {
        ranges[state, default: 0] += count
        if state == .verified || state == .pruned { verifiedThrough = [verifiedThrough, end].compactMap(\.self).max() }
        lastVerifiedAt = [lastVerifiedAt, verifiedAt].compactMap(\.self).max()
        rowsInCold += rows
    }

    /// Adds a range, or a part of one as long as it is not verified.
    mutating func add(_ transfer: Transfer, rowsInCold rows: Int) {
        guard transfer.filter != nil else {
            return add(
                1,
                transfer.state,
                through: transfer.range.end,
                verifiedAt: transfer.verifiedAt,
                rowsInCold: rows
            )
        }
        guard transfer.state != .verified else { return }
        add(1, transfer.state, through: nil, verifiedAt: nil, rowsInCold: 0)
    }

    /// Sums up a ledger by type.
    package static func of(_ ledger: [Transfer]) -> [String: LedgerSums] {
        ledger.reduce(into: [:]) { sums, transfer in
            let isHeld = transfer.manifest != nil && transfer.state != .expired
            sums[transfer.type, default: LedgerSums()]
                .add(transfer, rowsInCold: isHeld ? transfer.cold?.rows ?? 0 : 0)
        }
    }
}

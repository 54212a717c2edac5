import Digest
import Platform
package import Records

/// What the archiver is doing, for `/stats`, `/metrics` and `/health`.
package struct ArchiveStatus: Sendable, Equatable {
    package enum State: String, Sendable { case starting, archiving, waiting, degraded, stopped }
    /// One type's ranges and how far they have come.
    package struct OfType: Sendable, Equatable {
        package var sums = LedgerSums()
        package var rowsCopied = 0
        package var rowsVerified = 0
        package var rowsPruned = 0
        /// Prunes of this process that gave way to a lock or to a pin; they are tried again.
        package var declined = 0
        /// Rows that came after cold's retention let their range go; they rest in hot.
        package var rowsLate = 0
        /// The mismatched range that halts the type, with what was found.
        package var halted: String?
        /// How a tier's schema differs from the catalogue; the type waits until it is mended.
        package var drift: String?
        package var errors: [String] = []
        /// Why an attempt failed, the last of those of ranges that are to be tried again.
        package var failure: String?
        /// Closed ranges with rows that are not verified yet, oldest first: how far the archive is behind.
        package var oldestUnverified: Timestamp?
        /// When the range was proved or scrubbed whose last proof is the oldest.
        package var oldestProof: Timestamp?
        package var scrubbed = Scrubbed()
        /// What this process brought into `cold.format`.
        package var packed = Packed()

        package init() {}
    }

    /// What the scrub of this process read again.
    package struct Scrubbed: Sendable, Equatable {
        package private(set) var ranges = 0
        package private(set) var rows = 0
        package private(set) var bytes = 0

        package init() {}

        package mutating func add(rows: Int, bytes: Int) {
            ranges += 1
            self.rows += rows
            self.bytes += bytes
        }
    }

    package var state: State = .starting
    package var trouble: String?
    /// It waits for a person: no time mends what is wrong.
    package var needsOperator = false
    package var token: Int64?
    package var passes = 0
    package var lastPass: Timestamp?
    package var nextPass: Timestamp?
    /// Why nothing is begun at present, though it may be due.
    package var paused: String?
    package var types: [String: OfType] = [:]
    package var hotReachable = false
    package var coldReachable = false
    /// When the ledger had changed last that the sums of the types are of.
    package var countedAt: Timestamp?

    package init() {}

    /// Takes in what is not settled, parts of ranges among it, and what all of the ledger says where that changed since
    /// it was asked last.
    package mutating func count(
        _ unsettled: [Transfer],
        _ sums: [String: LedgerSums]?,
        oldestProofs: [String: Timestamp] = [:],
        types names: [String]
    ) {
        for name in names {
            var of = types[name] ?? OfType()
            let own = unsettled.filter { $0.type == name }
            if let sums { of.sums = sums[name] ?? LedgerSums() }
            of.oldestProof = oldestProofs[name]
            of.halted = own.first { $0.state == .mismatched }.map(Self.explain)
            of.failure = own.last { $0.state == .failed }?.error
            of.errors = own.filter { $0.error != nil }.suffix(5).map { "\($0.range): \($0.error ?? "")" }
            types[name] = of
        }
    }

    /// Takes one move into account after `count`; `before` is nil where the ledger did not have the transfer yet.
    ///
    /// Counting again after each of thousands of ranges would cost the square of their number.
    package mutating func moved(_ transfer: Transfer, from before: Transfer.State?) {
        var of = types[transfer.type] ?? OfType()
        if let before { of.sums.ranges[before, default: 0] -= 1 }
        // What it holds is counted with the next sums: what it held before is not known here.
        of.sums.add(transfer, rowsInCold: 0)
        if transfer.state == .mismatched { of.halted = of.halted ?? Self.explain(transfer) }
        if transfer.state == .failed { of.failure = transfer.error }
        if let error = transfer.error { of.errors = of.errors.suffix(4) + ["\(transfer.range): \(error)"] }
        types[transfer.type] = of
    }

    private static func explain(_ transfer: Transfer) -> String {
        (transfer.filter.map { "part (\($0)) of " } ?? "")
            + "range \(transfer.range) is mismatched: \(transfer.error ?? "unknown"); nothing of this type is moved or "
            + "pruned meanwhile"
    }
}

/// The archiver's status, written by it and read by the control plane without waiting.
package final class ArchiveBoard: Sendable {
    private let status = Locked(ArchiveStatus())

    package init() {}
    package var current: ArchiveStatus { status.withLock { $0 } }
    package func update(_ body: (inout ArchiveStatus) -> Void) { status.withLock { body(&$0) } }
}

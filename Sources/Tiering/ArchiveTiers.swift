package import Digest
import Platform
package import Records

/// Rows on their way: chunks of whole COPY BINARY tuples until nil.
package protocol RowStream: Sendable {
    func next() async throws(StoreError) -> [UInt8]?
}

extension RowStream {
    /// Hands each chunk to `body` while the next one is being read: never more than two are in memory.
    package func forEach(_ body: ([UInt8]) async throws(StoreError) -> Void) async throws(StoreError) {
        var next = try await next()
        while let chunk = next {
            async let following = Result { () async throws(StoreError) in try await self.next() }
            try await body(chunk)
            next = try await following.get()
        }
    }

    /// What the rows are, digested as they pass.
    package func summary(of type: RecordType, tier: String) async throws(StoreError) -> Summary {
        let digester = ContentDigester(type: type)
        var summary = Summary.zero
        try await forEach { chunk throws(StoreError) in summary += try digester.summary(of: chunk, tier: tier) }
        return summary
    }
}

extension ContentDigester {
    func summary(of rows: [UInt8], tier: String) throws(StoreError) -> Summary {
        try readable(tier) { () throws(CopyRowError) in try summarize(rows.span) }
    }
}

/// What `body` makes of rows that a tier gave; bytes that are no rows are the tier's fault.
func readable<R>(_ tier: String, _ body: () throws(CopyRowError) -> R) throws(StoreError) -> R {
    do {
        return try body()
    } catch {
        throw StoreError(.corrupt, .halt, tier: tier, operation: "read rows", detail: "\(error)")
    }
}

extension Result where Failure == StoreError {
    /// What `body` returns or throws, so that the type of its error survives a child task.
    package init(_ body: () async throws(StoreError) -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}

/// One hot snapshot of a range: stamps and rows as of the same instant.
package protocol HotSnapshot: RowStream {
    var stamp: String { get }
    /// How many rows activity says there are, less those that the filter leaves out; the stream must hold exactly as
    /// many.
    var expectedRows: Int { get }
    /// Ends the snapshot, whether or not it was read to its end.
    func close() async
}

/// What became of a prune.
package enum PruneOutcome: Sendable, Equatable {
    case pruned(rows: Int)
    /// Done already by an attempt whose answer was lost.
    case already(rows: Int)
    /// Rows came since the range was verified: nothing was deleted, the range is planned again.
    case late
    /// Hot no longer holds what was verified, though no writer of ours stored anything: nothing was deleted.
    case altered(found: Summary)
    /// A lock was not to be had in time; nothing was deleted.
    case declined(String)
}

/// What hot's own log says was pruned on the strength of which manifest.
package struct PruneRecord: Sendable, Equatable {
    package var type: String
    package var range: TimeRange
    package var manifest: Int64
    package var sha256: String

    package init(type: String, range: TimeRange, manifest: Int64, sha256: String) {
        self.type = type
        self.range = range
        self.manifest = manifest
        self.sha256 = sha256
    }
}

/// The hot tier as the archiver sees it, in one fenced session.
package protocol ArchiveSource: Sendable {
    associatedtype Snapshot: HotSnapshot
    associatedtype Rows: RowStream

    /// Activity summed into ranges of the policy's width, for the given types.
    func activity(of types: [RecordType], rangeMicros: Int64) async throws(StoreError) -> [RangeActivity]
    func newestEvent() async throws(StoreError) -> Timestamp?
    /// How long a small transaction takes now, from here to its COMMIT and back.
    func commitLatency() async throws(StoreError) -> Duration
    /// Forgets the activity of emptied ranges that is still as it is here: late rows bring their own.
    func forget(_ emptied: [RangeActivity]) async throws(StoreError)
    /// The prune that rests on the newest manifest; where cold holds that one it holds all before it.
    func newestPrune() async throws(StoreError) -> PruneRecord?
    /// The rows of a range, or those of them that a filter lets through.
    func openSnapshot(
        of type: RecordType,
        in range: TimeRange,
        filter: TransferFilter?
    ) async throws(StoreError) -> Snapshot

    // MARK: Prune

    /// Deletes the rows of the range if, and only if, they are exactly those that were verified and none is pinned.
    func prune(_ transfer: Transfer, type: RecordType, sha256: String) async throws(StoreError) -> PruneOutcome
    /// The pins that have not expired.
    func pins() async throws(StoreError) -> [Pin]
    func partitions(of types: [RecordType]) async throws(StoreError) -> [HotPartition]
    /// Lets a partition rest whole, in one transaction; `sha256` of each manifest by its number.
    func prune(
        _ due: DuePartition,
        type: RecordType,
        sha256: [Int64: String]
    ) async throws(StoreError) -> PartitionOutcome
    /// The partitions that rest for at least so long, by hot's clock, and are not pinned.
    func resting(for span: Duration) async throws(StoreError) -> [Resting]
    /// The rows of a resting partition, every column; nil = all of them.
    func read(_ resting: Resting, type: RecordType, in range: TimeRange?) async throws(StoreError) -> Rows
    /// Drops what rests; false where it does not rest any more, or is pinned.
    func drop(_ resting: Resting) async throws(StoreError) -> Bool
    /// Appends the resting rows to hot again by key, as writer `undo`; the table goes if hot then holds all of them.
    ///
    /// False where it stays, because hot holds another row under a key of it.
    func giveBack(_ resting: Resting, type: RecordType) async throws(StoreError) -> Bool

    // MARK: Drift

    /// Where the tables and views of these types are not as the catalogue says.
    func drift(of types: [RecordType]) async throws(StoreError) -> [SchemaDrift]

    // MARK: Retention of cold

    /// Whether hot holds nothing of the range: no row, none counted, none resting, no pin.
    func isGone(_ type: RecordType, in range: TimeRange) async throws(StoreError) -> Bool

    // MARK: Session

    func close() async
}

/// A copy on its way into cold: one transaction with its ledger row.
package protocol ColdCopy: Sendable {
    func write(_ rows: [UInt8]) async throws(StoreError)
    /// Merges what was written, records the transfer as copied, commits. Merge adds rows, it never replaces one.
    ///
    /// What a part inserts is added to what its range must be in cold, which is not proved until the part is. Throws:
    /// `.failed` (retry) where the range is not settled itself.
    func commit(hot: Summary, stamp: String) async throws(StoreError) -> Transfer
    /// Leaves cold as it was.
    func abandon() async
}

/// The cold tier as the archiver sees it, in one fenced session.
package protocol ArchiveTarget: Sendable {
    associatedtype Copy: ColdCopy
    associatedtype Rows: RowStream

    /// The transfers of whole ranges that a selection names.
    func ledger(_ selection: LedgerSelection) async throws(StoreError) -> [Transfer]
    /// Those of parts of ranges that are not verified.
    func openParts() async throws(StoreError) -> [Transfer]
    /// What all of the ledger says by type, and when it changed last; nil where it did not since `time`.
    func sums(since time: Timestamp?) async throws(StoreError) -> (of: [String: LedgerSums], at: Timestamp)?
    /// By type: when the range was proved or scrubbed whose last proof is the oldest.
    func oldestProofs(of types: [RecordType]) async throws(StoreError) -> [String: Timestamp]
    /// Writes the ledger row alone; what an operator asked for (`request`, `prunes`) stays as the ledger has it.
    func record(_ transfer: Transfer) async throws(StoreError)
    /// Counts a failed attempt and its error, whatever state the ledger has: an unknown COMMIT may have succeeded.
    func recordFailure(of transfer: Transfer, detail: String) async throws(StoreError)
    /// Straight into the table where the range is new and empty; else, or if `merges`, beside it, to be merged by key,
    /// as a part always is.
    func beginCopy(_ transfer: Transfer, type: RecordType, merges: Bool) async throws(StoreError) -> Copy
    /// The range as readers see it.
    func read(_ type: RecordType, in range: TimeRange) async throws(StoreError) -> Rows
    /// The merge's staged rows, and how many of them neither the range nor `conflict` holds with equal content.
    func readStaging(_ name: String, type: RecordType) async throws(StoreError) -> Rows
    func missingRows(ofStaging name: String, type: RecordType, in range: TimeRange) async throws(StoreError) -> Int
    /// How many of these rows neither the range nor `conflict` holds with equal content; leaves nothing behind.
    func missing(_ rows: some RowStream, type: RecordType, in range: TimeRange) async throws(StoreError) -> Int
    /// Appends the manifest of a verified transfer, drops its staging and records it, in one transaction.
    ///
    /// Of a part the manifest is the range's from then on; a part that inserted nothing leaves the last one.
    func recordVerified(_ transfer: Transfer, type: RecordType) async throws(StoreError) -> Transfer
    /// SHA-256 of the manifests with these numbers; absent where the ledger has none.
    func manifests(_ numbers: [Int64]) async throws(StoreError) -> [Int64: String]

    // MARK: Scrub

    /// Late rows of the range whose key cold holds with other content.
    func readConflicts(_ type: RecordType, in range: TimeRange) async throws(StoreError) -> Rows
    /// The range of these types whose last proof is the oldest; nil where there is none.
    func oldestProved(of types: [RecordType]) async throws(StoreError) -> Transfer?
    /// A transfer as the ledger has it and the rows of its range, both as of the same instant.
    ///
    /// Nil where no proof stands that the rows could be compared with.
    func reread(_ transfer: Transfer, type: RecordType) async throws(StoreError) -> (Transfer, Rows)?
    /// Writes what reading again found (`scrubbedAt`, or a mismatch); false, and nothing is written, where the ledger
    /// has moved on since.
    func recordScrubbed(_ transfer: Transfer) async throws(StoreError) -> Bool

    // MARK: Drift

    /// Where the tables and views of these types are not as the catalogue says.
    func drift(of types: [RecordType]) async throws(StoreError) -> [SchemaDrift]

    // MARK: Retention of cold

    /// Takes pruned ranges out of cold, whole partitions where nothing else is in them, and keeps their proofs.
    ///
    /// Returns those that are expired, and those found mismatched instead; what is locked or asked for stays as it is.
    func expire(_ transfers: [Transfer], type: RecordType) async throws(StoreError) -> [Transfer]

    // MARK: Format

    /// Partitions of these types that wait to be brought into `cold.format`, oldest first, and of which no range is on
    /// its way; what was written in another format waits, too.
    func unpacked(of types: [RecordType], at now: Timestamp) async throws(StoreError) -> [UnpackedPartition]
    /// Packs a partition, about so many rows at most, in short transactions each of which reads back what it wrote.
    ///
    /// Where somebody else works at it, nothing is changed.
    func pack(
        _ partition: UnpackedPartition,
        type: RecordType,
        atMost rows: Int,
        at now: Timestamp,
        unless isStopping: @Sendable () -> Bool
    ) async throws(StoreError) -> Packed
    /// Lets a partition that cannot be packed wait until then.
    func postpone(_ partition: UnpackedPartition, until time: Timestamp) async throws(StoreError)

    // MARK: Session

    func close() async
}

/// Both tiers under one lease.
package protocol ArchiveTiers: Sendable {
    associatedtype Source: ArchiveSource
    associatedtype Target: ArchiveTarget

    /// Takes or keeps the lease. The token rises with every take-over.
    func acquireLease() async throws(StoreError) -> LeaseOutcome
    /// False where the lease is another's.
    func renewLease(_ token: Int64) async throws(StoreError) -> Bool
    func releaseLease(_ token: Int64) async throws(StoreError)
    /// Ends the sessions of earlier tokens on both databases and writes this one into both fences.
    func takeOver(_ token: Int64) async throws(StoreError)
    func openSource(_ token: Int64) async throws(StoreError) -> Source
    func openTarget(_ token: Int64) async throws(StoreError) -> Target

    // MARK: Schedule

    /// When the last pass that any archiver ended had begun.
    func recordedPass() async throws(StoreError) -> Timestamp?
    func recordPass(_ token: Int64, at time: Timestamp) async throws(StoreError)
    /// What clocks show in a time zone around `time`.
    func localTime(of timeZone: String, at time: Timestamp) async throws(StoreError) -> LocalTime
}

package enum LeaseOutcome: Sendable, Equatable {
    case held(token: Int64, isNew: Bool)
    case heldBy(String)
}

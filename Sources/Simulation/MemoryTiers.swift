package import Digest
import Platform
package import Records
package import Tiering

/// Both tiers in memory under one lease, as one archiver reaches them through its faults.
package struct MemoryTiers: ArchiveTiers {
    private let hot: HotDatabase
    private let cold: ColdDatabase
    private let faults: Faults
    private let holder: String
    private let lease: Duration

    package init(
        hot: HotDatabase,
        cold: ColdDatabase,
        holder: String,
        faults: Faults = Faults(),
        lease: Duration = .seconds(30)
    ) {
        self.hot = hot
        self.cold = cold
        self.holder = holder
        self.faults = faults
        self.lease = lease
    }

    package func acquireLease() async throws(StoreError) -> LeaseOutcome {
        try await faults.onTier("cold", "acquire lease") { await cold.acquireLease(holder, for: lease) }
    }

    package func renewLease(_ token: Int64) async throws(StoreError) -> Bool {
        try await faults.onTier("cold", "renew lease") { await cold.renewLease(token, holder, for: lease) }
    }

    package func releaseLease(_ token: Int64) async throws(StoreError) {
        try await faults.onTier("cold", "release lease") { await cold.releaseLease(token, holder) }
    }

    package func recordedPass() async throws(StoreError) -> Timestamp? {
        try await faults.onTier("cold", "read the last pass") { await cold.lastPass }
    }

    package func recordPass(_ token: Int64, at time: Timestamp) async throws(StoreError) {
        try await faults.onTier("cold", "record a pass") { await cold.recordPass(at: time) }
    }

    /// Every time zone is an hour ahead of UTC.
    package func localTime(of timeZone: String, at time: Timestamp) async throws(StoreError) -> LocalTime {
        LocalTime(changes: [LocalTime.Change(at: Timestamp(micros: 0), offsetMicros: 3_600_000_000)])
    }

    package func takeOver(_ token: Int64) async throws(StoreError) {
        try await faults.onTier("hot", "raise fence") { await hot.raiseFence(token) }
        try await faults.onTier("cold", "raise fence") { await cold.raiseFence(token) }
    }

    package func openSource(_ token: Int64) async throws(StoreError) -> MemorySource {
        let session = await hot.connect()
        try await faults.onTier("hot", "connect", dropped: { await hot.disconnect(session) }) { () throws(StoreError) in
            try await hot.recordArchiver(session, token)
        }
        return MemorySource(token: token, session: session, database: hot, faults: faults)
    }

    package func openTarget(_ token: Int64) async throws(StoreError) -> MemoryTarget {
        let session = try await faults.onTier("cold", "connect") { () throws(StoreError) in
            try await cold.connect(token)
        }
        return MemoryTarget(token: token, session: session, database: cold, faults: faults)
    }
}

extension ColdDatabase {
    func acquireLease(_ holder: String, for span: Duration) -> LeaseOutcome {
        let now = clock.timestamp
        let isFree = lease.expiresAt <= now || lease.expiresAt > now.advanced(byMicros: 2 * span.micros)
        guard lease.holder == holder || isFree else { return .heldBy(lease.holder ?? "nobody") }
        if !(lease.holder == holder && lease.expiresAt > now) { lease.token += 1 }
        lease.holder = holder
        lease.expiresAt = now.advanced(byMicros: span.micros)
        return .held(token: lease.token, isNew: fence != lease.token)
    }

    func renewLease(_ token: Int64, _ holder: String, for span: Duration) -> Bool {
        guard lease.token == token, lease.holder == holder else { return false }
        lease.expiresAt = clock.timestamp.advanced(byMicros: span.micros)
        return true
    }

    func releaseLease(_ token: Int64, _ holder: String) {
        if lease.token == token, lease.holder == holder { expireLease() }
    }

    package func recordPass(at time: Timestamp) { lastPass = time }

    /// The lease is free for whoever asks first.
    package func expireLease() { lease.expiresAt = Timestamp(micros: 0) }
}

/// The cold tier in memory as the archiver sees it, in one fenced session.
package struct MemoryTarget: ArchiveTarget {
    let token: Int64
    let session: Int
    let database: ColdDatabase
    let faults: Faults

    func run<R: Sendable>(
        _ operation: String,
        _ body: () async throws(StoreError) -> R
    ) async throws(StoreError) -> R {
        try await faults.onTier("cold", operation, dropped: close) { () throws(StoreError) in
            try await database.checkFence(session, token, operation)
            return try await body()
        }
    }

    package func ledger(_ selection: LedgerSelection) async throws(StoreError) -> [Transfer] {
        try await run("read ledger") { await database.ledger.filter(selection.contains) }
    }

    package func sums(since time: Timestamp?) async throws(StoreError) -> (of: [String: LedgerSums], at: Timestamp)? {
        try await run("read sums") { (LedgerSums.of(await database.ledger + database.parts), database.clock.timestamp) }
    }

    package func oldestProofs(of types: [RecordType]) async throws(StoreError) -> [String: Timestamp] {
        let proved = try await run("read the oldest proofs") { await database.ledger.filter(\.isProved) }
        return proved.reduce(into: [:]) { oldest, transfer in
            guard let at = transfer.provedAt else { return }
            oldest[transfer.type] = min(oldest[transfer.type] ?? at, at)
        }
    }

    package func openParts() async throws(StoreError) -> [Transfer] {
        try await run("read parts") { await database.parts.filter { $0.state != .verified } }
    }

    package func record(_ transfer: Transfer) async throws(StoreError) {
        try await run("record") { await database.record(transfer) }
    }

    package func recordFailure(of transfer: Transfer, detail: String) async throws(StoreError) {
        try await run("record failure") { await database.recordFailure(of: transfer, detail: detail) }
    }

    package func beginCopy(
        _ transfer: Transfer,
        type: RecordType,
        merges: Bool
    ) async throws(StoreError) -> MemoryCopy {
        let held = try await run("begin copy") { await database.summary(of: type.name, in: transfer.range) }
        let isDirect = transfer.cold == nil && held.rows == 0 && !merges && transfer.filter == nil
        return MemoryCopy(
            transfer: transfer,
            type: type,
            staging: isDirect ? nil : "staging_\(transfer.id)",
            base: transfer.cold ?? held,
            target: self
        )
    }

    package func read(_ type: RecordType, in range: TimeRange) async throws(StoreError) -> MemoryRows {
        let rows = try await run("read back") {
            let copied = await database.lastCopy[ColdDatabase.RangeKey(type: type.name, range: range)]
            if database.flaws.contains(.readsBackTheCopy), let copied { return copied }
            return await database.rows(of: type.name, in: range)
        }
        return MemoryRows(rows.map(\.bytes), tier: "cold", faults: faults)
    }

    package func readStaging(_ name: String, type: RecordType) async throws(StoreError) -> MemoryRows {
        let rows = try await run("read staging") { await database.staging[name] ?? [] }
        return MemoryRows(rows.map(\.bytes), tier: "cold", faults: faults)
    }

    package func missingRows(
        ofStaging name: String,
        type: RecordType,
        in range: TimeRange
    ) async throws(StoreError) -> Int {
        try await run("count missing") { await database.countMissing(name, type: type.name) }
    }

    package func recordVerified(_ transfer: Transfer, type: RecordType) async throws(StoreError) -> Transfer {
        try await run("record verified") { await database.recordVerified(transfer) }
    }

    package func manifests(_ numbers: [Int64]) async throws(StoreError) -> [Int64: String] {
        try await run("read manifests") {
            let all = await database.manifests
            let wanted = Set(numbers)
            return Dictionary(all.lazy.filter { wanted.contains($0.number) }.map { ($0.number, $0.sha256) }) { $1 }
        }
    }

    /// A table in memory is what the catalogue says.
    package func drift(of types: [RecordType]) async throws(StoreError) -> [SchemaDrift] { [] }

    package func expire(_ transfers: [Transfer], type: RecordType) async throws(StoreError) -> [Transfer] {
        try await run("expire") { await database.expire(transfers) }
    }

    /// A table in memory has one format.
    package func unpacked(of types: [RecordType], at now: Timestamp) async throws(StoreError) -> [UnpackedPartition] {
        []
    }

    package func pack(
        _ partition: UnpackedPartition,
        type: RecordType,
        atMost rows: Int,
        at now: Timestamp,
        unless isStopping: @Sendable () -> Bool
    ) async throws(StoreError) -> Packed { Packed() }

    package func postpone(_ partition: UnpackedPartition, until time: Timestamp) async throws(StoreError) {}

    package func readConflicts(_ type: RecordType, in range: TimeRange) async throws(StoreError) -> MemoryRows {
        let rows = try await run("read conflicts") { await database.conflicts(of: type.name, in: range) }
        return MemoryRows(rows.map(\.bytes), tier: "cold", faults: faults)
    }

    package func oldestProved(of types: [RecordType]) async throws(StoreError) -> Transfer? {
        try await run("look for the oldest proof") { await database.oldestProved(of: types.map(\.name)) }
    }

    package func reread(
        _ transfer: Transfer,
        type: RecordType
    ) async throws(StoreError) -> (Transfer, MemoryRows)? {
        try await run("read again") { await database.reread(transfer) }.map {
            ($0, MemoryRows($1.map(\.bytes), tier: "cold", faults: faults))
        }
    }

    package func recordScrubbed(_ transfer: Transfer) async throws(StoreError) -> Bool {
        try await run("record scrub") { await database.recordScrubbed(transfer) }
    }

    package func close() async { await database.disconnect(session) }
}

extension ColdDatabase {
    func conflicts(of type: String, in range: TimeRange) -> [MemoryRow] {
        (conflicts[type] ?? [:]).values.flatMap(\.values).filter { range.contains($0.ts) }
    }

    func oldestProved(of types: [String]) -> Transfer? {
        ledger.filter { types.contains($0.type) && $0.isProved }
            .min { ($0.provedAt?.micros ?? 0, $0.range.start) < ($1.provedAt?.micros ?? 0, $1.range.start) }
    }

    func reread(_ transfer: Transfer) -> (Transfer, [MemoryRow])? {
        guard let index = index(of: transfer), ledger[index].isProved else { return nil }
        return (ledger[index], rows(of: transfer.type, in: transfer.range))
    }

    func recordScrubbed(_ transfer: Transfer) -> Bool {
        guard let index = index(of: transfer), ledger[index].isProved, ledger[index].manifest == transfer.manifest
        else {
            return false
        }
        if transfer.state == .mismatched { record(transfer) } else { ledger[index].scrubbedAt = transfer.scrubbedAt }
        return true
    }
}

/// A copy on its way into cold in memory: nothing of it is there before the commit.
package actor MemoryCopy: ColdCopy {
    private let transfer: Transfer
    private let type: RecordType
    private let staging: String?
    private let base: Summary
    private let target: MemoryTarget
    private var bytes: [UInt8] = []

    init(transfer: Transfer, type: RecordType, staging: String?, base: Summary, target: MemoryTarget) {
        self.transfer = transfer
        self.type = type
        self.staging = staging
        self.base = base
        self.target = target
    }

    package func write(_ rows: [UInt8]) async throws(StoreError) {
        try await target.run("write rows") {}
        bytes += rows
    }

    package func commit(hot: Summary, stamp: String) async throws(StoreError) -> Transfer {
        let (bytes, staging, base, transfer, type) = (bytes, staging, base, transfer, type)
        return try await target.run("commit copy") { [database = target.database] () throws(StoreError) in
            let base = transfer.filter == nil ? base : try await database.settledSum(ofWhole: transfer)
            let added = try await database.store(bytes, transfer, type: type, staging: staging)
            var copied = transfer
            copied.copied(hot: hot, cold: base + added, stamp: stamp, staging: staging)
            await database.record(copied)
            if transfer.filter != nil && added != .zero { await database.addToWhole(copied) }
            return copied
        }
    }

    package func abandon() async {}
}

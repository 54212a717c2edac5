import Platform
import Digest
package import Records
package import Tiering

/// A cold database in memory: tables, conflicts, staging, ledger, manifests, lease and fence.
///
/// Each method is one transaction, as `PostgresTarget` and `PostgresTiers` make it.
package actor ColdDatabase {
    /// Guards that a test takes away to see that the invariants notice.
    package struct Flaws: OptionSet, Sendable {
        package let rawValue: Int
        package init(rawValue: Int) { self.rawValue = rawValue }
        /// A merge replaces the rows of the range by those it brings, and believes what it then finds.
        package static let replaces = Flaws(rawValue: 1)
        /// Reading back answers with what was copied instead of with what is there.
        package static let readsBackTheCopy = Flaws(rawValue: 2)
        /// An archiver may work under a token that is past.
        package static let ignoresFence = Flaws(rawValue: 4)
        /// A copy now and then stores a row less than it was given.
        package static let losesRows = Flaws(rawValue: 8)
        /// What a part inserts is not added to what its range must be in cold.
        package static let forgetsParts = Flaws(rawValue: 16)
    }
    struct RangeKey: Hashable {
        let type: String
        let range: TimeRange
    }
    struct Manifest: Sendable {
        let number: Int64
        let type: String
        let range: TimeRange
        let sha256: String
    }

    let flaws: Flaws
    let clock: ManualClock
    private let bucketMicros: Int64
    private let readers: [String: MemoryRowReader]
    var tables: [String: MemoryTable] = [:]
    private(set) var conflicts: [String: [String: [Digest128: MemoryRow]]] = [:]
    var staging: [String: [MemoryRow]] = [:]
    /// What the last copy of a range was given.
    var lastCopy: [RangeKey: [MemoryRow]] = [:]
    private var copies = 0
    /// Rows that retention took out, conflicts included, and when each range was.
    private var expired: [String: [String: Set<Digest128>]] = [:]
    private var expiries: [String: [(range: TimeRange, at: Timestamp)]] = [:]
    /// Transfers of whole ranges, and of parts of them.
    package internal(set) var ledger: [Transfer] = []
    package internal(set) var parts: [Transfer] = []
    private var indices: [RangeKey: Int] = [:]
    /// The last transfer that was recorded as mismatched or unaccounted: without damage there is none.
    package internal(set) var halted: Transfer?
    private(set) var manifests: [Manifest] = []
    /// Rows as they were, and what stands instead.
    private var damage: [(type: String, row: MemoryRow, instead: MemoryRow?)] = []
    var lease = (token: Int64(0), holder: String?.none, expiresAt: Timestamp(micros: 0))
    package internal(set) var lastPass: Timestamp?
    private(set) var fence: Int64 = 0
    private var sessions: [Int: Int64] = [:]
    private var lastSession = 0
    var changed: Set<String> = []
    private var endsSessions = true

    package init(catalog: Catalog, clock: ManualClock, bucketMicros: Int64, flaws: Flaws = []) {
        self.clock = clock
        self.bucketMicros = bucketMicros
        self.flaws = flaws
        readers = Dictionary(catalog.types.map { ($0.name, MemoryRowReader(type: $0)) }) { $1 }
    }

    // MARK: Fence

    package func setEndsSessions(_ ends: Bool) { endsSessions = ends }

    func connect(_ token: Int64) throws(StoreError) -> Int {
        lastSession += 1
        sessions[lastSession] = token
        do throws(StoreError) { try checkFence(lastSession, token, "record the session") } catch {
            sessions[lastSession] = nil
            throw error
        }
        return lastSession
    }

    func disconnect(_ session: Int) { sessions[session] = nil }

    func raiseFence(_ token: Int64) {
        if endsSessions { for (session, other) in sessions where other < token { sessions[session] = nil } }
        fence = max(fence, token)
    }

    func checkFence(_ session: Int, _ token: Int64, _ operation: String) throws(StoreError) {
        guard sessions[session] == token else {
            throw StoreError(.unreachable, .retry, tier: "cold", operation: operation, detail: "the session was ended")
        }
        guard fence == token || flaws.contains(.ignoresFence) else {
            throw StoreError(.fenced, .halt, tier: "cold", operation: operation, detail: "token \(token) is past")
        }
    }

    // MARK: Ledger

    func index(of transfer: Transfer) -> Int? {
        indices[RangeKey(type: transfer.type, range: transfer.range)]
    }

    func append(_ transfer: Transfer) {
        indices[RangeKey(type: transfer.type, range: transfer.range)] = ledger.count
        ledger.append(transfer)
    }

    /// Writes the ledger row; what an operator asked for stays as it is.
    func record(_ transfer: Transfer) {
        if transfer.filter != nil { return record(part: transfer) }
        var row = transfer
        row.updatedAt = clock.timestamp
        changed.insert(transfer.type)
        if row.state == .mismatched || row.state == .unaccounted { halted = row }
        guard let index = index(of: transfer) else {
            append(row)
            return
        }
        row.id = ledger[index].id
        row.request = ledger[index].request
        row.prunes = ledger[index].prunes
        row.scrubbedAt = ledger[index].scrubbedAt
        if ledger[index].state == .mismatched, row.state != .mismatched { row.mismatched(ledger[index].error ?? "") }
        ledger[index] = row
    }

    func recordFailure(of transfer: Transfer, detail: String) {
        if transfer.filter != nil { return recordFailure(ofPart: transfer, detail: detail) }
        guard let index = index(of: transfer) else {
            var row = Transfer(id: transfer.id, type: transfer.type, range: transfer.range)
            row.failed(detail)
            append(row)
            return
        }
        ledger[index].failed(detail)
    }

    /// What an operator's request does to a range.
    package func request(_ id: String, type: String, range: TimeRange, prunes: Bool) {
        var row = Transfer(id: id, type: type, range: range)
        let index = index(of: row)
        if let index { row = ledger[index] }
        row.request = id
        row.prunes = row.prunes || prunes
        row.attempt = 0
        row.error = nil
        if row.state == .mismatched { row.state = .copied }
        if [.failed, .unaccounted].contains(row.state) { row.state = .planned }
        if let index { ledger[index] = row } else { append(row) }
    }

    func recordVerified(_ transfer: Transfer) -> Transfer {
        guard let cold = transfer.cold else { preconditionFailure("a manifest says what cold must hold") }
        let hot = transfer.hot ?? .zero
        let number = (manifests.last?.number ?? 0) + 1
        let fields = "\(manifests.last?.sha256 ?? "")\n\(number)\n\(transfer.type)\n\(transfer.range)\n\(hot)\n\(cold)"
        if transfer.filter != nil, !proveWhole(transfer, by: number) {
            // It inserted nothing: the range's last proof stays.
            var recorded = transfer
            recorded.staging = nil
            record(recorded)
            if let name = transfer.staging { staging[name] = nil }
            return recorded
        }
        let sha256 = SHA256.hash(Array(fields.utf8)).map { String($0, radix: 16) }.joined(separator: ".")
        manifests.append(Manifest(number: number, type: transfer.type, range: transfer.range, sha256: sha256))
        var recorded = transfer
        recorded.manifest = number
        recorded.staging = nil
        record(recorded)
        if let name = transfer.staging { staging[name] = nil }
        return recorded
    }

    // MARK: Copy

    func summary(of type: String, in range: TimeRange) -> Summary {
        rows(of: type, in: range).reduce(.zero) { $0 + $1.summary }
    }

    func rows(of type: String, in range: TimeRange) -> [MemoryRow] { tables[type]?.rows(in: range) ?? [] }

    /// Stores the rows of a copy and its ledger row in one transaction.
    func store(_ chunk: [UInt8], _ transfer: Transfer, type: RecordType, staging: String?) throws(StoreError) -> Summary
    {
        var rows = try read(chunk, type)
        copies += 1
        lastCopy[RangeKey(type: type.name, range: transfer.range)] = rows
        let given = rows
        if flaws.contains(.losesRows), copies % 7 == 0, !rows.isEmpty { rows.removeLast() }
        var table = tables.removeValue(forKey: type.name) ?? MemoryTable(bucketMicros: bucketMicros)
        defer { tables[type.name] = table }
        changed.insert(type.name)
        guard let staging else {
            if rows.contains(where: { table.row($0) != nil }) {
                throw StoreError(.rejected, .reject, tier: "cold", operation: "copy", sqlState: "23505", detail: "key")
            }
            for row in rows { _ = table.insert(row) }
            return given.reduce(.zero) { $0 + $1.summary }
        }
        self.staging[staging] = flaws.contains(.readsBackTheCopy) ? given : rows
        if flaws.contains(.replaces) { return replace(transfer.range, of: &table, by: rows) }
        var added = Summary.zero
        for row in rows {
            if table.insert(row) {
                added += row.summary
            } else if let held = table.row(row), held.content != row.content {
                conflicts[type.name, default: [:]][row.identity, default: [:]][row.content] = row
            }
        }
        return added
    }

    private func replace(_ range: TimeRange, of table: inout MemoryTable, by rows: [MemoryRow]) -> Summary {
        let held = table.rows(in: range)
        for row in held { table.remove(row) }
        for row in rows { _ = table.insert(row) }
        return rows.reduce(.zero) { $0 + $1.summary } - held.reduce(.zero) { $0 + $1.summary }
    }

    func countMissing(_ staging: String, type: String) -> Int {
        if flaws.contains(.readsBackTheCopy) { return 0 }
        return (self.staging[staging] ?? []).count { !holds($0, type) }
    }

    func countMissing(_ chunk: [UInt8], type: RecordType) throws(StoreError) -> Int {
        try read(chunk, type).count { !holds($0, type.name) }
    }

    private func holds(_ row: MemoryRow, _ type: String) -> Bool {
        tables[type]?.row(row)?.content == row.content
            || conflicts[type]?[row.identity]?[row.content] != nil
    }

    private func read(_ bytes: [UInt8], _ type: RecordType) throws(StoreError) -> [MemoryRow] {
        do {
            return try readers[type.name]?.rows(bytes) ?? []
        } catch {
            throw StoreError(.corrupt, .halt, tier: "cold", operation: "copy", detail: "\(error)")
        }
    }

    /// Takes out pruned ranges; what was asked for since stays.
    func expire(_ transfers: [Transfer]) -> [Transfer] {
        var settled: [Transfer] = []
        for var transfer in transfers where index(of: transfer).map({ ledger[$0].state }) == .pruned {
            let type = transfer.type
            for row in rows(of: type, in: transfer.range) {
                tables[type]?.remove(row)
                expired[type, default: [:]][row.identity, default: []].insert(row.content)
                let others = conflicts[type]?.removeValue(forKey: row.identity) ?? [:]
                expired[type, default: [:]][row.identity, default: []].formUnion(others.keys)
            }
            expiries[type, default: []].append((transfer.range, clock.timestamp))
            transfer.state = .expired
            record(transfer)
            settled.append(transfer)
        }
        return settled
    }

    // MARK: Damage

    /// Takes away a row, as a failing disk does; false where there is none.
    @discardableResult
    package func loseRow(of type: String, in range: TimeRange) -> Bool {
        guard let row = rows(of: type, in: range).first else { return false }
        tables[type]?.remove(row)
        damage.append((type, row, nil))
        changed.insert(type)
        return true
    }

    /// Flips one bit of a row's content, as a failing disk does.
    package func flipBit(of type: String, in range: TimeRange) {
        guard let row = rows(of: type, in: range).first else { return }
        for index in row.bytes.indices.reversed() {
            var bytes = row.bytes
            bytes[index] ^= 1
            guard let flipped = parse(bytes, of: type), flipped.key == row.key, flipped.content != row.content else {
                continue
            }
            tables[type]?.remove(row)
            _ = tables[type]?.insert(flipped)
            damage.append((type, row, flipped))
            changed.insert(type)
            return
        }
    }

    private func parse(_ bytes: [UInt8], of type: String) -> MemoryRow? {
        do { return try readers[type]?.rows(bytes).first } catch { return nil }
    }

    var isDamaged: Bool { !damage.isEmpty }

    /// Puts everything back as it was before the damage.
    package func mend() {
        if halted?.state == .mismatched { halted = nil }
        for (type, row, instead) in damage {
            if let instead { tables[type]?.remove(instead) }
            _ = tables[type]?.insert(row)
            changed.insert(type)
        }
        damage = []
    }

    // MARK: What an audit reads

    package func takeChanges() -> Set<String> {
        defer { changed = [] }
        return changed
    }

    /// Fills in what cold knows about a type.
    package func describe(_ evidence: inout Evidence) {
        let type = evidence.type
        evidence.cold = tables[type]?.marks ?? RowSet()
        evidence.conflicts = (conflicts[type] ?? [:]).mapValues { Set($0.keys) }
        evidence.expired = expired[type] ?? [:]
        evidence.expiries = expiries[type] ?? []
        evidence.manifests = Set(
            manifests.lazy.filter { $0.type == type }
                .map { Evidence.Proof(number: $0.number, range: $0.range, sha256: $0.sha256) }
        )
    }
}

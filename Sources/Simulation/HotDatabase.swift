import Digest
import Platform
package import Records
package import Tiering

/// A hot database in memory: tables, positions, activity, quarantine, gaps, prune log and fence.
///
/// Each method is one transaction, as `PostgresLane` and `PostgresSource` make it.
package actor HotDatabase {
    /// Guards that a test takes away to see that the invariants notice.
    package struct Flaws: OptionSet, Sendable {
        package let rawValue: Int
        package init(rawValue: Int) { self.rawValue = rawValue }
        /// A lane may write whoever claimed it since.
        package static let ignoresLaneFence = Flaws(rawValue: 1)
        /// The position is written in a transaction of its own, before the rows.
        package static let movesPositionFirst = Flaws(rawValue: 2)
        /// A prune deletes whatever the range holds.
        package static let prunesUnproved = Flaws(rawValue: 4)
        /// An archiver may work under a token that is past.
        package static let ignoresArchiveFence = Flaws(rawValue: 8)
        /// A key that comes with other content counts as a repeat.
        package static let forgetsConflicts = Flaws(rawValue: 16)
    }

    private struct Lane {
        var position = Position()
        var newestEvent: Timestamp?
        var owner: String?
        var session = 0
        var seenAt = Timestamp(micros: 0)
    }
    struct Bucket: Hashable {
        var type: String
        var start: Timestamp
        var writer: String
    }
    struct Activity {
        var rows = 0
        /// Nil for what only prunes wrote.
        var stamp: String?
    }
    private struct MessageKey: Hashable {
        let stream: String
        let sequence: UInt64
        let time: Timestamp
    }
    struct Prune: Sendable {
        let record: PruneRecord
        let rows: Int
    }

    nonisolated let clock: ManualClock
    let bucketMicros: Int64
    let flaws: Flaws
    private let takeover: Duration
    private let readers: [String: MemoryRowReader]

    private var lanes: [SourceID: Lane] = [:]
    private var sessions: Set<Int> = []
    private var lastSession = 0
    var tables: [String: MemoryTable] = [:]
    var activity: [Bucket: Activity] = [:]
    private var stamps = 0
    private var quarantine: [MessageKey: (type: String, message: QuarantinedMessage)] = [:]
    private(set) var quarantinedByType: [String: Set<String>] = [:]
    package private(set) var gaps: [(source: SourceID, gap: Gap)] = []
    var prunes: [Prune] = []
    private(set) var fence: Int64 = 0
    /// How long an archiver finds that a transaction takes.
    private(set) var commitLatency = Duration.zero
    private var archiveSessions: [Int: Int64] = [:]
    /// Rows that prunes deleted, by type.
    var deleted: [String: [(identity: String, content: Digest128)]] = [:]
    /// Types whose rows changed since somebody asked.
    var changed: Set<String> = []
    /// Whether ending a session really ends it: behind a pool of connections it may live on.
    private var endsSessions = true

    package init(
        catalog: Catalog,
        clock: ManualClock,
        bucketMicros: Int64,
        takeover: Duration = .seconds(15),
        flaws: Flaws = []
    ) {
        self.clock = clock
        self.bucketMicros = bucketMicros
        self.takeover = takeover
        self.flaws = flaws
        readers = Dictionary(catalog.types.map { ($0.name, MemoryRowReader(type: $0)) }) { $1 }
    }

    package func setCommitLatency(_ latency: Duration) { commitLatency = latency }

    // MARK: Sessions

    func connect() -> Int {
        lastSession += 1
        sessions.insert(lastSession)
        return lastSession
    }

    func disconnect(_ session: Int) {
        sessions.remove(session)
        archiveSessions[session] = nil
    }

    package func setEndsSessions(_ ends: Bool) { endsSessions = ends }

    private func end(_ session: Int) { if endsSessions { sessions.remove(session) } }

    private func checkSession(_ session: Int, _ operation: String) throws(StoreError) {
        guard sessions.contains(session) else {
            throw StoreError(.unreachable, .retry, tier: "hot", operation: operation, detail: "the session was ended")
        }
    }

    // MARK: Lanes

    func claim(_ source: SourceID, session: Int, previous: String?) -> (held: String?, owner: String, Position) {
        var lane = lanes[source] ?? Lane()
        let age = lane.seenAt.micros...max(lane.seenAt.micros, lane.seenAt.micros + takeover.micros - 1)
        let isLive = sessions.contains(lane.session) && age.contains(clock.timestamp.micros)
        if let owner = lane.owner, owner != previous, isLive { return (owner, "", lane.position) }
        end(lane.session)
        lane.owner = "owner-\(session)"
        lane.session = session
        lane.seenAt = clock.timestamp
        lanes[source] = lane
        return (nil, "owner-\(session)", lane.position)
    }

    func touch(_ source: SourceID, _ session: Int, _ owner: String, consumer: String?) throws(StoreError) -> Bool {
        try checkSession(session, "touch")
        guard lanes[source]?.owner == owner else { return false }
        lanes[source]?.seenAt = clock.timestamp
        if let consumer { lanes[source]?.position.consumer = consumer }
        return true
    }

    func startEpoch(
        _ source: SourceID,
        _ session: Int,
        _ owner: String,
        _ position: Position,
        gap: Gap?
    ) throws(StoreError) -> Bool {
        try checkSession(session, "start epoch")
        guard var lane = lanes[source], lane.owner == owner, lane.position.epoch < position.epoch else { return false }
        let consumer = lane.position.consumer
        lane.position = position
        lane.position.consumer = consumer
        lane.seenAt = clock.timestamp
        lanes[source] = lane
        if let gap { gaps.append((source, gap)) }
        return true
    }

    func commit(
        _ batch: LaneBatch,
        to source: SourceID,
        type: RecordType,
        _ session: Int,
        _ owner: String
    ) throws(StoreError) -> CommitOutcome {
        try checkSession(session, "commit")
        guard var lane = lanes[source] else { return .lost(owner: "nobody") }
        let isOurs = lane.owner == owner || flaws.contains(.ignoresLaneFence)
        guard isOurs else { return .lost(owner: lane.owner ?? "nobody") }
        let isThere = lane.position.epoch == batch.epoch && lane.position.sequence == batch.from
        guard isThere || flaws.contains(.ignoresLaneFence) else { return .positionMoved }
        lane.position.sequence = batch.to
        lane.position.messageTime = batch.messageTime
        if let newest = batch.newestEvent { lane.newestEvent = max(lane.newestEvent ?? newest, newest) }
        lane.seenAt = clock.timestamp
        lanes[source] = lane
        gaps += batch.gaps.map { (source, $0) }
        let rejected = batch.quarantined.count
        let (stored, conflicts) = try append(batch.rows, of: type, writer: source.description)
        var batch = batch
        batch.takeOut(reason: "conflict") { conflicts.contains($0.sequence) ? ("the key has other content", nil) : nil }
        for message in batch.quarantined { keep(message, of: source, type) }
        return .committed(
            stored: stored,
            repeated: batch.repeated + batch.rows.count - stored,
            quarantined: batch.quarantined.count,
            conflicts: batch.quarantined.count - rejected
        )
    }

    /// What a lane does that moves its position in a transaction of its own.
    func movePosition(of source: SourceID, to batch: LaneBatch) {
        lanes[source]?.position.sequence = batch.to
        lanes[source]?.position.messageTime = batch.messageTime
    }

    private func keep(_ message: QuarantinedMessage, of source: SourceID, _ type: RecordType) {
        let key = MessageKey(stream: source.stream, sequence: message.sequence, time: message.time)
        guard quarantine[key] == nil else { return }
        quarantine[key] = (type.name, message)
        let identity = FeedMessage.quarantinedIdentity(
            subject: String(decoding: message.subject, as: UTF8.self),
            payload: message.payload
        )
        quarantinedByType[type.name, default: []].insert(identity)
        changed.insert(type.name)
    }

    /// Stores the rows whose key is new; answers with how many, and with the sequences of those that conflict.
    private func append(
        _ batch: RowBatch,
        of type: RecordType,
        writer: String
    ) throws(StoreError) -> (stored: Int, conflicts: Set<UInt64>) {
        let rows = try read(batch.copyBytes(), type)
        var stored: [Timestamp: Int] = [:]
        var conflicts: Set<UInt64> = []
        var table = tables.removeValue(forKey: type.name) ?? MemoryTable(bucketMicros: bucketMicros)
        for (row, place) in zip(rows, batch.rows) {
            if table.insert(row) {
                stored[table.bucket(of: row.ts), default: 0] += 1
            } else if table.row(row)?.content != row.content && !flaws.contains(.forgetsConflicts) {
                conflicts.insert(place.sequence)
            }
        }
        tables[type.name] = table
        for (start, rows) in stored.sorted(by: { $0.key < $1.key }) {
            stamps += 1
            let bucket = Bucket(type: type.name, start: start, writer: writer)
            let before = activity[bucket]?.rows ?? 0
            activity[bucket] = Activity(rows: before + rows, stamp: "stamp-\(stamps)")
        }
        if !stored.isEmpty { changed.insert(type.name) }
        return (stored.values.reduce(0, +), conflicts)
    }

    func read(_ bytes: [UInt8], _ type: RecordType) throws(StoreError) -> [MemoryRow] {
        guard let reader = readers[type.name] else {
            throw StoreError(.schema, .halt, tier: "hot", operation: "append", detail: "no table \(type.name)")
        }
        do {
            return try reader.rows(bytes)
        } catch {
            throw StoreError(.corrupt, .halt, tier: "hot", operation: "append", detail: "\(error)")
        }
    }

    // MARK: The archiver's fence

    func raiseFence(_ token: Int64) {
        for (session, other) in archiveSessions where other < token {
            end(session)
            archiveSessions[session] = nil
        }
        fence = max(fence, token)
    }

    func recordArchiver(_ session: Int, _ token: Int64) throws(StoreError) {
        try checkFence(session, token, "record the session")
        archiveSessions[session] = token
    }

    func checkFence(_ session: Int, _ token: Int64, _ operation: String) throws(StoreError) {
        try checkSession(session, operation)
        guard fence == token || flaws.contains(.ignoresArchiveFence) else {
            throw StoreError(.fenced, .halt, tier: "hot", operation: operation, detail: "token \(token) is past")
        }
    }

    // MARK: What an audit reads

    package func position(of source: SourceID) -> Position? { lanes[source]?.position }

    func newestEvent() -> Timestamp? { lanes.values.compactMap(\.newestEvent).max() }

    /// Types whose rows, quarantine or prunes changed since this was asked last.
    package func takeChanges() -> Set<String> {
        defer { changed = [] }
        return changed
    }

    /// Fills in what hot knows about a type.
    package func describe(_ evidence: inout Evidence) {
        let type = evidence.type
        evidence.hot = tables[type]?.marks ?? RowSet()
        evidence.quarantined = quarantinedByType[type] ?? []
        evidence.deleted = deleted[type] ?? []
        evidence.prunes = prunes.filter { $0.record.type == type }.map {
            Evidence.Proof(number: $0.record.manifest, range: $0.record.range, sha256: $0.record.sha256)
        }
    }

    /// Takes away a row and tells nobody, as a user's DELETE or a failing disk does.
    package func loseRow(of type: String, in range: TimeRange) {
        if let row = tables[type]?.rows(in: range).first { tables[type]?.remove(row) }
        changed.insert(type)
    }

    package var quarantineCount: Int { quarantine.count }
}

import Digest
import Records
import Tiering

/// Every message that was published, and what became of it in its stream: what an audit compares the tiers with.
struct Publications: Sendable {
    struct Entry: Sendable {
        let source: SourceID
        let type: String
        let sequence: UInt64
        /// Which life of the stream it was published in.
        let life: Int
        let identity: String
        /// What quarantine would call it.
        let quarantined: String
        /// The stream lost it before it was stored; it must be listed as a gap that is newer than so many others.
        var goneAfterGaps: Int?
        /// It was lost where nobody could know of it: before the source was read for the first time, or above the
        /// position, by a stream that went back no further than there.
        var isForgotten = false
    }
    /// How far a source is known to be stored.
    private struct Progress {
        var epoch: Int64 = 0
        /// The life of the stream that the epoch began in.
        var life = 0
        var sequence: UInt64 = 0
        /// Entries before this one are settled or gone.
        var next = 0
    }

    private(set) var entries: [Entry] = []
    private var bySource: [SourceID: [Int]] = [:]
    private var progress: [SourceID: Progress] = [:]
    private var lives: [String: Int] = [:]
    private(set) var evidence: [String: Evidence] = [:]
    private let readers: [String: (RecordDecoder, MemoryRowReader)]

    init(catalog: Catalog) {
        var readers: [String: (RecordDecoder, MemoryRowReader)] = [:]
        for type in catalog.types {
            readers[type.name] = (RecordDecoder(type: type, catalog: catalog), MemoryRowReader(type: type))
            evidence[type.name] = Evidence(type: type.name)
        }
        self.readers = readers
    }

    /// Notes a message that the server stored.
    mutating func add(_ message: FeedMessage, stored: StreamServer.Message, source: SourceID) {
        let quarantined = FeedMessage.quarantinedIdentity(subject: message.subject, payload: message.payload)
        var (content, isPoison, identity) = (Digest128?.none, message.kind == .poison, message.identity)
        do {
            if !isPoison { content = try self.content(of: message, stored.time) }
        } catch let error as DecodeError where error.reason == .timeOutOfRange {
            // The stream's time, by a clock that is wrong, puts it too far into the future: that decides.
            (isPoison, identity) = (true, quarantined)
        } catch {}  // The feed calls it good: then the tiers will hold a row that nobody published so.
        bySource[source, default: []].append(entries.count)
        entries.append(
            Entry(
                source: source,
                type: message.type,
                sequence: stored.sequence,
                life: lives[source.stream, default: 0],
                identity: identity,
                quarantined: quarantined
            )
        )
        if isPoison {
            evidence[message.type]?.poison.insert(identity)
        } else if let content {
            evidence[message.type]?.published[identity, default: []].insert(content)
            evidence[message.type]?.messages[quarantined] = .init(identity: identity, digest: content)
        }
    }

    private func content(of message: FeedMessage, _ time: Timestamp) throws -> Digest128? {
        guard let (decoder, reader) = readers[message.type] else { return nil }
        var batch = RowBatch()
        let subject = Array(message.subject.utf8)
        let origin = MessageOrigin(sequence: 1, time: time, receivedAt: time)
        try decoder.decode(message.payload.span, subject: subject.span, origin: origin, into: &batch)
        return try reader.rows(batch.copyBytes()).first?.content
    }

    /// The position of a source as the hot tier has it now; `isCurrent` where the stream still holds its message.
    mutating func moved(_ source: SourceID, to position: Position, isCurrent: Bool) {
        var now = progress[source] ?? Progress()
        let current = lives[source.stream, default: 0]
        if position.epoch != now.epoch { now.life = current }
        now.epoch = position.epoch
        now.sequence = position.sequence
        let own = bySource[source] ?? []
        while now.next < own.count {
            let entry = entries[own[now.next]]
            if entry.goneAfterGaps == nil {
                guard entry.life <= (isCurrent ? current : now.life), entry.sequence <= position.sequence else { break }
                evidence[entry.type]?.settled.insert(entry.identity)
            }
            now.next += 1
        }
        progress[source] = now
    }

    /// A stream lost what it held below, or from, a sequence; from there on it then counts anew.
    mutating func lost(_ stream: String, _ sequences: ClosedRange<UInt64>, gaps: Int) {
        let wentBack = sequences.lowerBound > 0
        for (source, own) in bySource where source.stream == stream {
            let known = progress[source] ?? Progress()
            for index in own.dropFirst(known.next) where sequences.contains(entries[index].sequence) {
                guard entries[index].goneAfterGaps == nil else { continue }
                entries[index].goneAfterGaps = gaps
                entries[index].isForgotten = known.epoch == 0 || (wentBack && known.sequence < sequences.lowerBound)
            }
        }
        if sequences.upperBound == .max { lives[stream, default: 0] += 1 }
    }

    /// Identities that may be missing, because the stream lost them and a gap says so.
    func excused(by gaps: [(source: SourceID, gap: Gap)]) -> Set<String> {
        var excused: Set<String> = []
        for entry in entries {
            guard let since = entry.goneAfterGaps else { continue }
            let isListed = gaps.dropFirst(since).contains { $0.source == entry.source && Self.covers($0.gap, entry) }
            if entry.isForgotten || isListed { excused.insert(entry.identity) }
        }
        return excused
    }

    private static func covers(_ gap: Gap, _ entry: Entry) -> Bool {
        guard gap.cause == .discarded || gap.cause == .purged else { return true }
        return (gap.firstSequence ?? 0) <= entry.sequence && entry.sequence <= (gap.lastSequence ?? .max)
    }
}

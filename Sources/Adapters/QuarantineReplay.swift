import Platform
package import Postgres
package import Records
package import Tiering

/// Stores messages kept aside that fit now: decoded with today's code and configuration, under their natural key.
///
/// Each chunk is one transaction: it locks its messages, stores what fits, counts that under the writer `replay`,
/// deletes what was stored or is an exact repeat, and says anew why the rest stays. Ended anywhere, it changed nothing
/// or all of a chunk; run again, it finds only what stayed. A lane's position is never touched.
package struct QuarantineReplay: Sendable {
    package static let writer = "replay"

    /// What became of the messages that were looked at.
    package struct Outcome: Sendable, Equatable {
        package var stored = 0
        package var repeated = 0
        /// Those that stay, by the reason they have now.
        package var staying: [String: Int] = [:]
        /// Subjects of no type of the catalogue, with how many messages; left as they are.
        package var unknown: [String: Int] = [:]
        /// Messages that another session is replaying or dropping.
        package var busy = 0

        package init() {}
    }

    private struct Refusal {
        let reason: String
        let detail: String
        var sqlState: String?
    }

    private let catalog: Catalog
    private let connection: PostgresConnection
    private let settings: HotSettings
    private let decoders: [String: RecordDecoder]
    private let isDryRun: Bool
    private let now: Timestamp

    package init(
        catalog: Catalog,
        connection: PostgresConnection,
        settings: HotSettings,
        decoder: (RecordType) -> RecordDecoder,
        isDryRun: Bool = false,
        now: Timestamp
    ) {
        self.catalog = catalog
        self.connection = connection
        self.settings = settings
        decoders = Dictionary(uniqueKeysWithValues: catalog.types.map { ($0.name, decoder($0)) })
        self.isDryRun = isDryRun
        self.now = now
    }

    /// Replays what the filter selects, at most `limit` messages, in the order of stream and sequence.
    package func run(_ filter: QuarantineFilter, limit: Int = .max) async throws(StoreError) -> Outcome {
        let call = HotCall(connection, "read the quarantine")
        var outcome = Outcome()
        var last: [String?] = [nil, nil, nil]
        var left = limit
        while left > 0 {
            let page = ["\(min(left, Self.chunkMessages))"]
            let rows = try await call.execute(
                HotSQL.pageQuarantine,
                filter.parameters(catalog) + last + page
            ).rows
            let messages = rows.compactMap(AsideMessage.init)
            guard let end = messages.last else { break }
            for chunk in chunks(of: messages, &outcome) { try await replay(chunk.messages, chunk.type, &outcome) }
            last = [end.stream, "\(end.sequence)", end.time.description]
            left -= messages.count
        }
        if !isDryRun && outcome.stored + outcome.repeated > 0 { try await call.execute(HotSQL.vacuumQuarantine) }
        return outcome
    }

    /// 500 messages and 8 MiB: a transaction that holds no lane up for long.
    private static let chunkMessages = 500
    private static let chunkBytes = 8 << 20

    /// Messages of one stream and type, no sequence twice; what has no type is noted and left.
    private func chunks(
        of messages: [AsideMessage],
        _ outcome: inout Outcome
    ) -> [(messages: [AsideMessage], type: RecordType)] {
        var chunks: [(messages: [AsideMessage], type: RecordType)] = []
        var bytes = 0
        for message in messages {
            guard let type = message.type(in: catalog) else {
                outcome.unknown[message.subject, default: 0] += 1
                continue
            }
            bytes += message.payloadBytes
            if let last = chunks.last?.messages.last, chunks.last?.type == type, last.stream == message.stream,
                last.sequence < message.sequence, bytes <= Self.chunkBytes
            {
                chunks[chunks.count - 1].messages.append(message)
            } else {
                chunks.append(([message], type))
                bytes = message.payloadBytes
            }
        }
        return chunks
    }

    private func replay(
        _ messages: [AsideMessage],
        _ type: RecordType,
        _ outcome: inout Outcome
    ) async throws(StoreError) {
        let call = HotCall(connection, "replay \(type.name)")
        var (rows, refused) = try await decode(messages, type, call)
        var keeper = PartitionKeeper(type: type, tier: "hot", limit: settings.maxPartitions)
        let absent = try await makePlace(for: &rows, &refused, type, &keeper)
        var isBisected = false
        // The second attempt may meet a partition that was taken away, the third stands on solid ground.
        for attempt in 1... {
            do throws(StoreError) {
                let done = try await store(messages, rows, refused, type, call)
                outcome.add(done, absent)
                return
            } catch {
                guard attempt < 4 else { throw error }
                if error.isMissingPartition {
                    keeper.forget()
                    _ = try await makePlace(for: &rows, &refused, type, &keeper)
                } else if error.disposition == .reject, !isBisected {
                    isBisected = true
                    let search = RejectedRows(type: type, connection: connection, limit: nil)
                    for reject in try await search.find(in: rows) {
                        refused[reject.row.sequence] = Refusal(
                            reason: "rejected",
                            detail: reject.error.detail,
                            sqlState: reject.error.sqlState
                        )
                    }
                    _ = rows.remove { refused[$0.sequence] != nil }
                } else if error.sqlState?.hasPrefix("40") != true {
                    throw error
                }
            }
        }
    }

    private func decode(
        _ messages: [AsideMessage],
        _ type: RecordType,
        _ call: HotCall
    ) async throws(StoreError) -> (RowBatch, [UInt64: Refusal]) {
        let found = try await call.execute(HotSQL.readQuarantine, Self.names(messages))
        var payloads: [UInt64: [UInt8]] = [:]
        for row in found.rows {
            if let sequence = row[0].flatMap(UInt64.init) { payloads[sequence] = ByteText.bytes(row[1] ?? "") }
        }
        var rows = RowBatch()
        var refused: [UInt64: Refusal] = [:]
        for message in messages {
            guard let payload = payloads[message.sequence], let decoder = decoders[type.name] else { continue }
            let origin = MessageOrigin(sequence: message.sequence, time: message.time, receivedAt: now)
            let subject = Array(message.subject.utf8)
            do throws(DecodeError) {
                try decoder.decode(payload.span, subject: subject.span, origin: origin, into: &rows)
            } catch {
                refused[message.sequence] = Refusal(reason: error.reason.rawValue, detail: error.detail)
            }
        }
        return (rows, refused)
    }

    /// Makes the partitions that the rows need, or in a dry run takes out those that would be stored in new ones.
    private func makePlace(
        for rows: inout RowBatch,
        _ refused: inout [UInt64: Refusal],
        _ type: RecordType,
        _ keeper: inout PartitionKeeper
    ) async throws(StoreError) -> Set<UInt64> {
        let needed = Set(rows.rows.map { Partition(of: type, containing: $0.ts) })
        let (missing, beyond) = try await keeper.plan(needed, at: now, on: connection)
        if !isDryRun { _ = try await keeper.ensure(needed, at: now, on: connection) }
        for row in rows.remove(where: { row in beyond.contains { $0.range.contains(row.ts) } }) {
            let detail = "\(type.name) has \(keeper.limit) partitions, as many as hot.max_partitions allows"
            refused[row.sequence] = Refusal(reason: "no_partition", detail: detail)
        }
        guard isDryRun else { return [] }
        return Set(rows.remove { row in missing.contains { $0.range.contains(row.ts) } }.map(\.sequence))
    }

    /// What became of the messages of one chunk.
    fileprivate struct Done: Sendable {
        var stored = 0
        var repeated = 0
        var staying: [String] = []
        var busy: Set<UInt64> = []
    }

    private func store(
        _ messages: [AsideMessage],
        _ rows: RowBatch,
        _ refused: [UInt64: Refusal],
        _ type: RecordType,
        _ call: HotCall
    ) async throws(StoreError) -> Done {
        var done = Done()
        _ = try await call.transaction { () throws(StoreError) -> Bool? in
            var (rows, refused) = (rows, refused)
            let locked = try await call.execute(HotSQL.lockQuarantine, Self.names(messages)).rows
            let ours = Set(locked.compactMap { $0[0].flatMap(UInt64.init) })
            _ = rows.remove { !ours.contains($0.sequence) }
            let store = RowStore(type: type, call: call)
            let kept = type.dedupe == .key ? try await store.merge(rows) : try await store.copy(rows)
            for (sequence, detail) in kept.conflicts {
                refused[sequence] = Refusal(reason: "conflict", detail: detail)
            }
            let settled = Set(rows.rows.map(\.sequence)).subtracting(kept.conflicts.keys)
            try await release(messages.filter { settled.contains($0.sequence) }, call)
            let staying = messages.filter { ours.contains($0.sequence) && refused[$0.sequence] != nil }
            try await explain(staying, refused, call)
            try await store.addActivity(kept.stored, writer: Self.writer, bucketMicros: settings.bucketMicros)
            done = Done(
                stored: kept.stored.count,
                repeated: settled.count - kept.stored.count,
                staying: staying.compactMap { refused[$0.sequence]?.reason },
                busy: Set(messages.map(\.sequence)).subtracting(ours)
            )
            return isDryRun ? nil : true
        }
        return done
    }

    private func release(_ messages: [AsideMessage], _ call: HotCall) async throws(StoreError) {
        guard !messages.isEmpty else { return }
        let deleted = try await call.execute(HotSQL.releaseQuarantine, Self.names(messages)).affected
        guard deleted == messages.count else {
            throw call.halt("\(deleted) messages left the quarantine, expected \(messages.count)", .corrupt)
        }
    }

    private func explain(
        _ messages: [AsideMessage],
        _ refused: [UInt64: Refusal],
        _ call: HotCall
    ) async throws(StoreError) {
        guard !messages.isEmpty else { return }
        let reasons = messages.map { refused[$0.sequence] }
        let columns = [
            reasons.map { $0?.reason }, reasons.map { $0.map { printable(Array($0.detail.utf8)) } },
            reasons.map { $0?.sqlState },
        ]
        try await call.execute(HotSQL.explainQuarantine, Self.names(messages) + columns.map { SQLText.array($0) })
    }

    private static func names(_ messages: [AsideMessage]) -> [String?] {
        [
            messages.first?.stream, SQLText.array(messages.map { "\($0.sequence)" }),
            SQLText.array(messages.map(\.time.description)),
        ]
    }
}

extension QuarantineReplay.Outcome {
    fileprivate mutating func add(_ done: QuarantineReplay.Done, _ absent: Set<UInt64>) {
        let placed = absent.subtracting(done.busy).count
        stored += done.stored + placed
        repeated += done.repeated
        for reason in done.staying { staying[reason, default: 0] += 1 }
        busy += done.busy.count
    }
}

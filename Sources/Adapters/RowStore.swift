import Postgres
import Records
import Tiering

/// Puts rows of one type into their hot table, inside the caller's transaction, and tells what became of each.
struct RowStore {
    let type: RecordType
    let call: HotCall

    /// A row that was neither stored nor is a repeat has the key of a stored one and other content.
    struct Outcome {
        /// Event times of the rows that went in.
        var stored: [Timestamp] = []
        /// Why each other row is no repeat, by its sequence.
        var conflicts: [UInt64: String] = [:]
    }

    /// Stores all rows by one COPY or throws 23505 on a key that is there.
    func copy(_ rows: RowBatch) async throws(StoreError) -> Outcome {
        guard !rows.isEmpty else { return Outcome() }
        let count = try await call.copy(HotSQL.copy(type), rows.copyBytes())
        guard count == rows.count else { throw swallowed(rows.count - count) }
        return Outcome(stored: rows.rows.map(\.ts))
    }

    /// Stores the rows whose key is new, the first of each in the order of the stream.
    func merge(_ rows: RowBatch) async throws(StoreError) -> Outcome {
        guard let first = rows.rows.map(\.ts).min(), let last = rows.rows.map(\.ts).max() else { return Outcome() }
        try await stage(rows.copyBytes())
        var left = Dictionary(uniqueKeysWithValues: rows.rows.map { ($0.sequence, $0.ts) })
        var outcome = Outcome()
        // A row whose key kept it out may be pruned before it is compared: then its place is free, and it goes in.
        for _ in 0..<3 {
            for row in try await call.execute(HotSQL.appendStaging(type)).rows {
                guard let sequence = row[0].flatMap(UInt64.init) else { continue }
                if let ts = left.removeValue(forKey: sequence) { outcome.stored.append(ts) }
            }
            if left.isEmpty { return outcome }
            let sequences = SQLText.array(left.keys.map { "\($0)" })
            let found = try await call.execute(
                HotSQL.compareStaging(type),
                [sequences, first.description, last.description]
            )
            outcome.conflicts = [:]
            for row in found.rows where row[2] != nil {
                guard let sequence = row[0].flatMap(UInt64.init) else { continue }
                outcome.conflicts[sequence] =
                    "differs in \(row[4] ?? "content") from what was first stored under its key, by stream_seq "
                    + "\(row[1] ?? "unknown"): \(row[3] ?? "")"
            }
            if found.rows.allSatisfy({ $0[2] != nil }) { return outcome }
        }
        throw swallowed(left.count - outcome.conflicts.count)
    }

    /// Fills the session's staging table, whose rows live as long as the transaction.
    func stage(_ rows: [UInt8]) async throws(StoreError) {
        try await call.execute(HotSQL.makeStaging(type))
        _ = try await call.copy(HotSQL.copyToStaging(type), rows)
    }

    private func swallowed(_ count: Int) -> StoreError {
        call.halt(
            "\(count) rows were neither stored nor refused: a trigger or rule on \(TierSQL.table(type)) keeps them "
                + "back. Let it raise an error for what must not be stored, and the message goes to quarantine; the "
                + "lane goes on by itself"
        )
    }

    /// Counts what was stored, by bucket, under `writer`; the last thing before COMMIT.
    func addActivity(_ stored: [Timestamp], writer: String, bucketMicros: Int64) async throws(StoreError) {
        guard !stored.isEmpty else { return }
        var buckets: [Timestamp: (rows: Int, min: Timestamp, max: Timestamp)] = [:]
        for ts in stored {
            let bucket = TimeRange(containing: ts, width: bucketMicros).start
            let seen = buckets[bucket] ?? (0, ts, ts)
            buckets[bucket] = (seen.rows + 1, min(seen.min, ts), max(seen.max, ts))
        }
        let sorted = buckets.sorted { $0.key < $1.key }
        let arrays = [
            sorted.map { $0.key.description }, sorted.map { "\($0.value.rows)" },
            sorted.map { $0.value.min.description }, sorted.map { $0.value.max.description },
        ]
        try await call.execute(HotSQL.addActivity, [type.name, writer] + arrays.map { SQLText.array($0) })
    }
}

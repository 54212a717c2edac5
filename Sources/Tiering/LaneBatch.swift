package import Records

/// What one transaction of a lane makes true: rows, quarantine and gap stored, the position moved from `from` to `to`.
package struct LaneBatch: Sendable {
    package var epoch: Int64
    package var from: UInt64
    package var to: UInt64
    package var messageTime: Timestamp?
    /// Newest event time of a row that is not later than its own stream time: the data's clock.
    package var newestEvent: Timestamp?
    package var rows: RowBatch
    /// Rows dropped because an earlier one of this batch has their key and content.
    package var repeated: Int
    package var quarantined: [QuarantinedMessage]
    package var gaps: [Gap]
    /// The messages themselves, kept until the commit: a row that the database refuses goes whole to quarantine.
    package var messages: [MessageBatch]
    package var received: Int
    package var bytes: Int
    /// What the memory budget was charged for it.
    package var held = 0

    package init(epoch: Int64, from: UInt64) {
        self.epoch = epoch
        self.from = from
        to = from
        rows = RowBatch()
        repeated = 0
        quarantined = []
        gaps = []
        messages = []
        received = 0
        bytes = 0
    }

    /// What it holds in memory, with what will be made of it to be sent.
    package var memoryBytes: Int {
        // What is kept aside is sent as hexadecimal text in an array: digits, array, C string, libpq's growing buffer.
        let aside = quarantined.reduce(0) { $0 + $1.payload.count + $1.headers.count + $1.subject.count }
        return messages.reduce(rows.memoryBytes + 10 * aside) { $0 + $1.memoryBytes }
    }

    package var isEmpty: Bool { received == 0 && to == from && gaps.isEmpty }

    /// The batch in two, the earlier messages in the first; nil of one that has no two.
    ///
    /// Each may be committed by itself, in this order. Repeats count with the first.
    package var halves: (first: LaneBatch, rest: LaneBatch)? {
        // A half holds all the messages, for both may have to keep some aside.
        let entries = messages.flatMap(\.entries).filter { from < $0.streamSequence && $0.streamSequence <= to }
        guard entries.count > 1 else { return nil }
        let last = entries[entries.count / 2 - 1]
        let end = last.streamSequence
        var (first, rest) = (self, self)
        (first.to, first.messageTime, first.newestEvent) = (end, last.time, nil)
        (rest.from, rest.repeated) = (end, 0)
        _ = first.rows.remove { $0.sequence > end }
        _ = rest.rows.remove { $0.sequence <= end }
        first.quarantined.removeAll { $0.sequence > end }
        rest.quarantined.removeAll { $0.sequence <= end }
        first.gaps.removeAll { $0.firstSequence ?? 0 > end }
        rest.gaps.removeAll { $0.firstSequence ?? 0 <= end }
        return (first, rest)
    }

    /// Moves rows out of the batch and their messages, whole, to quarantine: with them every repeat that was dropped in
    /// their favour, for it says the same.
    ///
    /// - Parameters:
    ///   - reason: why, by a stable name.
    ///   - verdict: nil for a row that stays, else the detail and, where there is one, the SQLSTATE.
    package mutating func takeOut(
        reason: String,
        verdict: (RowBatch.Row) -> (detail: String, sqlState: String?)?
    ) {
        for row in rows.remove(where: { verdict($0) != nil }) {
            guard let (detail, sqlState) = verdict(row) else { continue }
            let repeats = rows.repeats(of: row)
            repeated -= repeats.count
            quarantined += ([row.sequence] + repeats).compactMap {
                quarantine($0, reason: reason, detail: detail, sqlState: sqlState)
            }
        }
    }

    /// The message at `sequence` as it goes to quarantine; nil where this batch does not hold it.
    package func quarantine(
        _ sequence: UInt64,
        reason: String,
        detail: String,
        sqlState: String? = nil
    ) -> QuarantinedMessage? {
        for chunk in messages {
            guard let last = chunk.entries.last, last.streamSequence >= sequence else { continue }
            // They rise, and where every message of a batch is kept aside each of them is looked for.
            var (low, high) = (0, chunk.entries.count - 1)
            while low < high {
                let middle = (low + high) / 2
                if chunk.entries[middle].streamSequence < sequence { low = middle + 1 } else { high = middle }
            }
            let entry = chunk.entries[low]
            guard entry.streamSequence == sequence else { return nil }
            return QuarantinedMessage(entry, of: chunk.bytes, reason: reason, detail: detail, sqlState: sqlState)
        }
        return nil
    }

    /// Decodes a message into a row, or keeps it aside with the reason.
    package mutating func add(
        _ entry: MessageBatch.Entry,
        of bytes: [UInt8],
        receivedAt: Timestamp,
        by decoder: RecordDecoder
    ) {
        let span = bytes.span
        do throws(DecodeError) {
            let count = rows.count
            try decoder.decode(
                span.extracting(entry.payload),
                subject: span.extracting(entry.subject),
                origin: MessageOrigin(sequence: entry.streamSequence, time: entry.time, receivedAt: receivedAt),
                into: &rows
            )
            let ts = rows.rows[count].ts
            if ts <= entry.time { newestEvent = max(newestEvent ?? ts, ts) }
        } catch {
            let (reason, detail) = (error.reason.rawValue, error.detail)
            quarantined.append(QuarantinedMessage(entry, of: bytes, reason: reason, detail: detail))
        }
        to = entry.streamSequence
        messageTime = entry.time
        received += 1
        self.bytes += entry.subject.count + entry.headers.count + entry.payload.count
    }
}

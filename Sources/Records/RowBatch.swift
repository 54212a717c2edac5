/// Rows of one record type, in arrival order until sorted, as whole COPY BINARY tuples in one buffer.
package struct RowBatch: Sendable {
    /// One row of the batch: where its tuple and its natural key stand.
    package struct Row: Sendable {
        /// Event time.
        package let ts: Timestamp
        /// Stream sequence of the message it came from.
        package let sequence: UInt64
        /// Where the tuple begins in `bytes`.
        package let start: Int
        package let length: Int
        let keyStart: Int
        let keyLength: Int
    }

    /// Whole tuples in arrival order, repeats included.
    package private(set) var bytes: [UInt8] = []
    /// The rows in order: of arrival, or of the natural key once sorted.
    package private(set) var rows: [Row] = []
    /// Sequences of the repeats that were dropped, by the sequence of the row that was kept.
    private var repeats: [UInt64: [UInt64]] = [:]
    private var keys: [UInt8] = []
    private var isInByteOrder = true
    /// Working memory of the decoder, kept so that a message costs no allocation.
    var scratch = DecodeScratch()

    package init() {}

    package var count: Int { rows.count }
    package var isEmpty: Bool { rows.isEmpty }

    /// What it holds in memory, with the sorted copy that is sent.
    package var memoryBytes: Int {
        2 * bytes.capacity + keys.capacity + rows.capacity * MemoryLayout<Row>.stride
    }

    /// Appends the tuple that stands in the scratch, with the key that stands there.
    mutating func appendScratch(ts: Timestamp, sequence: UInt64) {
        rows.append(
            Row(
                ts: ts,
                sequence: sequence,
                start: bytes.count,
                length: scratch.row.count,
                keyStart: keys.count,
                keyLength: scratch.key.count
            )
        )
        bytes.append(contentsOf: scratch.row.storage[..<scratch.row.count])
        keys.append(contentsOf: scratch.key.storage[..<scratch.key.count])
    }

    /// Keeps the first of rows with an equal natural key, sorts the rest by key (ts first); returns how many it
    /// dropped.
    package mutating func deduplicateAndSort() -> Int {
        let keys = self.keys
        rows.sort { a, b in
            if a.ts != b.ts { return a.ts < b.ts }
            let order = Self.compare(keys.span, a, b)
            return order == 0 ? a.start < b.start : order < 0
        }
        var kept = 0
        for index in rows.indices {
            if kept > 0, rows[kept - 1].ts == rows[index].ts, Self.compare(keys.span, rows[kept - 1], rows[index]) == 0
            {
                repeats[rows[kept - 1].sequence, default: []].append(rows[index].sequence)
                continue
            }
            rows[kept] = rows[index]
            kept += 1
        }
        let dropped = rows.count - kept
        rows.removeLast(dropped)
        isInByteOrder = false
        return dropped
    }

    /// Sequences of the rows that were dropped because `row` came first under their key.
    package func repeats(of row: Row) -> [UInt64] { repeats[row.sequence] ?? [] }

    /// Takes out the rows that `isOut` says, and returns them; their bytes stay behind in `bytes`.
    package mutating func remove(where isOut: (Row) -> Bool) -> [Row] {
        let out = rows.filter(isOut)
        guard !out.isEmpty else { return [] }
        rows.removeAll(where: isOut)
        isInByteOrder = false
        return out
    }

    /// The tuples in row order, ready for COPY.
    package func copyBytes() -> [UInt8] { isInByteOrder ? bytes : copyBytes(rows.indices) }

    /// The tuples of some of the rows, in row order: the halves of a bisected batch.
    package func copyBytes(_ range: Range<Int>) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(rows[range].reduce(0) { $0 + $1.length })
        for row in rows[range] { out.append(contentsOf: bytes[row.start..<row.start + row.length]) }
        return out
    }

    /// The canonical natural key of a row: equal bytes are an equal key, and `ts` sorts first.
    package func key(of row: Row) -> [UInt8] { Array(keys[row.keyStart..<row.keyStart + row.keyLength]) }

    /// Empties the batch and keeps its memory.
    package mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        rows.removeAll(keepingCapacity: true)
        keys.removeAll(keepingCapacity: true)
        repeats.removeAll(keepingCapacity: true)
        isInByteOrder = true
    }

    private static func compare(_ keys: Span<UInt8>, _ a: Row, _ b: Row) -> Int {
        for offset in 0..<min(a.keyLength, b.keyLength) {
            let x = keys[a.keyStart + offset]
            let y = keys[b.keyStart + offset]
            if x != y { return x < y ? -1 : 1 }
        }
        return a.keyLength - b.keyLength
    }
}

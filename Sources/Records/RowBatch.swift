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
    /// Whether rows of one key and other content stand side by side: only the table can say which of them stays.
    package private(set) var hasContestedKeys = false
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

    /// Sorts by natural key (ts first) and drops the rows that repeat the first of their key; returns how many.
    ///
    /// A repeat is equal in content. Rows of one key and other content stay side by side, in arrival order. A type that
    /// is deduplicated by position is left as it came.
    package mutating func deduplicateAndSort(as type: RecordType) -> Int {
        guard type.dedupe == .key else { return 0 }
        let keys = self.keys
        var isSorted = true
        // Most batches arrive by time: then only rows of one instant are put in order.
        var start = 0
        for end in rows.indices.dropFirst() where rows[end].ts != rows[start].ts {
            guard rows[start].ts < rows[end].ts else {
                (isSorted, start) = (false, 0)
                break
            }
            isSorted = sort(start..<end, keys) && isSorted
            start = end
        }
        isSorted = sort(start..<rows.count, keys) && isSorted
        return isSorted ? 0 : dropRepeats(keys.span, RowIdentity(type: type))
    }

    /// Sorts a part of the rows; true where it was in order, and no key twice.
    private mutating func sort(_ range: Range<Int>, _ keys: [UInt8]) -> Bool {
        let isAscending = range.dropFirst().allSatisfy { Self.compare(keys.span, rows[$0 - 1], rows[$0]) < 0 }
        if isAscending { return true }
        isInByteOrder = false
        // Places are moved and not rows: a third of the bytes, and hardly ever more to compare than a time.
        let arrived = Array(rows[range])
        var places = arrived.indices.map { Place(ts: arrived[$0].ts, index: $0) }
        places.sort { a, b in
            if a.ts != b.ts { return a.ts < b.ts }
            let order = Self.compare(keys.span, arrived[a.index], arrived[b.index])
            return order == 0 ? a.index < b.index : order < 0
        }
        rows.replaceSubrange(range, with: places.lazy.map { arrived[$0.index] })
        return false
    }

    /// Where a row stood before the batch was sorted.
    private struct Place {
        let ts: Timestamp
        let index: Int
    }

    private mutating func dropRepeats(_ keys: Span<UInt8>, _ identity: RowIdentity) -> Int {
        var kept = 0
        var first = 0
        for index in rows.indices {
            let row = rows[index]
            if kept > 0, Self.compare(keys, rows[first], row) == 0 {
                if isRepeat(row, of: rows[first], identity) {
                    repeats[rows[first].sequence, default: []].append(row.sequence)
                    continue
                }
                hasContestedKeys = true
            } else {
                first = kept
            }
            rows[kept] = row
            kept += 1
        }
        let dropped = rows.count - kept
        rows.removeLast(dropped)
        return dropped
    }

    private func isRepeat(_ row: Row, of first: Row, _ identity: RowIdentity) -> Bool {
        let (a, b) = (first.start..<first.start + first.length, row.start..<row.start + row.length)
        do throws(CopyRowError) {
            return try identity.differences(a, b, in: bytes.span).isEmpty
        } catch {
            // Nothing that we write; what cannot be compared stays, and the table tells.
            return false
        }
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
        hasContestedKeys = false
        isInByteOrder = true
    }

    private static func compare(_ keys: Span<UInt8>, _ a: Row, _ b: Row) -> Int {
        if a.ts != b.ts { return a.ts < b.ts ? -1 : 1 }
        for offset in 0..<min(a.keyLength, b.keyLength) {
            let x = keys[a.keyStart + offset]
            let y = keys[b.keyStart + offset]
            if x != y { return x < y ? -1 : 1 }
        }
        return a.keyLength - b.keyLength
    }
}

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

        var keyRange: Range<Int> { keyStart..<keyStart + keyLength }
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
        orderByTime()
        var isUnique = true
        var start = 0
        for end in rows.indices.dropFirst() where rows[end].ts != rows[start].ts {
            if end - start > 1 { isUnique = sort(start..<end, keys.span) && isUnique }
            start = end
        }
        isUnique = sort(start..<rows.count, keys.span) && isUnique
        return isUnique ? 0 : dropRepeats(keys.span, RowIdentity(type: type))
    }

    /// Where a row stands, and its time after the earliest of the batch.
    private struct Place {
        let micros: UInt64
        let index: Int
    }

    /// Puts the rows in order of time, those of one instant as they arrived.
    ///
    /// By eleven bits at a time and without comparing: times of one batch stand close, so that two or three rounds do,
    /// and of rows that are nearly in order no branch can be foreseen.
    private mutating func orderByTime() {
        guard var (earliest, latest) = rows.first.map({ ($0.ts, $0.ts) }) else { return }
        var isAscending = true
        for row in rows {
            if row.ts < latest { isAscending = false }
            (earliest, latest) = (min(earliest, row.ts), max(latest, row.ts))
        }
        guard !isAscending else { return }
        isInByteOrder = false
        let start = earliest.micros
        let width = UInt64(bitPattern: latest.micros &- start)
        var places = rows.indices.map { Place(micros: UInt64(bitPattern: rows[$0].ts.micros &- start), index: $0) }
        var ordered = places
        for shift in stride(from: UInt64(0), to: UInt64(64 - width.leadingZeroBitCount), by: 11) {
            Self.distribute(places.span, by: shift, into: &ordered)
            swap(&places, &ordered)
        }
        rows = places.map { rows[$0.index] }
    }

    /// Writes places in order of the eleven bits of their time from `shift` on, equal ones as they were.
    private static func distribute(_ places: Span<Place>, by shift: UInt64, into ordered: inout [Place]) {
        var next = [Int](repeating: 0, count: 2_048)
        for index in places.indices { next[Int(places[index].micros &>> shift & 2_047)] += 1 }
        var sum = 0
        for bits in next.indices { (next[bits], sum) = (sum, sum + next[bits]) }
        var out = ordered.mutableSpan
        for index in places.indices {
            let bits = Int(places[index].micros &>> shift & 2_047)
            out[next[bits]] = places[index]
            next[bits] += 1
        }
    }

    /// Sorts rows of one instant by key, those of one key as they arrived; true where no key stands twice.
    private mutating func sort(_ range: Range<Int>, _ keys: Span<UInt8>) -> Bool {
        var isUnique = true
        var isAscending = true
        for index in range.dropFirst() {
            let order = Self.compare(keys, rows[index - 1], rows[index])
            isUnique = isUnique && order != 0
            isAscending = isAscending && order <= 0
        }
        guard !isAscending else { return isUnique }
        isInByteOrder = false
        // Few rows share an instant: each moves back to its place.
        rows[range].sort { Self.compare(keys, $0, $1) < 0 }
        return range.dropFirst().allSatisfy { Self.compare(keys, rows[$0 - 1], rows[$0]) != 0 }
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
            if kept != index { rows[kept] = row }
            kept += 1
        }
        let dropped = rows.count - kept
        if dropped > 0 { isInByteOrder = false }
        rows.removeLast(dropped)
        // Their bytes stay behind.
        if dropped > 0 { isInByteOrder = false }
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
    package func key(of row: Row) -> [UInt8] { Array(keys[row.keyRange]) }

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
        let (left, right) = (keys.extracting(a.keyRange), keys.extracting(b.keyRange))
        var offset = 0
        while let x = left.word(offset), let y = right.word(offset) {
            if x != y { return x.byteSwapped < y.byteSwapped ? -1 : 1 }
            offset &+= 8
        }
        while offset < min(left.count, right.count) {
            if left[offset] != right[offset] { return left[offset] < right[offset] ? -1 : 1 }
            offset &+= 1
        }
        return left.count - right.count
    }
}

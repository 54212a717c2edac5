package import Digest
package import Records

/// Packs rows of one type, as they pass, into rows of its segment table.
///
/// Rows come oldest first. No two segments of a series hold the same time, and none reaches over the border
/// of a partition.
package struct SegmentEncoder: Sendable {
    package struct Limits: Sendable {
        /// Rows of one segment.
        package var rows: Int
        /// Bytes of rows that wait for their segments, of all series together; the largest goes first.
        package var bytes: Int

        package init(rows: Int = 2_000, bytes: Int = 32 << 20) { (self.rows, self.bytes) = (rows, bytes) }
    }

    private let type: RecordType
    private let limits: Limits
    private let digester: ContentDigester
    private let identity: RowIdentity
    private var places: [[UInt8]: Int] = [:]
    private var builders: [SeriesBuilder] = []
    private var waiting = 0
    private var packed = RowWriter()
    /// What went in.
    package private(set) var summary = Summary.zero
    /// How many segments came of it.
    package private(set) var segments = 0

    package init(type: RecordType, limits: Limits = Limits()) {
        (self.type, self.limits) = (type, limits)
        digester = ContentDigester(type: type)
        identity = RowIdentity(type: type)
    }

    /// Adds a chunk of whole rows, every column.
    ///
    /// Throws: where one cannot be in a segment; the encoder is then of no further use.
    package mutating func add(_ rows: Span<UInt8>) throws(SegmentError) {
        // Not inside the digester's walk: what a row does to its series may fail in more ways than that.
        var found: [(row: Range<Int>, series: Range<Int>, ts: Int64, summary: Summary)] = []
        do {
            try digester.summarize(rows) { reader, summary throws(CopyRowError) in
                guard let ts = try reader.integer(0, in: rows), !reader.fields[1...3].contains(where: \.isNull) else {
                    throw CopyRowError(at: reader.rowStart, "a null that the schema forbids")
                }
                let series = reader.fields[1].start - 4..<reader.fields[3].end
                found.append((reader.rowStart..<reader.position, series, ts, summary))
            }
        } catch { throw .malformed(error) }
        for (row, series, ts, summary) in found {
            let place = place(of: rows.extracting(series))
            let partition = partition(of: Timestamp(postgresMicros: ts))
            let builder = builders[place]
            if builder.count > 0, ts > builder.last,
                builder.count >= limits.rows || builder.partition != partition
            {
                try pack(place)
            }
            while waiting + row.count > limits.bytes, let largest = largest(before: ts) { try pack(largest) }
            try builders[place].add(rows, row, ts: ts, partition: partition, summary, identity)
            waiting += row.count
            self.summary += summary
        }
    }

    /// Packs what waits; no row follows.
    package mutating func finish() throws(SegmentError) {
        for place in builders.indices where builders[place].count > 0 { try pack(place) }
    }

    /// The rows of the segment table that are ready, to be copied in; none is ready then.
    package mutating func take() -> [UInt8] {
        defer { packed.removeAll() }
        return packed.bytes
    }

    private mutating func pack(_ place: Int) throws(SegmentError) {
        waiting -= builders[place].byteCount
        try builders[place].pack(type, to: &packed)
        segments += 1
    }

    /// The series with the most bytes among those that no row of this time can continue.
    private func largest(before ts: Int64) -> Int? {
        builders.indices.filter { builders[$0].count > 0 && builders[$0].last < ts }
            .max { builders[$0].byteCount < builders[$1].byteCount }
    }

    private mutating func place(of series: Span<UInt8>) -> Int {
        var key: [UInt8] = []
        key.reserveCapacity(series.count)
        for index in series.indices { key.append(series[index]) }
        if let place = places[key] { return place }
        places[key] = builders.count
        builders.append(SeriesBuilder())
        return builders.count - 1
    }

    /// A number that is another one for each partition.
    private func partition(of time: Timestamp) -> Int64 {
        let day = TimeRange(containing: time, width: 86_400_000_000).start.micros / 86_400_000_000
        guard type.partition == .month else { return day }
        let date = CivilDate(daysSince1970: day)
        return date.year * 12 + date.month
    }
}

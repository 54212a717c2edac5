import Digest
import Records

/// Rows of one series on their way into a segment, as they came, oldest first.
struct SeriesBuilder: Sendable {
    private var rows = RowWriter()
    private(set) var count = 0
    private var summary = Summary.zero
    /// As PostgreSQL counts microseconds.
    private var first = Int64.max
    private(set) var last = Int64.min
    private(set) var partition: Int64 = 0
    /// Natural keys of the rows that are as new as the newest, once there are two of them.
    private var keys: Set<[UInt8]> = []
    /// Where the newest row stands.
    private var newest = 0..<0

    var byteCount: Int { rows.count }

    /// Adds the row `chunk[row]`.
    mutating func add(
        _ chunk: Span<UInt8>,
        _ row: Range<Int>,
        ts: Int64,
        partition: Int64,
        _ summary: Summary,
        _ identity: RowIdentity
    ) throws(SegmentError) {
        if ts > last {
            keys.removeAll()
        } else {
            // No two segments of a series hold the same time: then the times of one say which rows it holds.
            guard ts == last, count > 0 else { throw .unordered("a row is no newer than those packed before it") }
            if keys.isEmpty { keys.insert(try Self.key(rows.storage.span, newest, identity)) }
            guard try keys.insert(Self.key(chunk, row, identity)).inserted else {
                throw .unordered("a natural key comes twice")
            }
        }
        newest = rows.count..<rows.count + row.count
        rows.append(chunk, row.lowerBound, row.upperBound)
        count += 1
        self.summary += summary
        (first, last, self.partition) = (min(first, ts), ts, partition)
    }

    private static func key(
        _ rows: Span<UInt8>,
        _ row: Range<Int>,
        _ identity: RowIdentity
    ) throws(SegmentError) -> [UInt8] {
        do { return try identity.key(of: rows.extracting(row)) } catch { throw .malformed(error) }
    }

    /// Writes the rows as one row of the segment table and forgets them.
    mutating func pack(_ type: RecordType, to out: inout RowWriter) throws(SegmentError) {
        try write(type, to: &out)
        rows.removeAll()
        (count, summary, first) = (0, .zero, .max)
    }

    private func write(_ type: RecordType, to out: inout RowWriter) throws(SegmentError) {
        let columns = type.allColumns
        var fields: [[CopyRowReader.Field]] = columns.map { _ in [] }
        for index in fields.indices { fields[index].reserveCapacity(count) }
        let span = rows.storage.span.extracting(0..<rows.count)
        do throws(CopyRowError) {
            var reader = CopyRowReader(type: type)
            while try reader.next(in: span) {
                guard reader.fields.count == columns.count else {
                    throw CopyRowError(at: reader.rowStart, "a row without its provenance")
                }
                for index in fields.indices { fields[index].append(reader.fields[index]) }
            }
        } catch { throw .malformed(error) }
        out.append16(Int16(truncatingIfNeeded: SegmentShape.parts(type).count))
        appendHeader(fields, span, to: &out)
        try Self.appendTimes(fields[0], span, to: &out)
        let byName = Dictionary(uniqueKeysWithValues: zip(columns.map(\.name), fields))
        for pack in SegmentShape.packs(type) {
            try ColumnPacker(pack, pack.columns.compactMap { byName[$0.name] }).append(span, to: &out)
        }
    }

    private func appendHeader(_ fields: [[CopyRowReader.Field]], _ rows: Span<UInt8>, to out: inout RowWriter) {
        for column in 1..<RecordType.leading.count {
            let field = out.beginField()
            out.append(rows, fields[column][0].start, fields[column][0].end)
            out.endField(field)
        }
        out.appendInteger(first)
        out.appendInteger(last)
        out.append32(4)
        out.append32(Int32(truncatingIfNeeded: count))
        out.appendText(Array(summary.digest.description.utf8))
        out.append32(2)
        out.append16(SegmentShape.format)
    }

    private static func appendTimes(
        _ fields: [CopyRowReader.Field],
        _ rows: Span<UInt8>,
        to out: inout RowWriter
    ) throws(SegmentError) {
        var times: [Int64?] = []
        for field in fields {
            let micros = Timestamp(postgresMicros: ColumnPacker.int64(rows, field.start)).micros
            guard ColumnPacker.exactMicros.contains(micros) else {
                throw .unfit("an event time that is not in the years 1900 to 2099")
            }
            times.append(micros)
        }
        guard let vector = NumberVector(times, dividing: true), let base = vector.base else {
            throw .unfit("event times too far apart")
        }
        out.appendInteger(base)
        out.appendInteger(vector.unit)
        out.appendPlanes(vector.codes)
    }
}

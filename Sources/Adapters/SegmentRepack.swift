import Digest
import Platform
import Postgres
import Records
import Segments
import Tiering

/// Packs stored rows into segments in the caller's transaction.
///
/// What was packed is read back before the transaction goes on. Rows that no segment can say stay plain.
struct SegmentRepack {
    let type: RecordType
    let connection: PostgresConnection
    let operation: String
    let settings: ArchiveSettings
    /// Whether it tells how many bytes that saved.
    var measures = false

    /// Packs the plain rows of a range, the segments they fall into included.
    func run(_ range: TimeRange) async throws(StoreError) -> Packed {
        let found = try await at("cold", operation) { () throws(PostgresError) in
            try await connection.execute(ColdSQL.islands(type, range)).rows
        }
        var sum = Packed()
        for row in found {
            guard let exchange = row[0], let market = row[1], let symbol = row[2],
                let first = row[3].flatMap(Int64.init),
                let last = row[4].flatMap(Int64.init), let rows = row[5].flatMap(Int.init)
            else { throw corrupt("a broken answer") }
            let range = TimeRange(start: Timestamp(micros: first), end: Timestamp(micros: last + 1))
            // A late row does not leave a segment of its own behind a full one.
            let count = max(1, (rows + settings.segments.rows / 2) / settings.segments.rows)
            sum += try await pack(range, of: [exchange, market, symbol], rows: rows, into: count) ?? Packed()
        }
        return sum
    }

    /// Packs all that one series has in a range, about so many rows, evenly into so many segments.
    ///
    /// Nil where a row of it can be in no segment.
    func pack(
        _ range: TimeRange,
        of series: [String],
        rows: Int,
        into count: Int
    ) async throws(StoreError) -> Packed? {
        var limits = settings.segments
        limits.rows = (rows + count - 1) / count
        guard let (packed, summary) = try await encode(ColdSQL.readIsland(type, series, range), limits)
        else { return nil }
        return try await replace(
            range,
            of: series,
            ColdSQL.deleteIsland(type, series, range),
            ColdSQL.readIslandBack(type, series, range),
            packed,
            summary
        )
    }

    /// Packs a range that holds plain rows alone, all series at once; nil where a row of it can be in no segment.
    func pack(_ range: TimeRange) async throws(StoreError) -> Packed? {
        guard let (packed, summary) = try await encode(ColdSQL.readPlain(type, range), settings.segments)
        else { return nil }
        return try await replace(
            range,
            ColdSQL.deletePlain(type, range),
            ColdSQL.readContent(type, range, .segments),
            packed,
            summary
        )
    }

    /// Puts segments in the place of rows; what `delete` took and what `readBack` finds is what went into them.
    private func replace(
        _ range: TimeRange,
        of series: [String]? = nil,
        _ delete: String,
        _ readBack: String,
        _ packed: [UInt8],
        _ summary: Summary
    ) async throws(StoreError) -> Packed {
        let before = try await storedBytes(range, of: series)
        let gone = try await at("cold", operation) { () throws(PostgresError) in
            try await connection.execute(delete).scalar
        }
        guard gone == "\(summary.rows)" else {
            throw corrupt("\(gone ?? "no") rows would go, \(summary.rows) were read")
        }
        try await at("cold", operation) { () throws(PostgresError) in
            _ = try await connection.copyIn(ColdSQL.copySegments(type), rows: packed)
            try await connection.beginCopyOut(readBack)
        }
        let back = try await rows().summary(of: type, tier: "cold")
        guard back == summary else { throw corrupt("segments read as \(back), packed was \(summary)") }
        let after = try await storedBytes(range, of: series)
        return Packed(rows: summary.rows, bytesBefore: before, bytesAfter: after)
    }

    /// Nil where a row can be in no segment.
    private func encode(_ sql: String, _ limits: SegmentEncoder.Limits) async throws(StoreError) -> ([UInt8], Summary)?
    {
        var encoder = SegmentEncoder(type: type, limits: limits)
        try await at("cold", operation) { () throws(PostgresError) in try await connection.beginCopyOut(sql) }
        var failure: SegmentError?
        while let chunk = try await rows().next() {
            if failure != nil { continue }
            do { try encoder.add(chunk.span) } catch { failure = error }
        }
        if failure == nil {
            do { try encoder.finish() } catch { failure = error }
        }
        switch failure {
        case nil: return (encoder.take(), encoder.summary)
        case .unfit, .unordered: return nil
        case .malformed(let error): throw corrupt("\(error)")
        }
    }

    /// What a range takes on disk; 0 where nobody asks.
    func storedBytes(_ range: TimeRange, of series: [String]? = nil) async throws(StoreError) -> Int {
        guard measures else { return 0 }
        let bytes = try await at("cold", operation) { () throws(PostgresError) in
            try await connection.execute(ColdSQL.storedBytes(type, range, series)).scalar
        }
        guard let bytes = bytes.flatMap(Int.init) else { throw corrupt("no size came back") }
        return bytes
    }

    func rows() -> PostgresRows {
        PostgresRows(connection: connection, operation: operation, chunkBytes: settings.chunkBytes)
    }

    private func corrupt(_ detail: String) -> StoreError {
        StoreError(.corrupt, .halt, tier: "cold", operation: operation, detail: detail)
    }
}

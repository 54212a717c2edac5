import Digest
import Platform
import Postgres
import Records
import Segments
import Tiering

/// Packs the plain rows of a range into segments, those they fall into included, in the caller's transaction.
///
/// What was packed is read back before the transaction goes on. Rows that no segment can say stay plain.
struct SegmentRepack {
    let type: RecordType
    let connection: PostgresConnection
    let operation: String
    let settings: ArchiveSettings

    /// Rows of one series that are packed together.
    private struct Island {
        let series: [String]
        let range: TimeRange
        let rows: Int
    }

    func run(_ range: TimeRange) async throws(StoreError) {
        let found = try await at("cold", operation) { () throws(PostgresError) in
            try await connection.execute(ColdSQL.islands(type, range)).rows
        }
        for row in found {
            guard let exchange = row[0], let market = row[1], let symbol = row[2],
                let first = row[3].flatMap(Int64.init),
                let last = row[4].flatMap(Int64.init), let rows = row[5].flatMap(Int.init)
            else { throw corrupt("a broken answer") }
            let range = TimeRange(start: Timestamp(micros: first), end: Timestamp(micros: last + 1))
            try await pack(Island(series: [exchange, market, symbol], range: range, rows: rows))
        }
    }

    private func pack(_ island: Island) async throws(StoreError) {
        guard let (packed, summary) = try await encode(island) else { return }
        let gone = try await at("cold", operation) { () throws(PostgresError) in
            try await connection.execute(ColdSQL.deleteIsland(type, island.series, island.range)).scalar
        }
        guard gone == "\(summary.rows)" else {
            throw corrupt("\(gone ?? "no") rows would go, \(summary.rows) were read")
        }
        try await at("cold", operation) { () throws(PostgresError) in
            _ = try await connection.copyIn(ColdSQL.copySegments(type), rows: packed)
            try await connection.beginCopyOut(ColdSQL.readIslandBack(type, island.series, island.range))
        }
        let back = try await rows().summary(of: type, tier: "cold")
        guard back == summary else { throw corrupt("segments read as \(back), packed was \(summary)") }
    }

    /// Nil where a row of it can be in no segment.
    private func encode(_ island: Island) async throws(StoreError) -> ([UInt8], Summary)? {
        var limits = settings.segments
        // Evenly: a late row does not leave a segment of its own behind a full one.
        let count = max(1, (island.rows + limits.rows / 2) / limits.rows)
        limits.rows = (island.rows + count - 1) / count
        var encoder = SegmentEncoder(type: type, limits: limits)
        try await at("cold", operation) { () throws(PostgresError) in
            try await connection.beginCopyOut(ColdSQL.readIsland(type, island.series, island.range))
        }
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

    private func rows() -> PostgresRows {
        PostgresRows(connection: connection, operation: operation, chunkBytes: settings.chunkBytes)
    }

    private func corrupt(_ detail: String) -> StoreError {
        StoreError(.corrupt, .halt, tier: "cold", operation: operation, detail: detail)
    }
}

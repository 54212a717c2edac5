import Digest
import Platform
import Records
import Tiering

/// What rows on their way are, by bucket of activity: each is digested and counted in one walk.
struct BucketSums {
    private let bucketMicros: Int64
    private let digester: ContentDigester
    /// By the start of the bucket.
    private(set) var buckets: [Timestamp: Summary] = [:]

    init(type: RecordType, bucketMicros: Int64) {
        self.bucketMicros = bucketMicros
        digester = ContentDigester(type: type)
    }

    var summary: Summary { buckets.values.reduce(.zero, +) }

    /// Throws: `.corrupt` (halt) for bytes that are not rows of the type.
    mutating func add(_ chunk: [UInt8], tier: String, _ operation: String) throws(StoreError) {
        do {
            try digester.summarize(chunk.span) { reader, row throws(CopyRowError) in
                guard let ts = try reader.timestamp(0, in: chunk.span) else {
                    throw CopyRowError(at: reader.rowStart, "a null that the schema forbids")
                }
                buckets[TimeRange(containing: ts, width: bucketMicros).start, default: .zero] += row
            }
        } catch {
            throw StoreError(.corrupt, .halt, tier: tier, operation: operation, detail: "\(error)")
        }
    }
}

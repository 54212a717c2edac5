package import Digest
import Platform
package import Records

/// What rows on their way are, by bucket of event time: each is digested and counted in one walk.
package struct BucketSums: Sendable {
    private let bucketMicros: Int64
    private let digester: ContentDigester
    /// By the start of the bucket.
    package private(set) var buckets: [Timestamp: Summary] = [:]

    package init(type: RecordType, bucketMicros: Int64) {
        self.bucketMicros = bucketMicros
        digester = ContentDigester(type: type)
    }

    package var summary: Summary { buckets.values.reduce(.zero, +) }

    /// Throws: `.corrupt` (halt) for bytes that are not rows of the type.
    package mutating func add(_ chunk: [UInt8], tier: String) throws(StoreError) {
        try readable(tier) { () throws(CopyRowError) in
            try digester.summarize(chunk.span) { reader, row throws(CopyRowError) in
                guard let ts = try reader.timestamp(0, in: chunk.span) else {
                    throw CopyRowError(at: reader.rowStart, "a null that the schema forbids")
                }
                buckets[TimeRange(containing: ts, width: bucketMicros).start, default: .zero] += row
            }
        }
    }

    /// These sums and those of a chunk, for whoever does something else meanwhile.
    package func adding(_ chunk: [UInt8], tier: String) throws(StoreError) -> BucketSums {
        var sums = self
        try sums.add(chunk, tier: tier)
        return sums
    }
}

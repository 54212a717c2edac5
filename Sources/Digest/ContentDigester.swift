internal import CXXHash
package import Records

/// COPY rows → their summary: XXH3-128 over the canonical content of each, summed.
///
/// Content is the natural key, the type's own columns and `extra`; provenance is not. 1.50 is 1.5, null is not empty.
/// A collision among honest rows needs about 2^64 of them; it is no defence against an adversary who chooses rows.
/// Source: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
package struct ContentDigester: Sendable {
    private let identity: RowIdentity
    private let fieldCount: Int

    package init(type: RecordType) {
        identity = RowIdentity(type: type)
        fieldCount = type.allColumns.count
    }

    /// The summary of a chunk of whole rows; chunks of one range are added up in any order.
    ///
    /// Throws: `CopyRowError` for bytes that are not rows of the type; nothing of the chunk counts then.
    package func summarize(_ rows: Span<UInt8>) throws(CopyRowError) -> Summary {
        var reader = CopyRowReader(fieldCount: fieldCount)
        var content = RowWriter()
        var sum = Summary.zero
        while try reader.next(in: rows) {
            content.removeAll()
            try identity.appendContent(of: reader.fields, in: rows, to: &content)
            sum += Summary(rows: 1, digest: Self.hash(content.bytes))
        }
        return sum
    }

    private static func hash(_ bytes: [UInt8]) -> Digest128 {
        let hash = bytes.withUnsafeBytes { XXH3_128bits($0.baseAddress, $0.count) }
        return Digest128(high: hash.high64, low: hash.low64)
    }
}

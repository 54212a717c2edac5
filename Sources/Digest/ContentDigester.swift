internal import CXXHash
package import Records

/// COPY rows → their summary: XXH3-128 over the canonical content of each, summed.
///
/// Content is the natural key, the type's own columns and `extra`; provenance is not. 1.50 is 1.5, null is not empty.
/// A collision among honest rows needs about 2^64 of them; it is no defence against an adversary who chooses rows.
/// Source: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
package struct ContentDigester: Sendable {
    private let identity: RowIdentity
    private let reader: CopyRowReader

    package init(type: RecordType) {
        identity = RowIdentity(type: type)
        reader = CopyRowReader(type: type)
    }

    /// The summary of a chunk of whole rows, with or without their provenance; chunks of one range are added up in any
    /// order.
    ///
    /// Throws: `CopyRowError` for bytes that are not rows of the type; nothing of the chunk counts then.
    package func summarize(_ rows: Span<UInt8>) throws(CopyRowError) -> Summary {
        var sum = Summary.zero
        try summarize(rows) { _, row throws(CopyRowError) in sum += row }
        return sum
    }

    /// The same, row by row: `each` gets the reader, which stands at the row, and the row's summary.
    package func summarize(
        _ rows: Span<UInt8>,
        each: (CopyRowReader, Summary) throws(CopyRowError) -> Void
    ) throws(CopyRowError) {
        var reader = reader
        var content = RowWriter()
        while try reader.next(in: rows) {
            content.removeAll()
            try identity.appendContent(of: reader.fields, in: rows, to: &content)
            try each(reader, Summary(rows: 1, digest: Self.hash(content)))
        }
    }

    private static func hash(_ content: RowWriter) -> Digest128 {
        let hash = content.storage.withUnsafeBytes { XXH3_128bits($0.baseAddress, content.count) }
        return Digest128(high: hash.high64, low: hash.low64)
    }
}

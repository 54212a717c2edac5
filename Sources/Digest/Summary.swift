/// What a set of rows is, in short: how many, and the digest of their content.
///
/// Equal summaries are equal sets.
package struct Summary: Hashable, Sendable, CustomStringConvertible {
    package let rows: Int
    package let digest: Digest128

    package static let zero = Summary(rows: 0, digest: .zero)

    package init(rows: Int, digest: Digest128) {
        self.rows = rows
        self.digest = digest
    }

    /// The summary of both sets; they may overlap, then rows count twice.
    package static func + (a: Summary, b: Summary) -> Summary {
        Summary(rows: a.rows + b.rows, digest: a.digest &+ b.digest)
    }

    package static func += (a: inout Summary, b: Summary) { a = a + b }

    /// The summary of `a` without the rows of `b`, which are a part of it.
    package static func - (a: Summary, b: Summary) -> Summary {
        Summary(rows: a.rows - b.rows, digest: a.digest &- b.digest)
    }

    package var description: String { "\(rows) rows \(digest)" }
}

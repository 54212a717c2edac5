/// How cold keeps rows that come to it; both are read in the same way.
package enum ColdFormat: String, Sendable, CaseIterable {
    /// As hot does.
    case rows
    /// Compressed, many rows of one series to a row of its segment table.
    case segments
}

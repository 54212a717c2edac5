/// What one statement answered, as text.
package struct QueryResult: Sendable, Equatable {
    /// Names of the result's columns; empty for a command without result.
    package let columns: [String]

    /// Values in PostgreSQL's text form, nil for NULL, one array per row in the server's order.
    package let rows: [[String?]]

    /// Rows that the command tag counts: inserted, updated, deleted, selected or copied; 0 where it counts none.
    package let affected: Int

    /// The command tag, such as `UPDATE 3` or `COMMIT`.
    package let command: String

    /// The first column of the first row; nil for NULL and for no row.
    package var scalar: String? { rows.first?.first ?? nil }
}

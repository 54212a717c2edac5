package import Records

/// The rows of a range in which the tiers differ: some of them with both versions, and how many more there are.
package struct Differences: Sendable, Equatable, CustomStringConvertible {
    /// Longest text of all rows together, and of one value: an error has its place in a ledger row and a log line.
    private static let textLimit = 6_000
    private static let valueLimit = 100

    /// One row each, both versions of it.
    package private(set) var rows: [String] = []
    /// Rows that differ beyond those that are named.
    package private(set) var more = 0
    private let limit: Int
    private var length = 0

    /// At most `limit` rows are named.
    package init(limit: Int) { self.limit = limit }

    package var isEmpty: Bool { rows.isEmpty && more == 0 }
    package var isFull: Bool { rows.count >= limit || length >= Self.textLimit }

    package mutating func add(unnamed count: Int) { more += count }

    /// One row, in hot and in cold; a side that lacks it is nil.
    package mutating func add(_ text: RowText, hot: [UInt8]?, cold: [UInt8]?, type: RecordType) throws(CopyRowError) {
        guard !isFull else { return more += 1 }
        let sides = [try Self.values(text, hot, type), try Self.values(text, cold, type)]
        guard let key = (sides[0] ?? sides[1])?.key else { return }
        let row: String =
            switch (sides[0]?.own, sides[1]?.own) {
            case (let hot?, let cold?):
                "\(Self.write(key)): hot \(Self.write(hot, unlike: cold)) / cold \(Self.write(cold, unlike: hot))"
            case (let hot?, nil): "only in hot: \(Self.write(key)): \(Self.write(hot))"
            case (nil, let cold): "only in cold: \(Self.write(key)): \(Self.write(cold ?? []))"
            }
        rows.append(row)
        length += row.utf8.count
    }

    private static func values(
        _ text: RowText,
        _ row: [UInt8]?,
        _ type: RecordType
    ) throws(CopyRowError) -> (key: [RowText.Value], own: [RowText.Value])? {
        guard let row else { return nil }
        var reader = CopyRowReader(type: type)
        guard try reader.next(in: row.span) else { return nil }
        return text.values(reader, in: row.span)
    }

    /// The values, or those alone that the other version has otherwise.
    private static func write(_ values: [RowText.Value], unlike other: [RowText.Value]? = nil) -> String {
        values.enumerated().filter { other == nil ? $1.text != nil : $1.text != other?[$0].text }
            .map { "\($1.column)=\(shortened($1.text))" }.joined(separator: " ")
    }

    private static func shortened(_ text: String?) -> String {
        guard let text else { return "null" }
        return text.count > valueLimit ? text.prefix(valueLimit) + "…" : text
    }

    package var description: String {
        (rows + (more > 0 ? ["and \(more) more"] : [])).joined(separator: "; ")
    }
}

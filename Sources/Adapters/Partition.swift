import Records

/// One partition of a type's table: its name and the event times it takes.
struct Partition: Hashable, Sendable {
    let name: String
    let range: TimeRange

    private static let day: Int64 = 86_400_000_000

    /// The partition of `type` that takes `instant`.
    init(of type: RecordType, containing instant: Timestamp) {
        let day = TimeRange(containing: instant, width: Self.day)
        let date = CivilDate(daysSince1970: day.start.micros / Self.day)
        switch type.partition {
        case .day:
            range = day
            name = "\(type.name)_p\(date.year)\(Self.twoDigits(date.month))\(Self.twoDigits(date.day))"
        case .month:
            let first = day.start.micros / Self.day - date.day + 1
            // Thirty-one days after the first of a month lies in the next one; its own first is the end.
            let next = CivilDate(daysSince1970: first + 31)
            let end = first + 31 - next.day + 1
            range = TimeRange(start: Timestamp(micros: first * Self.day), end: Timestamp(micros: end * Self.day))
            name = "\(type.name)_p\(date.year)\(Self.twoDigits(date.month))"
        }
    }

    /// The partitions that a batch of rows or a range of time needs.
    static func covering(_ range: TimeRange, of type: RecordType) -> [Partition] {
        var partitions: [Partition] = []
        var instant = range.start
        while instant < range.end {
            let partition = Partition(of: type, containing: instant)
            partitions.append(partition)
            instant = partition.range.end
        }
        return partitions
    }

    /// Whether a constraint is our natural key on a partition of `type`, as `TierSQL.makePartition` names it.
    ///
    /// `trade_price_key` is what PostgreSQL calls a user's.
    static func isKey(_ constraint: String, of type: RecordType) -> Bool {
        let (prefix, suffix) = ("\(type.name)_p", "_key")
        guard constraint.hasPrefix(prefix), constraint.hasSuffix(suffix) else { return false }
        let date = constraint.dropFirst(prefix.count).dropLast(suffix.count)
        return date.count == (type.partition == .day ? 8 : 6) && date.allSatisfy(\.isNumber)
    }

    private static func twoDigits(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
}

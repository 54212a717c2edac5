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
            range = Self.month(day.start.micros / Self.day)
            name = "\(type.name)_p\(date.year)\(Self.twoDigits(date.month))"
        }
    }

    /// The partition of `type` that has this name; nil for a table that a person attached.
    init?(named name: String, of type: RecordType) {
        let date = name.dropFirst(type.name.count + 2)
        guard name.hasPrefix("\(type.name)_p"), date.allSatisfy(\.isNumber), date.count == Self.digits(type),
            let year = Int64(date.prefix(4)), let month = Int64(date.dropFirst(4).prefix(2)),
            let day = Int64(date.count == 8 ? date.suffix(2) : "01"),
            let date = CivilDate(year: year, month: month, day: day)
        else { return nil }
        self.init(of: type, containing: Timestamp(micros: date.daysSince1970 * Self.day))
    }

    private static func digits(_ type: RecordType) -> Int { type.partition == .day ? 8 : 6 }

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

    /// The months of UTC that partitions with these names lie in, ascending.
    static func months(of type: RecordType, _ names: [String]) -> [TimeRange] {
        let found = names.compactMap { Partition(named: $0, of: type) }.map { partition in
            month(partition.range.start.micros / Self.day)
        }
        return Set(found).sorted { $0.start < $1.start }
    }

    private static func month(_ day: Int64) -> TimeRange {
        let first = day - CivilDate(daysSince1970: day).day + 1
        // Thirty-one days after the first of a month lies in the next one; its own first is the end.
        let end = first + 31 - CivilDate(daysSince1970: first + 31).day + 1
        return TimeRange(start: Timestamp(micros: first * Self.day), end: Timestamp(micros: end * Self.day))
    }

    /// Whether a constraint is our natural key on a partition of `type`, as `TierSQL.makePartition` names it.
    ///
    /// `trade_price_key` is what PostgreSQL calls a user's.
    static func isKey(_ constraint: String, of type: RecordType) -> Bool {
        let (prefix, suffix) = ("\(type.name)_p", "_key")
        guard constraint.hasPrefix(prefix), constraint.hasSuffix(suffix) else { return false }
        let date = constraint.dropFirst(prefix.count).dropLast(suffix.count)
        return date.count == digits(type) && date.allSatisfy(\.isNumber)
    }

    private static func twoDigits(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
}

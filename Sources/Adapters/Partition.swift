import Records

/// One partition of a type's table: its name and the event times it takes.
struct Partition: Hashable, Sendable {
    let name: String
    let range: TimeRange

    /// The partition of `type` that takes `instant`.
    init(of type: RecordType, containing instant: Timestamp) {
        let day = TimeRange(containing: instant, width: 86_400_000_000)
        let date = CivilDate(daysSinceEpoch: day.start.micros / 86_400_000_000)
        switch type.partition {
        case .day:
            range = day
            name = "\(type.name)_p\(date.year)\(Self.twoDigits(date.month))\(Self.twoDigits(date.day))"
        case .month:
            let next = date.month == 12 ? (date.year + 1, 1) : (date.year, date.month + 1)
            range = TimeRange(
                start: Timestamp(micros: CivilDate(date.year, date.month, 1).daysSinceEpoch * 86_400_000_000),
                end: Timestamp(micros: CivilDate(next.0, next.1, 1).daysSinceEpoch * 86_400_000_000)
            )
            name = "\(type.name)_p\(date.year)\(Self.twoDigits(date.month))"
        }
    }

    private static func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}

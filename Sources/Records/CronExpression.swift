/// When something is due, as cron has it: minute, hour, day of month, month, day of week.
///
/// A field is `*`, a number, a name (`jan`, `mon`), a range `a-b`, a step `*/n`, `a-b/n` or `a/n`, or a list of these;
/// 0 and 7 are Sunday. Where both kinds of days are restricted, either will do. Source: crontab(5).
package struct CronExpression: Hashable, Sendable, CustomStringConvertible {
    package let description: String
    /// Minutes of a day, in order.
    private let minutes: [Int64]
    private let months: Set<Int64>
    private let days: Set<Int64>
    private let weekdays: Set<Int64>
    /// Whether either of the two kinds of days will do.
    private let takesEither: Bool
    private let isEveryHour: Bool

    /// Why a text is no expression.
    package struct Invalid: Error, CustomStringConvertible {
        package let description: String
    }

    package init(_ text: String) throws(Invalid) {
        let fields = text.split(whereSeparator: { $0 == " " || $0 == "\t" }).map(String.init)
        guard fields.count == 5 else {
            throw Invalid(description: "five fields expected: minute, hour, day of month, month, day of week")
        }
        let minute = try Field.minute.values(fields[0])
        let hour = try Field.hour.values(fields[1])
        days = try Field.day.values(fields[2])
        months = try Field.month.values(fields[3])
        weekdays = Set(try Field.weekday.values(fields[4]).map { $0 % 7 })
        minutes = hour.sorted().flatMap { hour in minute.sorted().map { hour * 60 + $0 } }
        takesEither = !fields[2].hasPrefix("*") && !fields[4].hasPrefix("*")
        isEveryHour = hour.count == 24
        description = fields.joined(separator: " ")
        // 2000 to 2027: every date on every weekday there is.
        guard (10_957..<21_184).contains(where: { isDue(onDay: $0) }) else {
            throw Invalid(description: "no month has such a day")
        }
    }

    /// Every day at a minute of the day.
    package init(dailyAt minute: Int64) {
        description = "\(minute % 60) \(minute / 60) * * *"
        (minutes, months, days, weekdays) = ([minute], Set(1...12), Set(1...31), Set(0...6))
        (takesEither, isEveryHour) = (false, false)
    }

    private func isDue(onDay day: Int64) -> Bool {
        let date = CivilDate(daysSince1970: day)
        guard months.contains(date.month) else { return false }
        // 1970-01-01 was a Thursday.
        let (isDay, isWeekday) = (days.contains(date.day), weekdays.contains((day + 4) % 7))
        return takesEither ? isDay || isWeekday : isDay && isWeekday
    }

    /// The first instant after `time` at which it is due.
    ///
    /// What a clock that is put forward jumps over is due at the jump; of a time that comes twice the first counts, or
    /// both where every hour is meant.
    package func next(after time: Timestamp, in zone: LocalTime) -> Timestamp {
        // The day before: where the clock was put back across midnight, an earlier date can still be to come.
        var day = zone.localMicros(at: time).dividedDown(by: LocalTime.day) - 1
        while true {
            if isDue(onDay: day) {
                let instants = minutes.lazy.flatMap { minute in
                    let instants = zone.instants(ofLocal: day * LocalTime.day + minute * LocalTime.minute)
                    return isEveryHour ? instants : Array(instants.prefix(1))
                }
                if let due = instants.filter({ $0 > time }).min() { return due }
            }
            day += 1
        }
    }
}

/// One field of an expression: its bounds and the names of its values.
private struct Field {
    let name: String
    let range: ClosedRange<Int64>
    var names: [String] = []

    static let minute = Field(name: "minute", range: 0...59)
    static let hour = Field(name: "hour", range: 0...23)
    static let day = Field(name: "day of month", range: 1...31)
    static let month = Field(
        name: "month",
        range: 1...12,
        names: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    )
    static let weekday = Field(
        name: "day of week",
        range: 0...7,
        names: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
    )

    func values(_ text: String) throws(CronExpression.Invalid) -> Set<Int64> {
        var values: Set<Int64> = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let pieces = part.split(separator: "/", omittingEmptySubsequences: false)
            guard (1...2).contains(pieces.count), let span = span(pieces[0], isOpen: pieces.count == 2) else {
                throw refusal(part)
            }
            var step: Int64 = 1
            if pieces.count == 2 {
                guard let number = number(pieces[1]), number > 0 else { throw refusal(part) }
                step = number
            }
            values.formUnion(stride(from: span.lowerBound, through: span.upperBound, by: Int64.Stride(step)))
        }
        return values
    }

    /// The values that a part means without its step; a lone number with a step is open to the end.
    private func span(_ text: Substring, isOpen: Bool) -> ClosedRange<Int64>? {
        if text == "*" { return range }
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard let first = ends.first.flatMap(value) else { return nil }
        switch ends.count {
        case 1: return first...(isOpen ? range.upperBound : first)
        case 2:
            guard let last = value(ends[1]), first <= last else { return nil }
            return first...last
        default: return nil
        }
    }

    private func value(_ text: Substring) -> Int64? {
        if let place = names.firstIndex(of: text.lowercased()) { return Int64(place) + range.lowerBound }
        return number(text).flatMap { range.contains($0) ? $0 : nil }
    }

    private func number(_ text: Substring) -> Int64? {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int64(text) : nil
    }

    private func refusal(_ part: Substring) -> CronExpression.Invalid {
        CronExpression.Invalid(
            description: "\"\(part)\" is no \(name) from \(range.lowerBound) to \(range.upperBound)"
        )
    }
}

extension Int64 {
    /// The quotient, rounded towards minus infinity.
    func dividedDown(by divisor: Int64) -> Int64 { self >= 0 ? self / divisor : (self + 1) / divisor - 1 }
}

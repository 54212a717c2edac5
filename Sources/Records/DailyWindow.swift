/// A part of every day by the clock on the wall, such as `22:00-06:00`; its end is exclusive.
package struct DailyWindow: Hashable, Sendable, CustomStringConvertible {
    /// Minutes of the day; an end that is not after the start lies on the next day.
    private let start: Int64
    private let end: Int64

    /// Reads `HH:MM-HH:MM`, where `24:00` may end it; nil for anything else.
    package init?(_ text: String) {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let start = Self.minute(ends[0]), let end = Self.minute(ends[1]), start < 1_440 else {
            return nil
        }
        (self.start, self.end) = (start, end)
    }

    private static func minute(_ text: Substring) -> Int64? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2,
            parts.allSatisfy({ $0.utf8.count == 2 && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }),
            let hour = Int64(parts[0]), let minute = Int64(parts[1]), minute < 60, hour * 60 + minute <= 1_440
        else { return nil }
        return hour * 60 + minute
    }

    package var description: String { "\(Self.text(start))-\(Self.text(end))" }

    private static func text(_ minute: Int64) -> String {
        [minute / 60, minute % 60].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: ":")
    }

    package func contains(_ time: Timestamp, in zone: LocalTime) -> Bool {
        let local = zone.localMicros(at: time)
        let minute = (local - local.dividedDown(by: LocalTime.day) * LocalTime.day) / LocalTime.minute
        return start < end ? start <= minute && minute < end : start <= minute || minute < end
    }

    /// When it opens next.
    package func opening(after time: Timestamp, in zone: LocalTime) -> Timestamp {
        CronExpression(dailyAt: start).next(after: time, in: zone)
    }
}

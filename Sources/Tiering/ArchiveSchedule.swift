import Platform
package import Records

/// When passes begin, and in which part of the day they may run.
package struct ArchiveSchedule: Sendable, Equatable {
    package enum Rhythm: Sendable, Equatable {
        /// At the start of the service, and so long after the start of the last pass.
        case every(Duration)
        /// Whenever one of the expressions is due; a pass that was missed is made up for once.
        case cron([CronExpression])
    }
    package var rhythm: Rhythm
    /// Parts of the day in which transfers may begin; none for the whole day.
    package var windows: [DailyWindow]
    /// IANA name of the time zone of both.
    package var timeZone: String

    package init(_ rhythm: Rhythm, windows: [DailyWindow] = [], timeZone: String = "UTC") {
        self.rhythm = rhythm
        self.windows = windows
        self.timeZone = timeZone
    }

    /// Whether a clock on the wall decides anything.
    package var needsLocalTime: Bool {
        if case .cron = rhythm { return true }
        return !windows.isEmpty
    }

    /// Whether a transfer may begin.
    package func isOpen(at time: Timestamp, in zone: LocalTime) -> Bool {
        windows.isEmpty || windows.contains { $0.contains(time, in: zone) }
    }

    /// What the first pass of a service is due after: an interval begins with one, expressions make up for one that was
    /// missed since `recorded`, the last that any archiver began.
    package func reference(recorded: Timestamp?, at now: Timestamp) -> Timestamp {
        switch rhythm {
        case .every(let interval): now.advanced(byMicros: -interval.micros)
        case .cron: recorded ?? now
        }
    }

    /// When the next pass is due after the one that began at `last`: at once where that time is past.
    package func nextPass(after last: Timestamp, at now: Timestamp, in zone: LocalTime) -> Timestamp {
        let due: Timestamp
        switch rhythm {
        case .every(let interval): due = last.advanced(byMicros: interval.micros)
        case .cron(let expressions): due = expressions.map { $0.next(after: last, in: zone) }.min() ?? now
        }
        let start = max(due, now)
        return isOpen(at: start, in: zone) ? start : windows.map { $0.opening(after: start, in: zone) }.min() ?? start
    }
}

/// A half-open interval of event time, `start ..< end`.
package struct TimeRange: Hashable, Sendable, CustomStringConvertible {
    package let start: Timestamp
    package let end: Timestamp

    package init(start: Timestamp, end: Timestamp) {
        precondition(start < end, "a time range is never empty")
        self.start = start
        self.end = end
    }

    /// The range of width `width` microseconds, counted from the epoch, that contains `instant`.
    package init(containing instant: Timestamp, width: Int64) {
        precondition(width > 0, "a range has a width")
        let remainder = instant.micros % width
        let start = instant.micros - (remainder < 0 ? remainder + width : remainder)
        self.init(start: Timestamp(micros: start), end: Timestamp(micros: start + width))
    }

    package var description: String { "\(start)..<\(end)" }

    package func overlaps(_ other: TimeRange) -> Bool { start < other.end && other.start < end }

    package func contains(_ instant: Timestamp) -> Bool { start <= instant && instant < end }
}

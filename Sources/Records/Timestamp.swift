/// An instant of event time: microseconds since the Unix epoch, UTC.
package struct Timestamp: Hashable, Comparable, Sendable {
    package let micros: Int64

    package init(micros: Int64) { self.micros = micros }

    package init(milliseconds: Int64) { micros = milliseconds * 1_000 }

    package static func < (a: Timestamp, b: Timestamp) -> Bool { a.micros < b.micros }

    /// The instant `micros` microseconds later; saturates at the ends of `Int64`.
    package func advanced(byMicros delta: Int64) -> Timestamp {
        let (sum, overflow) = micros.addingReportingOverflow(delta)
        return Timestamp(micros: overflow ? (delta < 0 ? .min : .max) : sum)
    }
}

/// An instant of event time: microseconds since the Unix epoch, UTC.
package struct Timestamp: Hashable, Comparable, Sendable {
    package let micros: Int64

    package init(micros: Int64) { self.micros = micros }

    /// Saturates at the ends of `Int64`.
    package init(milliseconds: Int64) {
        let (product, overflow) = milliseconds.multipliedReportingOverflow(by: 1_000)
        micros = overflow ? (milliseconds < 0 ? .min : .max) : product
    }

    package static func < (a: Timestamp, b: Timestamp) -> Bool { a.micros < b.micros }

    /// The instant `micros` microseconds later; saturates at the ends of `Int64`.
    package func advanced(byMicros delta: Int64) -> Timestamp {
        let (sum, overflow) = micros.addingReportingOverflow(delta)
        return Timestamp(micros: overflow ? (delta < 0 ? .min : .max) : sum)
    }

    /// Microseconds from 1970-01-01 to PostgreSQL's epoch, 2000-01-01.
    package static let postgresEpochMicros: Int64 = 946_684_800_000_000

    /// What the eight bytes of a `timestamptz` hold; saturates before 290,000 BC.
    package var postgresMicros: Int64 { advanced(byMicros: -Self.postgresEpochMicros).micros }

    package init(postgresMicros: Int64) {
        self = Timestamp(micros: postgresMicros).advanced(byMicros: Self.postgresEpochMicros)
    }
}

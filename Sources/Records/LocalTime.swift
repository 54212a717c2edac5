/// What clocks on the wall of one time zone show: offsets from UTC, each from an instant on.
///
/// Beyond its last change it goes on as it ends, so it is asked for again from time to time.
package struct LocalTime: Sendable, Equatable {
    /// Clocks show UTC plus `offsetMicros` from this instant on.
    package struct Change: Sendable, Equatable {
        package let at: Timestamp
        package let offsetMicros: Int64

        package init(at: Timestamp, offsetMicros: Int64) {
            self.at = at
            self.offsetMicros = offsetMicros
        }
    }

    package static let utc = LocalTime(changes: [])
    static let minute: Int64 = 60_000_000
    static let day: Int64 = 1_440 * minute
    private let changes: [Change]

    /// `changes` are in order; before the first, its offset counts too.
    package init(changes: [Change]) { self.changes = changes }

    private func offset(at time: Timestamp) -> Int64 {
        (changes.last { $0.at <= time } ?? changes.first)?.offsetMicros ?? 0
    }

    /// Microseconds since 1970 that a clock on the wall shows.
    package func localMicros(at time: Timestamp) -> Int64 { time.micros + offset(at: time) }

    /// When clocks show `local`: once; twice where they were put back, and at the jump where it jumped over it.
    package func instants(ofLocal local: Int64) -> [Timestamp] {
        let offsets = changes.isEmpty ? [0] : changes.map(\.offsetMicros)
        let found = Set(offsets.map { Timestamp(micros: local - $0) }.filter { localMicros(at: $0) == local })
        guard found.isEmpty else { return found.sorted() }
        return changes.dropFirst().filter { change in
            let before = localMicros(at: change.at.advanced(byMicros: -1))
            return before < local && local < localMicros(at: change.at)
        }.map(\.at)
    }
}

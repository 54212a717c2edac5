/// What is missing of a stretch of a stream, as ranges of sequences; told from the front on.
package struct Holes: Sendable {
    /// Sequences that are not missing, whatever is told, in order.
    private let kept: [UInt64]
    private var place = 0
    package private(set) var ranges: [ClosedRange<UInt64>] = []

    package init(butFor kept: [UInt64]) { self.kept = kept }

    /// Notes that everything from `first` through `last` is missing; nothing where that is no range.
    package mutating func add(_ first: UInt64, through last: UInt64) {
        var next = first
        while place < kept.count, kept[place] < first { place += 1 }
        while place < kept.count, kept[place] <= last {
            append(next, through: kept[place] - 1)
            next = kept[place] + 1
            place += 1
        }
        append(next, through: last)
    }

    private mutating func append(_ first: UInt64, through last: UInt64) {
        guard first <= last else { return }
        if let before = ranges.last, before.upperBound + 1 == first {
            ranges[ranges.count - 1] = before.lowerBound...last
        } else {
            ranges.append(first...last)
        }
    }

    /// The ranges, or one over all of them where they are more than `limit`: a row each would help nobody.
    package func ranges(atMost limit: Int) -> [ClosedRange<UInt64>] {
        guard ranges.count > limit, let first = ranges.first, let last = ranges.last else { return ranges }
        return [first.lowerBound...last.upperBound]
    }
}

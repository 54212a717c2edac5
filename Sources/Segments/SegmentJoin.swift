/// Which neighbouring segments of a series are joined: pure, decided from their headers.
///
/// While more may follow, segments are joined where they fill one, or into one that is four times as large as any of
/// them: a row is then rewritten log(n) times and not once for each segment that follows. When nothing follows, every
/// neighbour that fits is joined.
package struct SegmentJoin: Sendable {
    private let limits: SegmentEncoder.Limits
    private let isGrowing: Bool
    /// How many times as large as its largest part a joined segment is.
    private static let growth = 4

    package init(limits: SegmentEncoder.Limits, isGrowing: Bool) {
        (self.limits, self.isGrowing) = (limits, isGrowing)
    }

    /// A segment: its rows, and the bytes that these take while they wait for the encoder.
    package struct Part: Sendable {
        package var rows: Int
        package var bytes: Int

        package init(rows: Int, bytes: Int) { (self.rows, self.bytes) = (rows, bytes) }
    }

    /// The runs of two and more that become one segment each, of the segments of one series, oldest first.
    package func runs(of parts: [Part]) -> [Range<Int>] {
        let weights = parts.map(weight)
        var runs: [Range<Int>] = []
        var start = 0
        while start < parts.count {
            if let end = end(of: weights, from: start) {
                runs.append(start..<end)
                start = end
            } else {
                start += 1
            }
        }
        return runs
    }

    /// Bytes, or what share of them the rows are of a whole segment.
    private func weight(_ part: Part) -> Int { max(part.bytes, part.rows * limits.bytes / limits.rows) }

    /// Where the longest run that is worth it ends.
    private func end(of weights: [Int], from start: Int) -> Int? {
        var (total, largest, found) = (0, 0, Int?.none)
        let full = limits.bytes / 4 * 3
        for index in start..<weights.count {
            total += weights[index]
            largest = max(largest, weights[index])
            guard total <= limits.bytes else { break }
            guard index > start else { continue }
            let isWorthIt = !isGrowing || total >= Self.growth * largest || total >= full && largest < full
            if isWorthIt { found = index + 1 }
        }
        return found
    }
}

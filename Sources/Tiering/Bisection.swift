import Digest
package import Records

/// Finds the rows in which hot and cold differ, though all that is known is that a range's sums do.
///
/// Both tiers are summed in slices of the range, and only slices that differ are looked into, until what is left is few
/// enough to be compared by key: memory does not grow with the range.
package struct Bisection<Source: ArchiveSource, Target: ArchiveTarget> {
    /// Slices that a range is cut into at each step, and rows few enough to be compared by key.
    private static var slices: Int64 { 32 }
    private static var few: Int { 500 }

    private let source: Source
    private let target: Target
    private let type: RecordType
    /// Hot holds everything that cold must hold; else cold may hold what hot lacks, because hot was pruned.
    private let isWhole: Bool
    /// The part of hot that is looked at; nil for all of it.
    private let filter: TransferFilter?
    private var found: Differences

    package init(
        source: Source,
        target: Target,
        type: RecordType,
        isWhole: Bool,
        filter: TransferFilter? = nil,
        limit: Int
    ) {
        self.source = source
        self.target = target
        self.type = type
        self.isWhole = isWhole
        self.filter = filter
        found = Differences(limit: limit)
    }

    package mutating func differences(in range: TimeRange) async throws(StoreError) -> Differences {
        try await look(into: range)
        return found
    }

    private mutating func look(into range: TimeRange) async throws(StoreError) {
        let width = max((range.end.micros - range.start.micros + Self.slices - 1) / Self.slices, 1)
        let hot = try await readHot(range) { rows throws(StoreError) in
            try await sums(of: rows, from: range.start, width, "hot")
        }
        let cold = try await sums(of: try await target.read(type, in: range), from: range.start, width, "cold")
        for (index, (here, there)) in zip(hot, cold).enumerated() where here != there {
            if !isWhole && here.rows == 0 { continue }
            let start = range.start.advanced(byMicros: Int64(index) * width)
            let slice = TimeRange(start: start, end: min(start.advanced(byMicros: width), range.end))
            if found.isFull && (here.rows == 0 || there.rows == 0) {
                found.add(unnamed: here.rows + there.rows)
            } else if here.rows + there.rows <= Self.few || width == 1 {
                try await compare(slice)
            } else {
                try await look(into: slice)
            }
        }
    }

    private func readHot<R: Sendable>(
        _ range: TimeRange,
        _ body: (Source.Snapshot) async throws(StoreError) -> R
    ) async throws(StoreError) -> R {
        let snapshot = try await source.openSnapshot(of: type, in: range, filter: filter)
        do throws(StoreError) {
            let read = try await body(snapshot)
            await snapshot.close()
            return read
        } catch {
            await snapshot.close()
            throw error
        }
    }

    private func sums(
        of rows: some RowStream,
        from start: Timestamp,
        _ width: Int64,
        _ tier: String
    ) async throws(StoreError) -> [Summary] {
        let digester = ContentDigester(type: type)
        var sums = [Summary](repeating: .zero, count: Int(Self.slices))
        try await rows.forEach { chunk throws(StoreError) in
            try readable(tier) { () throws(CopyRowError) in
                try digester.summarize(chunk.span) { reader, row throws(CopyRowError) in
                    guard let ts = try reader.timestamp(0, in: chunk.span) else { return }
                    let slice = (ts.micros - start.micros) / width
                    if 0..<Self.slices ~= slice { sums[Int(slice)] += row }
                }
            }
        }
        return sums
    }

    // MARK: By key

    /// Rows of one natural key, by what they say: more than one only where hot has no key.
    private typealias Versions = [Digest128: [UInt8]]

    private mutating func compare(_ range: TimeRange) async throws(StoreError) {
        let hot = try await readHot(range) { rows throws(StoreError) in try await versions(of: rows, "hot") }
        let cold = try await versions(of: try await target.read(type, in: range), "cold")
        // What came late with a key that cold holds otherwise is kept beside it, and is no difference.
        let kept =
            isWhole ? [:] : try await versions(of: try await target.readConflicts(type, in: range), "cold")
        let text = RowText(type: type)
        for key in Set(hot.keys).union(isWhole ? Set(cold.keys) : []).sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            let (here, there) = (hot[key] ?? [:], cold[key] ?? [:])
            let missing = here.filter { there[$0.key] == nil && kept[key]?[$0.key] == nil }
            let added = isWhole ? there.filter { here[$0.key] == nil } : there
            guard !missing.isEmpty || (isWhole && !added.isEmpty) else { continue }
            try readable("cold") { () throws(CopyRowError) in
                try found.add(text, hot: missing.first?.value, cold: added.first?.value, type: type)
            }
        }
    }

    private func versions(of rows: some RowStream, _ tier: String) async throws(StoreError) -> [[UInt8]: Versions] {
        let (digester, identity) = (ContentDigester(type: type), RowIdentity(type: type))
        var versions: [[UInt8]: Versions] = [:]
        try await rows.forEach { chunk throws(StoreError) in
            try readable(tier) { () throws(CopyRowError) in
                try digester.summarize(chunk.span) { reader, row throws(CopyRowError) in
                    var key = RowWriter()
                    try identity.appendKey(of: reader.fields, in: chunk.span, to: &key)
                    versions[key.bytes, default: [:]][row.digest] = Array(chunk[reader.rowStart..<reader.position])
                }
            }
        }
        return versions
    }
}

import Digest
import Platform
import Postgres
import Records
import Segments
import Tiering

/// Brings one partition of cold into the format that it is to have, in transactions of the caller's.
struct PartitionPack {
    let type: RecordType
    let partition: Partition
    let connection: PostgresConnection
    let operation: String
    let settings: ArchiveSettings
    /// Whether more may follow.
    let isGrowing: Bool
    /// Before this nothing is plain any more, or stays so.
    private var from: Timestamp
    /// Whether the table of its plain rows takes room, though none is left.
    private(set) var takesRoom = false

    init(
        _ partition: Partition,
        of type: RecordType,
        _ connection: PostgresConnection,
        _ operation: String,
        _ settings: ArchiveSettings,
        isGrowing: Bool
    ) {
        (self.type, self.partition, self.connection, self.operation) = (type, partition, connection, operation)
        (self.settings, self.isGrowing, from) = (settings, isGrowing, partition.range.start)
    }

    /// Packs or unpacks what comes next, about so many rows at most; with a partition where nothing is left.
    mutating func step(atMost rows: Int, unless isStopping: () -> Bool) async throws(StoreError) -> Packed {
        guard settings.format == .segments else { return try await unpack(atMost: rows) }
        let end = partition.range.end
        if from < end, let plain = try await nextPlain(TimeRange(start: from, end: end)) {
            from = plain.end
            return try await pack(plain)
        }
        let joined = try await join(atMost: rows, unless: isStopping)
        if joined.partitions == 1, !isGrowing {
            takesRoom = try await ask(ColdSQL.isEmptied(partition)).first?[0] == "t"
        }
        return joined
    }

    /// When it is looked at again though nothing is left to pack: once nothing follows, and while it takes room.
    func again(after now: Timestamp) -> Timestamp? {
        guard settings.format == .segments else { return nil }
        // An hour: rows that are gone take room as long as the longest transaction may see them.
        return isGrowing ? partition.range.end : takesRoom ? now.advanced(byMicros: 3_600_000_000) : nil
    }

    // MARK: Pack

    private var repack: SegmentRepack {
        SegmentRepack(type: type, connection: connection, operation: operation, settings: settings, measures: true)
    }

    private func nextPlain(_ range: TimeRange) async throws(StoreError) -> TimeRange? {
        guard let row = try await ask(ColdSQL.nextPlain(type, range, settings.segments)).first,
            let first = row[0].flatMap(Int64.init), let last = row[1].flatMap(Int64.init)
        else { return nil }
        return TimeRange(start: Timestamp(micros: first), end: Timestamp(micros: last + 1))
    }

    /// Packs plain rows: of all series at once where no segments are among them.
    private func pack(_ range: TimeRange) async throws(StoreError) -> Packed {
        let (type, connection) = (type, connection)
        let isMixed = try await at("cold", operation) { () throws(PostgresError) in
            try await connection.execute(ColdSQL.holdsSegments(type, range)).scalar != "f"
        }
        if !isMixed, let packed = try await repack.pack(range) { return packed }
        return try await repack.run(range)
    }

    /// Joins small neighbours, series by series.
    private func join(atMost limit: Int, unless isStopping: () -> Bool) async throws(StoreError) -> Packed {
        let plan = SegmentJoin(limits: settings.segments, isGrowing: isGrowing)
        var sum = Packed()
        for row in try await ask(ColdSQL.splitSeries(type, partition.range)) {
            let series = row.compactMap(\.self)
            let found = try await ask(ColdSQL.parts(type, series, partition.range))
            let numbers = found.map { $0.compactMap { $0.flatMap(Int64.init) } }
            guard series.count == 3, numbers.allSatisfy({ $0.count == 4 }) else { throw corrupt("a broken answer") }
            let parts = numbers.map { SegmentJoin.Part(rows: Int($0[2]), bytes: Int($0[3])) }
            for (run, count) in together(plan.runs(of: parts), parts) {
                if sum.rows >= limit || isStopping() { return sum }
                let end = Timestamp(micros: numbers[run.upperBound - 1][1] + 1)
                let range = TimeRange(start: Timestamp(micros: numbers[run.lowerBound][0]), end: end)
                let rows = parts[run].reduce(0) { $0 + $1.rows }
                sum += try await repack.pack(range, of: series, rows: rows, into: count) ?? Packed()
            }
        }
        sum.partitions = 1
        return sum
    }

    /// Runs that follow each other are read at once, and as many segments come of them; as much as may wait.
    private func together(_ runs: [Range<Int>], _ parts: [SegmentJoin.Part]) -> [(Range<Int>, count: Int)] {
        runs.reduce(into: []) { joined, run in
            if let (last, count) = joined.last, last.upperBound == run.lowerBound,
                parts[last.lowerBound..<run.upperBound].reduce(0, { $0 + $1.bytes }) <= settings.segments.bytes
            {
                joined[joined.count - 1] = (last.lowerBound..<run.upperBound, count + 1)
            } else {
                joined.append((run, 1))
            }
        }
    }

    // MARK: Unpack

    private func unpack(atMost limit: Int) async throws(StoreError) -> Packed {
        let rows = min(limit, settings.segments.bytes / ColdSQL.rowBytes)
        let next = try await ask(ColdSQL.nextSegments(type, partition.range, rows: rows)).first
        let times = next?.compactMap { $0.flatMap(Int64.init) } ?? []
        guard times.count == 3 else {
            var done = Packed()
            done.partitions = 1
            return done
        }
        let begins = TimeRange(start: Timestamp(micros: times[0]), end: Timestamp(micros: times[1] + 1))
        let whole = TimeRange(start: begins.start, end: Timestamp(micros: times[2] + 1))
        var expected = Summary.zero
        for row in try await ask(ColdSQL.summaries(type, begins)) {
            guard let summary = LedgerRow.summary(row[0], row[1]) else { throw corrupt("a segment without a digest") }
            expected += summary
        }
        let before = try await repack.storedBytes(whole)
        let (type, connection) = (type, connection)
        try await at("cold", operation) { () throws(PostgresError) in
            try await connection.beginCopyOut(ColdSQL.unpackSegments(type, begins))
        }
        let back = try await repack.rows().summary(of: type, tier: "cold")
        guard back == expected else { throw corrupt("segments of \(expected) became \(back)") }
        return Packed(rows: back.rows, bytesBefore: before, bytesAfter: try await repack.storedBytes(whole))
    }

    private func ask(_ sql: String) async throws(StoreError) -> [[String?]] {
        let connection = connection
        return try await at("cold", operation) { () throws(PostgresError) in try await connection.execute(sql).rows }
    }

    private func corrupt(_ detail: String) -> StoreError {
        StoreError(.corrupt, .halt, tier: "cold", operation: operation, detail: detail)
    }
}

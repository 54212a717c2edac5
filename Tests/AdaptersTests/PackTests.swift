import Adapters
import Digest
import Platform
import Postgres
import PrivateServers
import Records
import Simulation
import TestSupport
import Testing
import Tiering

/// Cold is brought into `cold.format`, in both directions, and nobody who reads it notices.
@Suite(.slow, .privatePostgres, .timeLimit(.minutes(5))) struct PackTests {
    static let rate = Catalog.standard.types[2]
    static let start = Timestamp(micros: 1_796_000_400_000_000)
    /// Months and days of the rows are over.
    static let past = start.advanced(byMicros: 90 * 86_400_000_000)

    /// A cold tier that holds hours of random rows, each copied as a range of its own and settled.
    struct Cold {
        var tiers: Tiers
        let type: RecordType
        var archive: PostgresArchiveTests.Archive
        var expected: [TimeRange: Summary] = [:]

        init(_ type: RecordType, _ format: ColdFormat) async throws {
            self.type = type
            tiers = try await Tiers(format: .segments)
            tiers.format = format
            archive = try await PostgresArchiveTests.Archive(tiers)
        }

        /// The next archiver, with another `cold.format`.
        mutating func turn(to format: ColdFormat) async throws {
            await archive.close()
            tiers.format = format
            try await tiers.tell(tiers.cold, "UPDATE thermocline_store.archive_lease SET expires_at = '-infinity'")
            archive = try await PostgresArchiveTests.Archive(tiers)
        }

        mutating func copy(hours: Range<Int64>, rows count: Int, merges: Bool = false) async throws {
            for hour in hours {
                let begin = PackTests.start.advanced(byMicros: hour * Tiers.bucket)
                let range = TimeRange(containing: begin, width: Tiers.bucket)
                var random = RandomRows(type, seed: UInt64(hour))
                random.ts = range.start.micros
                let rows = random.rows(count)
                try await copy(rows, into: range, merges: merges)
                expected[range] = try ContentDigester(type: type).summarize(rows.span)
            }
            try await settle()
        }

        func copy(_ rows: [UInt8], into range: TimeRange, merges: Bool) async throws {
            let summary = try ContentDigester(type: type).summarize(rows.span)
            let transfer = Transfer(id: RandomID.uuid(), type: type.name, range: range)
            let copy = try await archive.target.beginCopy(transfer, type: type, merges: merges)
            do {
                try await copy.write(rows)
                _ = try await copy.commit(hot: summary, stamp: "1")
            } catch {
                await copy.abandon()
                throw error
            }
        }

        func settle(_ state: String = "verified") async throws {
            try await tiers.tell(tiers.cold, "UPDATE thermocline_store.transfer SET state = '\(state)'")
        }

        func pack(atMost rows: Int = 1_000_000, at now: Timestamp = PackTests.past) async throws -> Packed {
            var sum = Packed()
            for waiting in try await archive.target.unpacked(of: [type], at: now) {
                sum += try await archive.target.pack(waiting, type: type, atMost: rows, at: now) { false }
            }
            return sum
        }

        /// Segments and plain rows.
        func held() async throws -> [Int] {
            var counts: [Int] = []
            for table in ["segment_\(type.name)", type.name] {
                let sql = "SELECT count(*) FROM thermocline_store.\(table)"
                counts.append(Int(try await tiers.ask(tiers.cold, sql) ?? "") ?? -1)
            }
            return counts
        }

        func isAsProved() async throws -> Bool {
            for (range, summary) in expected {
                let found = try await archive.target.read(type, in: range).summary(of: type, tier: "cold")
                if found != summary { return false }
            }
            let count = try await tiers.ask(tiers.cold, "SELECT count(*) FROM thermocline.\(type.name)")
            return count == "\(expected.values.reduce(0) { $0 + $1.rows })"
        }

        func close() async { await archive.close() }
    }

    @Test(arguments: Catalog.underTest.types)
    func `plain rows become segments, these become plain rows, and both are what was proved`(
        type: RecordType
    ) async throws {
        var cold = try await Cold(type, .rows)
        try await cold.copy(hours: 0..<3, rows: 100)
        #expect(try await cold.pack().rows == 0)
        #expect(try await cold.held() == [0, 300])

        try await cold.turn(to: .segments)
        let packed = try await cold.pack()
        #expect(packed.rows >= 300 && packed.partitions == 1)
        let held = try await cold.held()
        #expect(held[0] == 4 && held[1] == 0, "a segment for each series")
        #expect(try await cold.isAsProved())
        #expect(try await cold.pack() == Packed(), "once")

        try await cold.turn(to: .rows)
        let unpacked = try await cold.pack()
        #expect(unpacked.rows == 300 && unpacked.partitions == 1)
        #expect(try await cold.held() == [0, 300])
        #expect(try await cold.isAsProved())
        #expect(try await cold.pack() == Packed(), "once")
        await cold.close()
    }

    @Test func `small segments are joined, a few at a time while they grow`() async throws {
        var cold = try await Cold(Self.rate, .segments)
        try await cold.copy(hours: 0..<10, rows: 40)
        #expect(try await cold.held()[0] == 40)
        #expect(try await cold.pack(at: Self.start).partitions == 1)
        #expect(try await cold.held()[0] == 4)
        #expect(try await cold.isAsProved())
        #expect(try await cold.pack(at: Self.start) == Packed(), "nothing came")

        try await cold.copy(hours: 10..<12, rows: 40)
        #expect(try await cold.pack(at: Self.start).rows == 0, "too little came")
        #expect(try await cold.held()[0] == 12)
        #expect(try await cold.pack(at: Self.past).partitions == 1, "nothing follows")
        #expect(try await cold.held() == [4, 0])
        #expect(try await cold.isAsProved())
        #expect(try await cold.tiers.ask(cold.tiers.cold, "SELECT count(*) FROM thermocline_store.packing") == "0")
        await cold.close()
    }

    @Test func `a pass packs so many rows, and the next one goes on`() async throws {
        var cold = try await Cold(Self.rate, .segments)
        try await cold.copy(hours: 0..<4, rows: 100)
        let first = try await cold.pack(atMost: 1)
        #expect(first.rows > 0 && first.rows < 200 && first.partitions == 0)
        #expect(try await cold.isAsProved())
        #expect(try await cold.pack().partitions == 1)
        #expect(try await cold.held() == [4, 0])
        #expect(try await cold.isAsProved())
        await cold.close()
    }

    @Test func `a partition of which something is on its way waits`() async throws {
        var cold = try await Cold(Self.rate, .segments)
        try await cold.copy(hours: 0..<2, rows: 20)
        for state in ["planned", "copied", "mismatched", "unaccounted", "failed"] {
            try await cold.settle(state)
            #expect(try await cold.pack() == Packed())
        }
        try await cold.tiers.tell(cold.tiers.cold, "UPDATE thermocline_store.transfer SET staging = 'staging_1'")
        try await cold.settle("verified")
        #expect(try await cold.pack() == Packed())
        try await cold.tiers.tell(cold.tiers.cold, "UPDATE thermocline_store.transfer SET staging = NULL")
        try await cold.settle("pruned")
        #expect(try await cold.pack().partitions == 1)
        await cold.close()
    }

    @Test func `a partition that somebody else has waits, and a reader is in nobody's way`() async throws {
        var cold = try await Cold(Self.rate, .segments)
        try await cold.copy(hours: 0..<2, rows: 20)
        let before = try await cold.held()
        let other = try await PostgresConnection(cold.tiers.cold, applicationName: "test")
        try await other.begin()
        let partition = "thermocline_store.\(Self.rate.name)_p202611"
        _ = try await other.execute("LOCK TABLE \(partition) IN SHARE UPDATE EXCLUSIVE MODE")
        #expect(try await cold.pack() == Packed())
        #expect(try await cold.held() == before)
        await other.rollback()

        try await other.begin(.snapshot)
        let count = "SELECT count(*), sum(stream_seq) FROM thermocline.\(Self.rate.name)"
        let seen = try await other.execute(count).rows
        #expect(try await cold.pack().partitions == 1)
        #expect(try await other.execute(count).rows == seen)
        await other.close()
        await cold.close()
    }

    @Test(arguments: ["ts_base = ts_base + 1000000", "rows = rows - 1", "digest = repeat('0', 32)"])
    func `a damaged segment stays as it is and is told`(damage: String) async throws {
        var cold = try await Cold(Self.rate, .segments)
        try await cold.copy(hours: 0..<1, rows: 50)
        try await cold.turn(to: .rows)
        try await cold.tiers.tell(cold.tiers.cold, "UPDATE thermocline_store.segment_\(Self.rate.name) SET \(damage)")
        let before = try await cold.held()
        let error = await #expect(throws: StoreError.self) { try await cold.pack() }
        #expect([.corrupt, .rejected].contains(error?.code))
        #expect(try await cold.held() == before)
        await cold.close()
    }

    @Test func `a range that was missing is merged into the segment that reaches over it`() async throws {
        var cold = try await Cold(Self.rate, .segments)
        try await cold.copy(hours: 0..<1, rows: 40)
        try await cold.copy(hours: 2..<3, rows: 40)
        #expect(try await cold.pack().partitions == 1)
        #expect(try await cold.held() == [4, 0])
        let error = await #expect(throws: StoreError.self) { try await cold.copy(hours: 1..<2, rows: 40) }
        #expect(error?.sqlState == "23505")
        try await cold.copy(hours: 1..<2, rows: 40, merges: true)
        #expect(try await cold.held() == [4, 0])
        #expect(try await cold.isAsProved())
        await cold.close()
    }

    @Test func `a copy that was begun before its partition is packed is there after it`() async throws {
        var cold = try await Cold(Self.rate, .segments)
        try await cold.copy(hours: 0..<2, rows: 40)
        let other = cold.archive
        let target = try await other.tiers.openTarget(other.token)
        let range = TimeRange(containing: Self.start.advanced(byMicros: 2 * Tiers.bucket), width: Tiers.bucket)
        var random = RandomRows(Self.rate, seed: 9)
        random.ts = range.start.micros
        let rows = random.rows(40)
        let summary = try ContentDigester(type: Self.rate).summarize(rows.span)
        let transfer = Transfer(id: RandomID.uuid(), type: Self.rate.name, range: range)
        let copy = try await target.beginCopy(transfer, type: Self.rate, merges: false)
        try await copy.write(rows)
        #expect(try await cold.pack().partitions == 1)
        _ = try await copy.commit(hot: summary, stamp: "1")
        cold.expected[range] = summary
        try await cold.settle()
        #expect(try await cold.held() == [8, 0])
        #expect(try await cold.pack().partitions == 1, "it waits again")
        #expect(try await cold.held() == [4, 0])
        #expect(try await cold.isAsProved())
        await target.close()
        await cold.close()
    }

    @Test func `cold lets go of a range in the middle of a joined segment, and the rest is packed again`() async throws
    {
        var cold = try await Cold(Self.rate, .segments)
        try await cold.copy(hours: 0..<3, rows: 40)
        #expect(try await cold.pack().partitions == 1)
        try await cold.settle("pruned")
        let middle = try await cold.archive.target.ledger().sorted { $0.range.start < $1.range.start }[1]
        #expect(try await cold.archive.target.expire([middle], type: Self.rate).map(\.state) == [.expired])
        cold.expected[middle.range] = nil
        #expect(try await cold.held() == [0, 80])
        #expect(try await cold.isAsProved())
        #expect(try await cold.pack().partitions == 1)
        #expect(try await cold.held() == [4, 0])
        #expect(try await cold.isAsProved())
        await cold.close()
    }

    @Test func `an emptied table gives its room back once nobody sees what was in it`() async throws {
        var cold = try await Cold(Self.rate, .rows)
        try await cold.copy(hours: 0..<1, rows: 2_000)
        let size = "SELECT pg_total_relation_size('thermocline_store.\(Self.rate.name)_p202611') > 65536"
        let waiting = "SELECT count(*) FROM thermocline_store.packing"
        try await cold.turn(to: .segments)
        let reader = try await PostgresConnection(cold.tiers.cold, applicationName: "test")
        try await reader.begin(.snapshot)
        let count = "SELECT count(*) FROM thermocline.\(Self.rate.name)"
        #expect(try await reader.execute("SELECT count(*) FROM thermocline_store.packing").scalar == "0")
        #expect(try await cold.pack().rows == 2_000)
        #expect(try await cold.tiers.ask(cold.tiers.cold, size) == "t")
        #expect(try await reader.execute(count).scalar == "2000")
        #expect(try await cold.tiers.ask(cold.tiers.cold, waiting) == "1")
        await reader.close()

        #expect(try await cold.pack() == Packed(), "not at once")
        // The reader's session may still be about to end.
        var hours: Int64 = 0
        try await poll("the room is given back") {
            hours += 2
            _ = try await cold.pack(at: Self.past.advanced(byMicros: hours * 3_600_000_000))
            return try await cold.tiers.ask(cold.tiers.cold, waiting) == "0"
        }
        #expect(try await cold.tiers.ask(cold.tiers.cold, size) == "f")
        #expect(try await cold.isAsProved())
        await cold.close()
    }

    @Test func `rows that no segment can say stay plain, the others do not`() async throws {
        var cold = try await Cold(Self.rate, .rows)
        try await cold.copy(hours: 0..<1, rows: 50)
        let far = 10_000_000_000_000_000 - Self.start.micros
        let hour = far / Tiers.bucket
        try await cold.copy(hours: hour..<hour + 1, rows: 10)
        try await cold.turn(to: .segments)
        #expect(try await cold.pack(at: Timestamp(micros: 20_000_000_000_000_000)).partitions == 2)
        #expect(try await cold.held() == [4, 10])
        #expect(try await cold.isAsProved())
        await cold.close()
    }
}

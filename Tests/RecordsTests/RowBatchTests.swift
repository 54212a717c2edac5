import Records
import Simulation
import TestSupport
import Testing

/// A batch keeps the first of equal keys, sorts by time, and is never left half written.
struct RowBatchTests {
    private func append(
        _ type: RecordType,
        _ values: [String: String] = [:],
        number: Int = 0,
        sequence: UInt64,
        to rows: inout RowBatch
    ) throws {
        let message = SampleMessage(type, number: number, values: values)
        let decoder = RecordDecoder(type: type, catalog: .underTest)
        let origin = MessageOrigin(sequence: sequence, time: streamTime, receivedAt: streamTime)
        try decoder.decode(message.payload.span, subject: Array(message.subject.utf8).span, origin: origin, into: &rows)
    }

    @Test(arguments: Catalog.underTest.types)
    func `the first of equal rows stays and the rest is sorted by time`(_ type: RecordType) throws {
        var rows = RowBatch()
        for (sequence, number) in [5, 2, 5, 0, 2, 9].enumerated() {
            try append(type, ["note": "\(number)"], number: number, sequence: UInt64(sequence), to: &rows)
        }
        #expect(rows.count == 6)
        #expect(rows.deduplicateAndSort(as: type) == 2)
        #expect(!rows.hasContestedKeys)
        #expect(rows.rows.map(\.sequence) == [3, 1, 0, 5])
        #expect(rows.repeats(of: rows.rows[1]) == [4] && rows.repeats(of: rows.rows[2]) == [2])
        #expect(rows.rows.map(\.ts) == rows.rows.map(\.ts).sorted())
        let read = try RowValues.all(rows.copyBytes(), of: type)
        #expect(read.map { $0["extra"] } == [0, 2, 5, 9].map { .json(#"{"note": \#($0)}"#) })
        #expect(
            try RowValues.all(rows.copyBytes(1..<3), of: type).map { $0["stream_seq"] } == [.integer(1), .integer(0)]
        )
        #expect(rows.deduplicateAndSort(as: type) == 0)
        rows.removeAll()
        #expect(rows.isEmpty && rows.copyBytes().isEmpty)
    }

    @Test(arguments: [[0, 1, 1, 2], [0, 2, 1, 3], [3, 2, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0], [2, 2, 3, 0]])
    func `rows of one instant are put in order wherever they stand`(_ instants: [Int]) throws {
        let type = RecordType.testReading
        var rows = RowBatch()
        for (sequence, instant) in instants.enumerated() {
            let time = "\(1_795_000_000_000 + instant)"
            // The labels fall: of one instant the last comes first.
            let values = ["reading_ts_ms": time, "label": "\"\(9 - sequence)\""]
            try append(type, values, sequence: UInt64(sequence), to: &rows)
        }
        #expect(rows.deduplicateAndSort(as: type) == 0 && !rows.hasContestedKeys)
        let keys = rows.rows.map { rows.key(of: $0) }
        for (a, b) in zip(keys, keys.dropFirst()) { #expect(a.lexicographicallyPrecedes(b)) }
        let copied = try RowValues.all(rows.copyBytes(), of: type).map { $0["stream_seq"] }
        #expect(copied == rows.rows.map { .integer(Int64($0.sequence)) })
    }

    @Test func `a repeat in a batch that came in order is not copied`() throws {
        let type = RecordType.testReading
        var rows = RowBatch()
        for (sequence, number) in [0, 0, 1].enumerated() {
            try append(type, number: number, sequence: UInt64(sequence), to: &rows)
        }
        #expect(rows.deduplicateAndSort(as: type) == 1)
        let copied = try RowValues.all(rows.copyBytes(), of: type).map { $0["stream_seq"] }
        #expect(copied == [.integer(0), .integer(2)])
    }

    /// Milliseconds that the times of a batch are apart at most: one instant, a second, a day, ten years.
    @Test(arguments: [0, 3, 1_000, 86_400_000, 315_000_000_000])
    func `a batch is ordered as a plain sort by time, key and arrival would`(_ width: Int) throws {
        let type = RecordType.testReading
        var generator = SeededGenerator(seed: UInt64(width))
        for _ in 0..<20 {
            var rows = RowBatch()
            for sequence in 0..<UInt64.random(in: 1...60, using: &generator) {
                let time = "\(1_400_000_000_000 + Int.random(in: 0...width, using: &generator))"
                let label = "\"\(String(repeating: "x", count: 9))\(Int.random(in: 0...5, using: &generator))\""
                // Each with content of its own, so that nothing is a repeat.
                let values = ["reading_ts_ms": time, "label": label, "note": "\(sequence)"]
                try append(type, values, sequence: sequence, to: &rows)
            }
            let expected = rows.rows.map { ($0.ts, rows.key(of: $0), $0.sequence) }.sorted {
                if $0.0 != $1.0 { return $0.0 < $1.0 }
                return $0.1 == $1.1 ? $0.2 < $1.2 : $0.1.lexicographicallyPrecedes($1.1)
            }
            #expect(rows.deduplicateAndSort(as: type) == 0)
            #expect(rows.rows.map(\.sequence) == expected.map(\.2))
        }
    }

    @Test(arguments: Catalog.underTest.types)
    func `a repeat is not copied, though all came in order`(_ type: RecordType) throws {
        var rows = RowBatch()
        for (sequence, number) in [1, 2, 2, 3].enumerated() {
            try append(type, number: number, sequence: UInt64(sequence), to: &rows)
        }
        #expect(rows.deduplicateAndSort(as: type) == 1)
        let copied = try RowValues.all(rows.copyBytes(), of: type).map { $0["stream_seq"] }
        #expect(copied == [.integer(0), .integer(1), .integer(3)])
    }

    @Test(arguments: Catalog.underTest.types)
    func `rows of one key and other content stay side by side as they came`(_ type: RecordType) throws {
        var rows = RowBatch()
        for (sequence, note) in [1, 2, 1, 2, 3].enumerated() {
            try append(type, ["note": "\(note)"], number: 4, sequence: UInt64(sequence), to: &rows)
        }
        try append(type, number: 1, sequence: 5, to: &rows)
        // What repeats a row that is not the first of its key stays too: the table tells what it is.
        #expect(rows.deduplicateAndSort(as: type) == 1)
        #expect(rows.hasContestedKeys)
        #expect(rows.rows.map(\.sequence) == [5, 0, 1, 3, 4])
        #expect(rows.deduplicateAndSort(as: type) == 0)
        #expect(rows.rows.map(\.sequence) == [5, 0, 1, 3, 4])
    }

    @Test(arguments: Catalog.underTest.types)
    func `how a number is written and how a message came is no content`(_ type: RecordType) throws {
        var values: [String: String] = [:]
        for column in type.columns where column.kind == .decimal {
            if case .keys(let keys) = column.source { values[keys[0]] = "150E-2" }
        }
        var rows = RowBatch()
        try append(type, values, sequence: 1, to: &rows)
        try append(type, values.mapValues { _ in #""1.5000""# }, sequence: 2, to: &rows)
        if !type.eventTimeKeys.isEmpty {
            try append(type, values.merging(["ts_ms": "1795000000999"]) { $1 }, sequence: 3, to: &rows)
        }
        let count = rows.count
        #expect(rows.deduplicateAndSort(as: type) == count - 1 && !rows.hasContestedKeys)
    }

    @Test func `a batch that came in order, and one of a type without keys, keep their bytes`() throws {
        var rows = RowBatch()
        var type = RecordType.testReading
        for number in 0..<5 { try append(type, number: number, sequence: UInt64(number), to: &rows) }
        #expect(rows.deduplicateAndSort(as: type) == 0)
        #expect(rows.copyBytes() == rows.bytes)
        for number in [3, 1, 1] { try append(type, number: number, sequence: UInt64(number + 9), to: &rows) }
        type.dedupe = .position
        #expect(rows.deduplicateAndSort(as: type) == 0)
        #expect(rows.rows.map(\.sequence) == [0, 1, 2, 3, 4, 12, 10, 10])
    }

    @Test(arguments: Catalog.underTest.types)
    func `a refused message leaves the batch as it was`(_ type: RecordType) throws {
        var rows = RowBatch()
        try append(type, sequence: 1, to: &rows)
        let before = rows.copyBytes()
        #expect(throws: DecodeError.self) {
            try append(type, ["note": #"{"a":1,"a":2}"#], number: 1, sequence: 2, to: &rows)
        }
        #expect(rows.count == 1)
        #expect(rows.copyBytes() == before)
        try append(type, number: 1, sequence: 3, to: &rows)
        #expect(try RowValues.all(rows.copyBytes(), of: type).map { $0["stream_seq"] } == [.integer(1), .integer(3)])
    }

    @Test(arguments: Catalog.underTest.types)
    func `a natural key differs in each of its columns and in nothing else`(_ type: RecordType) throws {
        let identity = RowIdentity(type: type)
        var rows = RowBatch()
        try append(type, sequence: 1, to: &rows)
        let key = try identity.key(of: rows.bytes.span)
        #expect(key == rows.key(of: rows.rows[0]))
        for column in type.columns {
            guard case .keys(let keys) = column.source, column.kind != .json else { continue }
            let other: String
            switch column.kind {
            case .text: other = if case .oneOf(let words) = column.rule { "\"\(words[1])\"" } else { #""other""# }
            case .boolean: other = "false"
            case .decimals: other = "[7]"
            case .timestamp: other = "1795100099999"
            default: other = "777"
            }
            for value in column.isNullable ? [other, "null"] : [other] {
                var changed = RowBatch()
                try append(type, [keys[0]: value], sequence: 9, to: &changed)
                let isSame = try identity.key(of: changed.bytes.span) == key
                #expect(isSame == !type.key.contains(column.name), "\(type.name).\(column.name) \(value)")
                #expect(try identity.content(of: changed.bytes.span) != identity.content(of: rows.bytes.span))
            }
        }
    }

    @Test func `keys are equal as values are, and null equals null`() throws {
        let type = RecordType.testReading
        func key(_ values: [String: String]) throws -> [UInt8] {
            var rows = RowBatch()
            try append(type, values, sequence: 1, to: &rows)
            return rows.key(of: rows.rows[0])
        }
        #expect(try key(["amount": "1.50"]) == key(["amount": #""15E-1""#]))
        #expect(try key(["label": "null"]) == key(["label": "null", "detail": "1"]))
        #expect(try key(["label": "null"]) != key(["label": #""""#]))
        #expect(try key(["settled_at": "1723161346087"]) == key(["settled_at": #""2024-08-08T23:55:46.087Z""#]))
    }

    @Test func `memcmp of keys sorts by time first`() throws {
        let times = ["1230768000000", "946684800000000", "1500000000000", "1795000000000", "1795000000000001"]
        var keys: [[UInt8]] = []
        for time in times.dropFirst(0) where time != "946684800000000" {
            var rows = RowBatch()
            try append(.testReading, ["reading_ts_ms": time], number: 100 - keys.count, sequence: 1, to: &rows)
            keys.append(rows.key(of: rows.rows[0]))
        }
        #expect(keys.count == 4)
        for (a, b) in zip(keys, keys.dropFirst()) { #expect(a.lexicographicallyPrecedes(b)) }
    }

    @Test func `a reader walks rows and their fields, and refuses what is cut`() throws {
        let type = RecordType.testReading
        var rows = RowBatch()
        for number in 0..<3 {
            try append(type, ["revision": "null"], number: number, sequence: UInt64(number), to: &rows)
        }
        let bytes = rows.copyBytes()
        var reader = CopyRowReader(type: type)
        var starts: [Int] = []
        while try reader.next(in: bytes.span) {
            starts.append(reader.rowStart)
            #expect(try reader.timestamp(0, in: bytes.span) == rows.rows[starts.count - 1].ts)
            #expect(reader.text(1, in: bytes.span) == "binance")
            #expect(try reader.integer(5, in: bytes.span) == nil)
            #expect(try reader.boolean(8, in: bytes.span) == true)
        }
        #expect(starts == rows.rows.map(\.start))
        var other = CopyRowReader(type: Catalog.standard.types[1])
        #expect(throws: CopyRowError.self) { try other.next(in: bytes.span) }
        #expect(throws: CopyRowError.self) { try RowIdentity(type: type).key(of: bytes.span) }
    }
}

import Digest
import Records
import TestSupport
import Testing

/// A digest says the same of the same set of rows, and another thing of any other set.
struct DigestTests {
    static let types = Catalog.underTest.types
    private static let streamTime = Timestamp(milliseconds: 1_795_176_000_000)

    /// The rows of sample messages, each with its own values and sequence.
    private func rows(
        _ type: RecordType,
        _ numbers: [Int] = [0],
        _ values: [String: String] = [:],
        sequence: UInt64 = 1
    ) throws -> [UInt8] {
        let decoder = RecordDecoder(type: type, catalog: .underTest)
        var rows = RowBatch()
        for number in numbers {
            let message = SampleMessage(type, number: number, values: values)
            let origin = MessageOrigin(sequence: sequence, time: Self.streamTime, receivedAt: Self.streamTime)
            try decoder.decode(
                message.payload.span,
                subject: Array(message.subject.utf8).span,
                origin: origin,
                into: &rows
            )
        }
        return rows.copyBytes()
    }

    private func summary(_ type: RecordType, _ rows: [UInt8]) throws -> Summary {
        try ContentDigester(type: type).summarize(rows.span)
    }

    @Test(arguments: types)
    func `order and chunks do not count`(_ type: RecordType) throws {
        let all = try summary(type, rows(type, [0, 1, 2, 3]))
        #expect(all.rows == 4)
        #expect(try summary(type, rows(type, [3, 1, 0, 2])) == all)
        #expect(try summary(type, rows(type, [2, 0])) + summary(type, rows(type, [1, 3])) == all)
        #expect(try all - summary(type, rows(type, [1])) == summary(type, rows(type, [0, 2, 3])))
    }

    @Test(arguments: types)
    func `a row more, less or twice changes it`(_ type: RecordType) throws {
        let two = try summary(type, rows(type, [0, 1]))
        #expect(try summary(type, rows(type, [0])).digest != two.digest)
        #expect(try summary(type, rows(type, [0, 1, 1])).digest != two.digest)
        #expect(try summary(type, rows(type, [0, 0])).digest != summary(type, rows(type, [1, 1])).digest)
        #expect(try summary(type, rows(type, [0, 2])).digest != two.digest)
    }

    @Test(arguments: types)
    func `every changed byte of content changes it, provenance does not`(_ type: RecordType) throws {
        let row = try rows(type)
        let before = try summary(type, row)
        var reader = CopyRowReader(type: type)
        _ = try reader.next(in: row.span)
        for (index, column) in type.allColumns.enumerated() {
            let field = reader.fields[index]
            let isContent = index < type.contentColumns.count
            for offset in field.start..<field.end {
                var changed = row
                changed[offset] ^= 1
                // What is no row of the type any more is refused instead.
                guard let after = try? summary(type, changed) else { continue }
                let isScale = column.kind == .decimal && (6...7).contains(offset - field.start)
                guard column.kind != .decimals else { continue }
                #expect((after == before) == (!isContent || isScale), "\(column.name) at \(offset - field.start)")
            }
        }
        #expect(try summary(type, rows(type, sequence: 99)) == before)
    }

    @Test(arguments: types)
    func `null is not the empty text`(_ type: RecordType) throws {
        for column in type.columns where column.kind == .text && column.isNullable {
            guard case .keys(let keys) = column.source else { continue }
            let null = try summary(type, rows(type, [0], [keys[0]: "null"]))
            let empty = try summary(type, rows(type, [0], [keys[0]: #""""#]))
            #expect(null != empty, "\(column.name)")
        }
    }

    @Test(arguments: types)
    func `a value is not the same value in the next column`(_ type: RecordType) throws {
        let nullable: [(key: String, kind: Column.Kind)] = type.columns.compactMap { column in
            guard case .keys(let keys) = column.source, column.isNullable else { return nil }
            return (keys[0], column.kind)
        }
        for (a, b) in zip(nullable, nullable.dropFirst()) where a.kind == b.kind && a.kind != .timestamp {
            let value = a.kind == .text ? #""7""# : "7"
            let first = try summary(type, rows(type, [0], [a.key: value, b.key: "null"]))
            let second = try summary(type, rows(type, [0], [a.key: "null", b.key: value]))
            #expect(first != second, "\(a.key), \(b.key)")
        }
    }

    @Test(arguments: types)
    func `trailing zeros and the form of a number are not content`(_ type: RecordType) throws {
        for column in type.columns where column.kind == .decimal {
            let key: String
            switch column.source {
            case .keys(let keys), .firstOf(let keys): key = keys[0]
            case .variantKeys(let keys): key = keys[type.subjects[0].variant ?? ""]?[0] ?? ""
            default: continue
            }
            let plain = try summary(type, rows(type, [0], [key: "1.5"]))
            for text in [#""1.50""#, "1.5000", #""0.15E+1""#, "15e-1"] {
                #expect(try summary(type, rows(type, [0], [key: text])) == plain, "\(column.name) \(text)")
            }
            #expect(try summary(type, rows(type, [0], [key: "1.51"])) != plain)
        }
    }

    @Test func `a scale that the database kept is not content`() throws {
        let type = RecordType.testReading
        let row = try rows(type, [0], ["amount": "1.5"])
        var reader = CopyRowReader(type: type)
        _ = try reader.next(in: row.span)
        let amount = reader.fields[type.allColumns.firstIndex { $0.name == "amount" } ?? 0]
        var padded = Array(row[..<(amount.start - 4)])
        // 1.500000000: three groups, weight 0, positive, scale 9; the last group is zero.
        padded += [0, 0, 0, 14, 0, 3, 0, 0, 0, 0, 0, 9, 0, 1, 0x13, 0x88, 0, 0]
        padded += row[amount.end...]
        #expect(try summary(type, padded) == summary(type, row))
    }

    @Test(arguments: [
        ("[]", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0xA4]),
        // One dimension, no null, numeric, two elements from 1 on: 1.50 with its scale, and -20000.
        (
            "[1.5,-20000]",
            [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 6, 0xA4, 0, 0, 0, 2, 0, 0, 0, 1]
                + [0, 0, 0, 12, 0, 2, 0, 0, 0, 0, 0, 2, 0, 1, 0x13, 0x88]
                + [0, 0, 0, 10, 0, 1, 0, 1, 0x40, 0, 0, 0, 0, 2]
        ),
    ])
    func `a stored list and the array that a view makes of it are equal`(_ list: String, _ array: [UInt8]) throws {
        let type = RecordType.testReading
        let row = try rows(type, [0], ["weights": list])
        var reader = CopyRowReader(type: type)
        _ = try reader.next(in: row.span)
        let weights = reader.fields[type.allColumns.firstIndex { $0.name == "weights" } ?? 0]
        let read = row[..<(weights.start - 4)] + [0, 0, 0, UInt8(array.count)] + array + row[weights.end...]
        #expect(try summary(type, Array(read)) == summary(type, row))
        #expect(try summary(type, row) != summary(type, rows(type, [0], ["weights": "[1.5,-20001]"])))
    }

    @Test(arguments: [[0x1C], [0xAF], [0x1C, 0xCF], [0xC1], [0x1F, 0x1F], [0x01], [0xFF]] as [[UInt8]])
    func `bytes that are no list of decimals are refused`(_ list: [UInt8]) throws {
        let type = RecordType.testReading
        let row = try rows(type, [0], ["weights": "[1]"])
        var reader = CopyRowReader(type: type)
        _ = try reader.next(in: row.span)
        let weights = reader.fields[type.allColumns.firstIndex { $0.name == "weights" } ?? 0]
        let wrong = row[..<(weights.start - 4)] + [0, 0, 0, UInt8(list.count)] + list + row[weights.end...]
        #expect(throws: CopyRowError.self) { try summary(type, Array(wrong)) }
    }

    @Test func `extra is content in whatever spelling the database prints it`() throws {
        let type = RecordType.testReading
        let values = ["detail": #"{"b":1.50,"a":[1e2,"é\u00e9"]}"#, "note": "7"]
        let row = try rows(type, [0], values)
        #expect(try summary(type, row) != summary(type, rows(type)))
        let spelling = try rows(type, [0], ["detail": #"{ "a" : [100,"éé"],"b":1.5 }"#, "note": "7.0"])
        #expect(try summary(type, spelling) == summary(type, row))
    }

    @Test func `jsonb nested as deep as any limit allows is read`() throws {
        let type = RecordType.testReading
        let nested = String(repeating: "[", count: 60) + String(repeating: "]", count: 60)
        let row = try rows(type, [0], ["detail": nested])
        var reader = CopyRowReader(type: type)
        _ = try reader.next(in: row.span)
        let detail = reader.fields[type.allColumns.firstIndex { $0.name == "detail" } ?? 0]
        for (depth, isRead) in [(512, true), (513, false), (100_000, false)] {
            let text = Array((String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8)
            let length = UInt32(text.count + 1)
            var deep = Array(row[..<(detail.start - 4)])
            deep += [UInt8(truncatingIfNeeded: length >> 24), UInt8(truncatingIfNeeded: length >> 16)]
            deep += [UInt8(truncatingIfNeeded: length >> 8), UInt8(truncatingIfNeeded: length), 1]
            deep += text + row[detail.end...]
            #expect(((try? summary(type, deep)) != nil) == isRead, "\(depth)")
        }
    }

    @Test func `bytes that are not rows are refused`() throws {
        let type = Catalog.standard.types[1]
        let row = try rows(type)
        for length in 1..<row.count {
            #expect(throws: CopyRowError.self) { try summary(type, Array(row[..<length])) }
        }
        #expect(try summary(type, []) == .zero)
    }

    @Test func `a digest survives its text`() throws {
        let digest = Digest128(high: 0x0123, low: .max)
        #expect(digest.description == "0000000000000123ffffffffffffffff")
        #expect(Digest128(digest.description) == digest)
        for text in [
            "", "0", "G000000000000123ffffffffffffffff", "0000000000000123FFFFFFFFFFFFFFFF",
            "+000000000000123ffffffffffffffff",
        ] {
            #expect(Digest128(text) == nil)
        }
        #expect(digest &+ digest &- digest == digest)
        #expect(Digest128.zero &- digest &+ digest == .zero)
    }

    @Test func `SHA-256 matches the published vector`() {
        let hash = SHA256.hash(Array("abc".utf8)).map { String($0, radix: 16) }.map { $0.count == 1 ? "0" + $0 : $0 }
            .joined()
        #expect(hash == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }
}

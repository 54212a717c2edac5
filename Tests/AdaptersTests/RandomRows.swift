import Records
import Simulation
import TestSupport

/// Rows of a type that a seed repeats: usual ones, and every awkward value that a column takes.
struct RandomRows {
    private let type: RecordType
    private var random: SeededGenerator
    /// How strange a column of a run is: 0 = as markets are, 2 = anything goes.
    private var wildness: [Int] = []
    /// Of the newest row: it begins ten seconds before the end of November 2026.
    var ts: Int64 = 1_796_083_190_000_000
    private var number: Int64 = 0

    init(_ type: RecordType, seed: UInt64) {
        self.type = type
        random = SeededGenerator(seed: seed)
        wildness = type.allColumns.map { _ in 0 }
        turn()
    }

    /// Draws anew how strange each column is.
    mutating func turn() { for index in wildness.indices { wildness[index] = Int.random(in: 0...2, using: &random) } }

    /// Rows of some series, oldest first, no key twice.
    mutating func rows(_ count: Int, levels: Int = 12) -> [UInt8] {
        var out = RowWriter()
        for _ in 0..<count {
            // Only a key of its own tells rows of one time apart.
            let stays = type.key.contains { name in type.columns.first { $0.name == name }?.kind == .text }
            ts += stays && random.next() % 4 == 0 ? 0 : Int64.random(in: 1...500_000, using: &random)
            number += 1
            out.append16(Int16(type.allColumns.count))
            for (index, column) in type.allColumns.enumerated() { append(column, wildness[index], levels, to: &out) }
        }
        return out.bytes
    }

    private mutating func append(_ column: Column, _ wildness: Int, _ levels: Int, to out: inout RowWriter) {
        switch column.name {
        case "ts": return out.appendTimestamp(Timestamp(micros: ts))
        case "exchange": return out.appendText(Array("venue \(random.next() % 2)".utf8))
        case "market_type": return out.appendText(Array("spot".utf8))
        case "symbol": return out.appendText(Array(["BTC-USDT", "ÄÖ-🪙"][Int(random.next() % 2)].utf8))
        default: break
        }
        let isKey = type.key.contains(column.name)
        if column.isNullable, !isKey, wildness == 2 || random.next() % 8 == 0, random.next() % 3 == 0 {
            return out.appendNull()
        }
        switch column.kind {
        case .text: out.appendText(text(isKey, wildness))
        case .integer: out.appendInteger(integer(wildness))
        case .boolean: out.appendBoolean(random.next() % 2 == 0)
        case .timestamp: appendTime(isNullable: column.isNullable, wildness, to: &out)
        case .decimal: appendDecimal(wildness, to: &out)
        case .decimals: appendList(wildness, levels, isFalling: column.name.hasPrefix("bid"), to: &out)
        case .json:
            let detail = [#"{"a": 1}"#, #"{"ü": [1.50, null, "\u0001"]}"#, "null", "\(number)"]
            out.appendText([1] + Array(detail[Int(random.next() % 4)].utf8))
        }
    }

    private mutating func text(_ isKey: Bool, _ wildness: Int) -> [UInt8] {
        let odd = ["", "-0", "007", "+1", "9223372036854775808", "-9223372036854775808", "a,b;\"'\\", "ß🧊\n", " 1"]
        if isKey {
            let unique = ["\(number * 7)", "id-\(number)", "\(number)\(odd[Int(random.next() % 9)])x"]
            return Array(unique[wildness].utf8)
        }
        return Array((wildness == 0 ? ["buy", "sell"][Int(random.next() % 2)] : odd[Int(random.next() % 9)]).utf8)
    }

    private mutating func integer(_ wildness: Int) -> Int64 {
        switch wildness {
        case 0: number * 3
        case 1: Int64.random(in: -1 << 40...1 << 40, using: &random)
        default: [.min, .max, 0, -1, Int64(bitPattern: random.next())][Int(random.next() % 5)]
        }
    }

    private mutating func appendTime(isNullable: Bool, _ wildness: Int, to out: inout RowWriter) {
        let far = [Int64.max, .min, 9_000_000_000_000_000, 200_000_000_000_000_000, -946_684_800_000_000]
        switch wildness {
        case 0: out.appendTimestamp(Timestamp(micros: ts / 1_000 * 1_000 + 5_000))
        case 1: out.appendTimestamp(Timestamp(micros: ts + Int64.random(in: -1_000_000...1_000_000, using: &random)))
        default: out.appendInteger(far[Int(random.next() % 5)])
        }
    }

    /// A price in ticks, some digits, or up to 44 digits and what is no number.
    private mutating func appendDecimal(_ wildness: Int, to out: inout RowWriter) {
        let start = out.beginField()
        let (groups, weight): (Int, Int)
        switch wildness {
        case 0: (groups, weight) = (2, 0)
        case 1: (groups, weight) = (Int.random(in: 0...3, using: &random), Int.random(in: -2...1, using: &random))
        default: (groups, weight) = (Int.random(in: 0...11, using: &random), Int.random(in: -4...6, using: &random))
        }
        let isSpecial = wildness == 2 && random.next() % 20 == 0
        out.append16(Int16(isSpecial ? 0 : groups))
        out.append16(Int16(isSpecial ? 0 : weight))
        let signs: [Int16] = isSpecial ? [-0x4000, -0x3000, -0x1000] : [0, 0x4000, 0]
        out.append16(signs[Int(random.next() % (wildness == 0 ? 1 : 3))])
        out.append16(Int16(isSpecial ? 0 : max(0, 4 * (groups - 1 - weight))))
        if !isSpecial {
            for _ in 0..<groups {
                out.append16(Int16.random(in: wildness == 0 ? 90...99 : 0...9_999, using: &random))
            }
        }
        out.endField(start)
    }

    private mutating func appendList(_ wildness: Int, _ levels: Int, isFalling: Bool, to out: inout RowWriter) {
        let count = wildness == 0 ? levels : Int.random(in: 0...levels, using: &random)
        let long = "12345678901234567890.123456789"
        let numbers = (0..<count).map { level in
            switch wildness {
            case 0: "\(isFalling ? 4_000 - level : 4_000 + level).\(1 + random.next() % 9)"
            case 1: ["0", "0.00000001", "-3.5", "\(random.next() % 100_000)"][Int(random.next() % 4)]
            default: [long, "-\(long)", "1", "999999999999999999"][Int(random.next() % 4)]
            }
        }
        let halves = numbers.joined(separator: ",").utf8.map { $0 & 0x0F }
        let padded = halves + (halves.count % 2 == 0 ? [] : [0x0F])
        out.appendText(stride(from: 0, to: padded.count, by: 2).map { padded[$0] << 4 | padded[$0 + 1] })
    }
}

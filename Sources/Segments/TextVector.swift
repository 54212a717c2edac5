import Records

/// Texts of one column, one behind the other, equal ones once; where each begins and how long it is.
struct TextVector {
    private var text: [UInt8] = []
    private var starts: [Int64?] = []
    private var lengths: [Int64?] = []
    private var known: [ArraySlice<UInt8>: Int] = [:]

    /// Adds a text; nil = null.
    mutating func add(_ value: [UInt8]?) {
        guard let value else {
            starts.append(starts.last ?? 0)
            lengths.append(nil)
            return
        }
        let start = known[value[...]] ?? text.count
        if start == text.count, !value.isEmpty {
            text += value
            known[value[...]] = start
        }
        starts.append(Int64(start))
        lengths.append(Int64(value.count))
    }

    /// Six fields.
    func append(to out: inout RowWriter) throws(SegmentError) {
        guard lengths.contains(where: { $0 != nil }) else { return out.appendNulls(6) }
        guard let starts = NumberVector(starts), let lengths = NumberVector(lengths) else {
            throw .unfit("a text too long")
        }
        out.appendText(text)
        out.appendIntegerOrNull(starts.base)
        out.appendPlanes(starts.codes)
        out.append(lengths)
    }
}

/// Texts of one column that are few, such as `buy` and `sell`: each once, and where in the list that of a row is.
struct WordVector {
    /// To find a word costs the more the later it comes.
    private static let most = 16
    private var words: [[UInt8]] = []
    private(set) var places: [Int64?] = []

    /// Nil where there are more than a few.
    init?(_ rows: Span<UInt8>, _ fields: [CopyRowReader.Field]) {
        for field in fields {
            guard !field.isNull else {
                places.append(nil)
                continue
            }
            var word: [UInt8] = []
            for index in field.start..<field.end { word.append(rows[index]) }
            let place = words.firstIndex(of: word) ?? words.count
            if place == words.count { words.append(word) }
            guard words.count <= Self.most else { return nil }
            // PostgreSQL counts from 1.
            places.append(Int64(place + 1))
        }
    }

    /// A field: `text[]`.
    func append(to out: inout RowWriter) {
        let start = out.beginField()
        // Dimensions, no null in them, the type `text`, and of the one dimension: length and first place.
        for number in [1, 0, 25, Int32(words.count), 1] { out.append32(number) }
        for word in words { out.appendText(word) }
        out.endField(start)
    }
}

/// A whole number in the one spelling that SQL gives it.
enum WholeNumberText {
    /// Nil for any other text: a leading zero, a plus sign, more than 64 bits.
    static func value(_ rows: Span<UInt8>, _ field: CopyRowReader.Field) -> Int64? {
        guard field.length > 0, field.length <= 20 else { return nil }
        let isNegative = rows[field.start] == 0x2D
        let first = isNegative ? field.start + 1 : field.start
        guard first < field.end, rows[first] != 0x30 || field.length == 1 else { return nil }
        var value: Int64 = 0
        for index in first..<field.end {
            let digit = rows[index] &- 0x30
            guard digit <= 9 else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.subtractingReportingOverflow(Int64(digit))
            guard !overflow, !carry else { return nil }
            value = sum
        }
        if isNegative { return value }
        return value == .min ? nil : -value
    }
}

import Records

/// Writes the parts of one column of a segment, or of lists that go together, as `SegmentShape.parts` lists them.
struct ColumnPacker {
    /// Microseconds since 1970 that `to_timestamp(micros / 1000000::float8)` tells exactly: the years 1900 to 2099.
    static let exactMicros: Range<Int64> = -2_208_988_800_000_000..<4_102_444_800_000_000

    let pack: SegmentShape.Pack
    /// Where the values of each row stand, those of one row side by side.
    let fields: [CopyRowReader.Field]
    private var column: Column { pack.columns[0] }

    /// Packs columns, each with its value of every row.
    init(_ pack: SegmentShape.Pack, _ columns: [[CopyRowReader.Field]]) {
        self.pack = pack
        fields = columns.count == 1 ? columns[0] : columns[0].indices.flatMap { row in columns.map { $0[row] } }
    }

    func append(_ rows: Span<UInt8>, to out: inout RowWriter) throws(SegmentError) {
        do throws(CopyRowError) {
            if column.kind == .decimals {
                if try appendLists(rows, to: &out) { return }
            } else if SegmentShape.isNumeric(column.kind) {
                if try appendNumbers(rows, to: &out) {
                    if SegmentShape.mayBeText(column.kind) { out.appendNulls(6) }
                    return
                }
            }
            out.appendNulls(SegmentShape.numberParts(pack).count)
        } catch {
            throw .malformed(error)
        }
        try appendTexts(rows, to: &out)
    }

    // MARK: As numbers

    /// False, and nothing written, where a value does not fit.
    private func appendNumbers(_ rows: Span<UInt8>, to out: inout RowWriter) throws(CopyRowError) -> Bool {
        if column.kind == .decimal { return try appendDecimals(rows, to: &out) }
        if column.kind == .text { return appendWords(rows, to: &out) }
        var values: [Int64?] = []
        values.reserveCapacity(fields.count)
        for field in fields {
            guard !field.isNull else {
                values.append(nil)
                continue
            }
            guard let value = try number(field, rows) else { return false }
            values.append(value)
        }
        guard let vector = NumberVector(values, dividing: column.kind == .timestamp) else { return false }
        out.append(vector)
        if column.kind == .timestamp { out.appendIntegerOrNull(vector.base == nil ? nil : vector.unit) }
        return true
    }

    private func number(_ field: CopyRowReader.Field, _ rows: Span<UInt8>) throws(CopyRowError) -> Int64? {
        switch column.kind {
        case .boolean:
            guard field.length == 1, rows[field.start] <= 1 else {
                throw CopyRowError(at: field.start, "not a boolean")
            }
            return Int64(rows[field.start])
        default:
            guard field.length == 8 else { throw CopyRowError(at: field.start, "not eight bytes") }
            let value = Self.int64(rows, field.start)
            guard column.kind == .timestamp else { return value }
            let micros = Timestamp(postgresMicros: value).micros
            return Self.exactMicros.contains(micros) ? micros : nil
        }
    }

    static func int64(_ rows: Span<UInt8>, _ start: Int) -> Int64 {
        var value: UInt64 = 0
        for index in start..<start + 8 { value = value << 8 | UInt64(rows[index]) }
        return Int64(bitPattern: value)
    }

    /// Texts that are whole numbers, or that are few: places in a list of words.
    private func appendWords(_ rows: Span<UInt8>, to out: inout RowWriter) -> Bool {
        let numbers = fields.map { $0.isNull ? nil : WholeNumberText.value(rows, $0) }
        let areNumbers = zip(fields, numbers).allSatisfy { $0.isNull || $1 != nil }
        let words = areNumbers ? nil : WordVector(rows, fields)
        guard let vector = areNumbers ? NumberVector(numbers) : words.flatMap({ NumberVector($0.places) }) else {
            return false
        }
        out.append(vector)
        if let words { words.append(to: &out) } else { out.appendNull() }
        return true
    }

    private func appendDecimals(_ rows: Span<UInt8>, to out: inout RowWriter) throws(CopyRowError) -> Bool {
        var values: [ScaledDecimal?] = []
        values.reserveCapacity(fields.count)
        for field in fields {
            guard !field.isNull else {
                values.append(nil)
                continue
            }
            guard let value = try ScaledDecimal(numeric: rows, field) else { return false }
            values.append(value)
        }
        guard let (aligned, exponent) = ScaledDecimal.aligned(values),
            let vector = NumberVector(aligned, dividing: true)
        else { return false }
        out.append(vector)
        if vector.base == nil { out.appendNull() } else { out.appendNumeric(vector.unit, exponent: exponent) }
        return true
    }

    /// All elements one behind the other, and where each list ends; no null and no element beside numbers.
    private func appendLists(_ rows: Span<UInt8>, to out: inout RowWriter) throws(CopyRowError) -> Bool {
        var elements: [ScaledDecimal?] = []
        var ends: [Int] = []
        for field in fields {
            guard !field.isNull, try PackedList.append(rows, field, to: &elements) else { return false }
            ends.append(elements.count)
        }
        let each = elements.count / fields.count
        let places = ends.enumerated().map { Int64($1 - each * ($0 + 1)) }
        guard elements.count < 1 << 31, let (aligned, exponent) = ScaledDecimal.aligned(elements),
            let vector = NumberVector(aligned, dividing: true), let place = NumberVector(places)
        else { return false }
        let ladder = Ladder(vector, ends: ends, lists: pack.columns.count)
        out.append32(4)
        out.append32(Int32(truncatingIfNeeded: elements.count))
        out.appendIntegerOrNull(ladder == nil ? vector.base ?? 0 : 0)
        out.appendNumeric(vector.unit, exponent: exponent)
        let codes = ladder?.steps ?? vector.codes
        let isPaired = ladder == nil && PlaneOrder.isPaired(codes)
        out.appendPlanes(codes, paired: isPaired)
        out.appendBoolean(isPaired)
        for index in pack.columns.indices { out.appendSmallOrNull(ladder?.signs[index]) }
        out.appendIntegerOrNull(ladder?.firsts.base)
        out.appendPlanes(ladder?.firsts.codes ?? [])
        out.appendInteger(Int64(each))
        out.appendIntegerOrNull(place.base)
        out.appendPlanes(place.codes)
        out.appendNulls(6)
        return true
    }

    // MARK: As text

    private func appendTexts(_ rows: Span<UInt8>, to out: inout RowWriter) throws(SegmentError) {
        var texts = TextVector()
        for field in fields { texts.add(field.isNull ? nil : try text(field, rows)) }
        try texts.append(to: &out)
    }

    private func text(_ field: CopyRowReader.Field, _ rows: Span<UInt8>) throws(SegmentError) -> [UInt8] {
        var text: [UInt8] = []
        switch column.kind {
        case .text: for index in field.start..<field.end { text.append(rows[index]) }
        case .json:
            // A byte ahead of the text is the version of its binary form.
            guard field.length > 1, rows[field.start] == 1 else {
                throw .malformed(CopyRowError(at: field.start, "not jsonb, version 1"))
            }
            for index in field.start + 1..<field.end { text.append(rows[index]) }
        case .integer, .boolean: text = Array("\(Self.int64(rows, field.start))".utf8)
        case .timestamp: text = Array(try Self.timeText(Self.int64(rows, field.start)).utf8)
        case .decimals: PackedList.append(rows, field, toText: &text)
        case .decimal:
            do { try NumericField(rows, field).append(to: &text, in: rows) } catch { throw .malformed(error) }
        }
        return text
    }

    private static func timeText(_ postgresMicros: Int64) throws(SegmentError) -> String {
        if postgresMicros == .max { return "infinity" }
        if postgresMicros == .min { return "-infinity" }
        let time = Timestamp(postgresMicros: postgresMicros)
        // −62,135,596,800 s: the year 1; what is older has no text that both sides agree on.
        guard time.micros >= -62_135_596_800_000_000, time.micros < .max else {
            throw .unfit("a time before the year 1")
        }
        return time.description
    }
}

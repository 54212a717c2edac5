/// A record type compiled for decoding: every key a number, every column a list of numbers.
///
/// A class, because a message hands it around and a struct of many arrays costs a retain for each; what it says of a
/// column is numbers only, because a row reads all of them.
final class DecodePlan: Sendable {
    struct Pattern: Sendable {
        let first: [UInt8]
        let variant: Int?
        let mistakesOptions: Bool
    }
    /// What a column's value must be, words by their place in `vocabularies`.
    enum Rule: Sendable { case any, nonNegative, oneOf(Int) }
    enum Source: Sendable {
        /// The place of its keys in `lists`, of the first variant's where they depend on it; `spills` sends what is not
        /// taken to `extra`.
        case slots(list: Int, perVariant: Bool, spills: Bool)
        case levels(slot: Int, side: Int, Column.Half)
        case variant
    }
    struct ColumnPlan: Sendable {
        let index: Int
        /// Its place among the own columns of the natural key, −1 where it is not one of them.
        let keyPlace: Int
        let kind: Column.Kind
        let isNullable: Bool
        let rule: Rule
        let source: Source
    }
    /// Slots of the keys that every type has.
    enum Common { static let exchange = 0, marketType = 1, symbol = 2, dataType = 3, published = 4, timestamp = 5 }

    let type: RecordType
    let catalog: Catalog
    let patterns: [Pattern]
    let variants: [[UInt8]]
    let columns: [ColumnPlan]
    let vocabularies: [[ShortText]]
    /// The slots of all columns, one column after the other, best first.
    let slots: [Int]
    /// Which of `slots` belong together.
    let lists: [Range<Int>]
    /// The lists whose columns take one value and spill the others.
    let spilling: [Range<Int>]
    /// Slots of the event time, best first, without `ts_ms` and `timestamp`.
    let eventTime: [Int]
    /// Per variant the slots of the other variants' keys.
    let foreignSlots: [[Int]]
    /// Slots that no column takes.
    let provenance: [Int]
    let keys: KeyTable
    let sideCount: Int
    /// The side of an order book that a slot holds, −1 for other slots.
    let sideOfSlot: [Int]
    let columnCount: Int
    let identity: RowIdentity
    /// The type's values of `data_type` as collectors write them and in one spelling, and the variant each names.
    private let dataTypes: [(name: [UInt8], variant: Int?)]

    init(type: RecordType, catalog: Catalog, provenanceKeys: [String]) {
        var names = ["exchange", "market_type", "symbol", "data_type", "ts_ms", "timestamp"]
        func slot(_ name: String) -> Int {
            if let known = names.firstIndex(of: name) { return known }
            names.append(name)
            return names.count - 1
        }
        let variantNames = Self.variantNames(type)
        var layout = Layout()
        columns = type.columns.enumerated().map { index, column in
            ColumnPlan(
                index: index,
                keyPlace: type.key.firstIndex(of: column.name) ?? -1,
                kind: column.kind,
                isNullable: column.isNullable,
                rule: layout.rule(column.rule),
                source: layout.source(column.source, variants: variantNames, slot: slot)
            )
        }
        (vocabularies, slots, lists) = (layout.vocabularies, layout.slots, layout.lists)
        spilling = columns.compactMap { column in
            if case .slots(let list, _, spills: true) = column.source { layout.lists[list] } else { nil }
        }
        foreignSlots = layout.foreign(columns, variants: variantNames.count)
        eventTime = type.eventTimeKeys.map(slot)
        let taken = names.count
        provenance = (RecordType.provenanceKeys + provenanceKeys).map(slot).filter { $0 >= taken }
        patterns = type.subjects.map { subject in
            Pattern(
                first: Array(subject.first.utf8),
                variant: subject.variant.flatMap { variantNames.firstIndex(of: $0) },
                mistakesOptions: subject.mistakesOptions
            )
        }
        let written =
            [(name: Array(type.name.utf8), variant: nil)] + patterns.map { (name: $0.first, variant: $0.variant) }
        dataTypes = written + written.map { (name: Self.spelling($0.name), variant: $0.variant) }
        variants = variantNames.map { Array($0.utf8) }
        keys = KeyTable(names)
        sideCount = layout.sides.count
        var sideOfSlot = Array(repeating: -1, count: names.count)
        for case .levels(let slot, let side, _) in columns.map(\.source) { sideOfSlot[slot] = side }
        self.sideOfSlot = sideOfSlot
        columnCount = type.allColumns.count
        identity = RowIdentity(type: type)
        self.type = type
        self.catalog = catalog
    }

    /// The variants of a type in order of appearance, `unspecified` last; empty where it has none.
    private static func variantNames(_ type: RecordType) -> [String] {
        guard type.columns.contains(where: { $0.source == .variant }) else { return [] }
        var names: [String] = []
        for name in type.subjects.compactMap(\.variant) where !names.contains(name) { names.append(name) }
        return names.filter { $0 != "unspecified" } + ["unspecified"]
    }

    /// The name of a column, for messages to people.
    func name(_ column: ColumnPlan) -> String { type.columns[column.index].name }

    /// The pattern whose first token this is.
    func pattern(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int? {
        for index in patterns.indices where Self.equal(patterns[index].first, bytes, start, end) { return index }
        return nil
    }

    /// The variant that a token names, with hyphens or underscores.
    func variant(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int? {
        var token: [UInt8] = []
        for index in start..<end { token.append(bytes[index] == 0x2D ? 0x5F : bytes[index]) }
        return variants.firstIndex(of: token)
    }

    /// Why a subject with this first token is not one of the type's.
    func foreign(_ bytes: Span<UInt8>, _ end: Int) -> DecodeError {
        var token: [UInt8] = []
        for index in 0..<end { token.append(bytes[index]) }
        guard let other = catalog.type(ofSubject: String(decoding: token, as: UTF8.self)) else {
            return DecodeError(.unknownSubject, "the subject names no record type")
        }
        return DecodeError(.otherType, "the subject names \(other.name), not \(type.name)")
    }

    /// Checks that `data_type` does not name another type; returns the variant it names.
    func variant(ofDataType bytes: Span<UInt8>, _ start: Int, _ end: Int) throws(DecodeError) -> Int? {
        for known in dataTypes where Self.equal(known.name, bytes, start, end) { return known.variant }
        var text: [UInt8] = []
        for index in start..<end { text.append(bytes[index]) }
        let spelling = Self.spelling(text)
        for known in dataTypes where known.name == spelling { return known.variant }
        throw DecodeError(.otherType, at: start, "data_type does not name \(type.name)")
    }

    /// Lower case, hyphens as underscores, without generation A's `-data`.
    private static func spelling(_ text: [UInt8]) -> [UInt8] {
        var spelling = text.map { $0 == 0x2D ? 0x5F : $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }
        let suffix = Array("_data".utf8)
        if spelling.count > suffix.count, spelling.suffix(suffix.count).elementsEqual(suffix) {
            spelling.removeLast(suffix.count)
        }
        return spelling
    }

    static func equal(_ word: [UInt8], _ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Bool {
        guard word.count == end - start else { return false }
        for index in word.indices where word[index] != bytes[start + index] { return false }
        return true
    }
}

/// The lists of a plan while its columns are laid out one after the other.
private struct Layout {
    var vocabularies: [[ShortText]] = []
    var slots: [Int] = []
    var lists: [Range<Int>] = []
    /// Keys of the sides of an order book.
    var sides: [String] = []

    mutating func rule(_ rule: Column.Rule) -> DecodePlan.Rule {
        switch rule {
        case .any: return .any
        case .nonNegative: return .nonNegative
        case .oneOf(let words):
            vocabularies.append(words.map { ShortText($0) })
            return .oneOf(vocabularies.count - 1)
        }
    }

    mutating func source(
        _ source: Column.Source,
        variants: [String],
        slot: (String) -> Int
    ) -> DecodePlan.Source {
        switch source {
        case .keys(let names): return list(names.map(slot), spills: false)
        case .firstOf(let names): return list(names.map(slot), spills: true)
        case .variant: return .variant
        case .variantKeys(let names):
            let first = lists.count
            for variant in variants { _ = list((names[variant] ?? []).map(slot), spills: false) }
            return .slots(list: first, perVariant: true, spills: false)
        case .levels(let name, let half):
            if !sides.contains(name) { sides.append(name) }
            return .levels(slot: slot(name), side: sides.firstIndex(of: name) ?? 0, half)
        }
    }

    private mutating func list(_ found: [Int], spills: Bool) -> DecodePlan.Source {
        lists.append(slots.count..<slots.count + found.count)
        slots += found
        return .slots(list: lists.count - 1, perVariant: false, spills: spills)
    }

    /// Per variant the slots of the other variants' keys.
    func foreign(_ columns: [DecodePlan.ColumnPlan], variants: Int) -> [[Int]] {
        var own = Array(repeating: Set<Int>(), count: variants)
        for case .slots(let list, perVariant: true, _) in columns.map(\.source) {
            for index in own.indices { own[index].formUnion(slots[lists[list + index]]) }
        }
        let all = own.reduce(into: Set<Int>()) { $0.formUnion($1) }
        return own.map { all.subtracting($0).sorted() }
    }
}

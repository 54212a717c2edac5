/// The keys a decoder knows, found by their bytes without hashing whole strings.
struct KeyTable: Sendable {
    private let names: [[UInt8]]
    /// Slot by hash, −1 where free; collisions stand in the next free place.
    private let table: [Int16]

    init(_ names: [String]) {
        precondition(names.count <= 128, "a record type has at most 128 keys")
        self.names = names.map { Array($0.utf8) }
        var table = [Int16](repeating: -1, count: 256)
        for (slot, name) in self.names.enumerated() {
            var place = Self.hash(name.span, 0, name.count)
            while table[place] >= 0 { place = (place + 1) & 255 }
            table[place] = Int16(slot)
        }
        self.table = table
    }

    var count: Int { names.count }

    /// The slot of the key `bytes[start..<end]`, nil for one that is not known.
    func slot(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int? {
        guard start < end else { return nil }
        var place = Self.hash(bytes, start, end)
        while true {
            let slot = Int(table[place])
            guard slot >= 0 else { return nil }
            if DecodePlan.equal(names[slot], bytes, start, end) { return slot }
            place = (place + 1) & 255
        }
    }

    /// The name of a slot, for messages to people.
    func name(_ slot: Int) -> String { String(decoding: names[slot], as: UTF8.self) }

    func bytes(_ slot: Int) -> [UInt8] { names[slot] }

    private static func hash(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int {
        guard start < end else { return 0 }
        let length = end - start
        let middle = Int(bytes[start + length / 2])
        return (length &* 37 &+ Int(bytes[start]) &* 5 &+ Int(bytes[end - 1]) &* 11 &+ middle &* 3) & 255
    }
}

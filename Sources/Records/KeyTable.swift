/// The keys a decoder knows, found by their bytes without hashing whole strings.
///
/// Messages of a lane have their keys in one order, so the key that stood at this place in the message before is tried
/// first.
struct KeyTable: Sendable {
    private let names: [[UInt8]]
    /// The names in quotes, one after the other, and where each begins; one place more than there are names.
    private let text: [UInt8]
    private let starts: [Int]
    /// Slot by hash, −1 where free; collisions stand in the next free place.
    private let table: [Int]

    init(_ names: [String]) {
        self.names = names.map { Array($0.utf8) }
        text = self.names.flatMap { [0x22] + $0 + [0x22] }
        starts = self.names.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.count + 2) }
        // Half of the places stay free at least, so that a search ends soon.
        var size = 256
        while size < 2 * names.count { size *= 2 }
        var table = [Int](repeating: -1, count: size)
        for (slot, name) in self.names.enumerated() {
            var place = Self.hash(name.span, 0, name.count) & (size - 1)
            while table[place] >= 0 { place = (place + 1) & (size - 1) }
            table[place] = slot
        }
        self.table = table
    }

    var count: Int { names.count }

    /// Whether the key of `slot` stands at `offset`, quotes included; returns where it ends.
    @inline(__always)
    func end(of slot: Int, at offset: Int, in bytes: Span<UInt8>) -> Int? {
        let key = text.span.extracting(starts[slot]..<starts[slot + 1])
        return bytes.holds(key, at: offset) ? offset &+ key.count : nil
    }

    /// The slot of the key `bytes[start..<end]`, nil for one that is not known.
    func slot(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int? {
        guard start < end else { return nil }
        let mask = table.count - 1
        var place = Self.hash(bytes, start, end) & mask
        while table[place] >= 0 {
            if equals(table[place], bytes, start, end) { return table[place] }
            place = (place + 1) & mask
        }
        return nil
    }

    private func equals(_ slot: Int, _ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Bool {
        let name = text.span.extracting(starts[slot] + 1..<starts[slot + 1] - 1)
        return name.count == end - start && bytes.holds(name, at: start)
    }

    /// The name of a slot, for messages to people.
    func name(_ slot: Int) -> String { String(decoding: names[slot], as: UTF8.self) }

    func bytes(_ slot: Int) -> [UInt8] { names[slot] }

    private static func hash(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int {
        guard start < end else { return 0 }
        let length = end - start
        let middle = Int(bytes[start + length / 2])
        return length &* 37 &+ Int(bytes[start]) &* 5 &+ Int(bytes[end - 1]) &* 11 &+ middle &* 3
    }
}

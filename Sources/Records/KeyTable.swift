/// The keys a decoder knows, found by their bytes without hashing whole strings.
///
/// Messages of a lane have their keys in one order, so the key that stood at this place in the message before is tried
/// first.
struct KeyTable: Sendable {
    private let names: [[UInt8]]
    /// The names in quotes as words of eight bytes, the last of each filled with zeros.
    private let words: [UInt64]
    private let places: [Place]

    /// Where a name stands in `words`, which bits of its last word it fills, and its bytes, quotes included.
    private struct Place: Sendable {
        let first: Int
        let last: Int
        let mask: UInt64
        let length: Int
    }

    /// Slot by hash, −1 where free; collisions stand in the next free place.
    private let table: [Int]

    init(_ names: [String]) {
        self.names = names.map { Array($0.utf8) }
        var words: [UInt64] = []
        places = self.names.map { name in
            let quoted = [0x22] + name + [0x22] + Array(repeating: 0, count: 7)
            let length = name.count + 2
            let first = words.count
            for offset in stride(from: 0, to: length, by: 8) { words.append(quoted.span.word(offset) ?? 0) }
            let unused = (8 - length % 8) % 8
            return Place(first: first, last: words.count - 1, mask: .max >> UInt64(8 * unused), length: length)
        }
        self.words = words
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
    ///
    /// Nil also where the payload ends less than eight bytes behind it: the other way finds it then.
    @inline(__always)
    func end(of slot: Int, at offset: Int, in bytes: Span<UInt8>) -> Int? {
        let place = places[slot]
        var position = offset
        for index in place.first..<place.last {
            guard let word = bytes.word(position), word == words[index] else { return nil }
            position &+= 8
        }
        guard let word = bytes.word(position), word & place.mask == words[place.last] else { return nil }
        return offset &+ place.length
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
        let name = names[slot]
        return name.count == end - start && bytes.holds(name.span, at: start)
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

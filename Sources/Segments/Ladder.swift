/// Lists whose elements rise, or fall, from first to last, as prices of a book do: the first of each and the steps.
///
/// A step is small, and the same again in the next book, where prices have moved.
struct Ladder {
    /// 1 or −1 for each list of a row: whether its elements rise or fall.
    private(set) var signs: [Int16]
    /// The first element of each list; of an empty one that of the list before it.
    let firsts: NumberVector
    /// From each element to the next, 0 for the first of a list.
    private(set) var steps: [UInt64] = []

    /// Nil where one list of a column rises and another falls, or a step has more than 31 bits.
    init?(_ vector: NumberVector, ends: [Int], lists: Int) {
        let codes = vector.codes
        var rises = [Bool?](repeating: nil, count: lists)
        var heads: [Int64?] = []
        var start = 0
        steps.reserveCapacity(codes.count)
        for (index, end) in ends.enumerated() {
            heads.append(start < end ? (vector.base ?? 0) + Int64(codes[start]) : heads.last ?? 0)
            for place in start..<end {
                let (now, before) = (codes[place], codes[max(place - 1, start)])
                if now != before, rises[index % lists] != (now > before) {
                    guard rises[index % lists] == nil else { return nil }
                    rises[index % lists] = now > before
                }
                let step = max(now, before) - min(now, before)
                // They are added up as `integer`, which is faster than `bigint`.
                guard step < 1 << 31 else { return nil }
                steps.append(step)
            }
            start = end
        }
        guard let firsts = NumberVector(heads) else { return nil }
        self.firsts = firsts
        signs = rises.map { $0 == false ? -1 : 1 }
    }
}

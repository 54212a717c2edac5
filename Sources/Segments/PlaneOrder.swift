/// How the two lowest bytes of the numbers of a vector stand: as planes, or side by side for each number.
///
/// Side by side, one repetition of a few numbers is one for both bytes; as planes, a lower byte that never repeats
/// costs no more than itself. Which is shorter depends on the data, so both are tried.
enum PlaneOrder {
    /// Numbers that are tried; the rest of a vector is like them.
    private static let sample = 16_384

    static func isPaired(_ codes: [UInt64]) -> Bool {
        let codes = codes.prefix(sample)
        let bits = codes.reduce(0, |)
        // Planes above the lowest two are the same either way.
        guard bits >> 8 != 0 else { return false }
        var low: [UInt8] = []
        var pairs: [UInt8] = []
        for code in codes { low.append(UInt8(truncatingIfNeeded: code >> 8)) }
        for (code, high) in zip(codes, low) {
            low.append(UInt8(truncatingIfNeeded: code))
            pairs += [high, UInt8(truncatingIfNeeded: code)]
        }
        return compressedBits(pairs) < compressedBits(low)
    }

    /// About what pglz makes of bytes: three or more that stood within the last 4 KiB become two or three, with a bit
    /// that tells them from single ones.
    ///
    /// Source: https://github.com/postgres/postgres/blob/REL_15_STABLE/src/common/pg_lzcompress.c
    private static func compressedBits(_ bytes: [UInt8]) -> Int {
        var last = [Int](repeating: -4_096, count: 1 << 13)
        var (bits, index) = (0, 0)
        while index + 2 < bytes.count {
            let start = index
            let hash = Int(bytes[index]) << 5 ^ Int(bytes[index + 1]) << 3 ^ Int(bytes[index + 2])
            let known = last[hash]
            last[hash] = index
            var length = 0
            if known > index - 4_096 {
                while length < 273, index + length < bytes.count, bytes[known + length] == bytes[index + length] {
                    length += 1
                }
            }
            bits += length < 3 ? 9 : length < 18 ? 17 : 25
            index += length < 3 ? 1 : length
            for place in start + 1..<max(min(index, bytes.count - 2), start + 1) {
                last[Int(bytes[place]) << 5 ^ Int(bytes[place + 1]) << 3 ^ Int(bytes[place + 2])] = place
            }
        }
        return bits + 9 * (bytes.count - index)
    }
}

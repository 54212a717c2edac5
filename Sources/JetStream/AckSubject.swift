internal import Glibc

/// Where a delivered message stands, read from its reply subject.
///
/// `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time ns>.<pending>`, or with domain and
/// account after `ACK` and perhaps a token at the end. Names hold no dots.
/// Source: https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-15.md
struct AckSubject: Equatable {
    let deliveryCount: UInt64
    let streamSequence: UInt64
    let consumerSequence: UInt64
    let timeNanos: UInt64
    let pending: UInt64
    /// Where the numbers begin; in the replies of one consumer always there.
    let numbersStart: Int

    /// Reads a reply subject; one that begins like `sibling`, an earlier one of the same consumer, is read faster.
    init?(_ bytes: UnsafeRawBufferPointer, like sibling: UnsafeRawBufferPointer? = nil) {
        let start: Int
        if let sibling, let own = bytes.baseAddress, let known = sibling.baseAddress, bytes.count > sibling.count,
            memcmp(own, known, sibling.count) == 0
        {
            start = sibling.count
        } else {
            guard let found = Self.numbersStart(bytes) else { return nil }
            start = found
        }
        var index = start
        guard let deliveryCount = Self.number(bytes, &index), let streamSequence = Self.number(bytes, &index),
            let consumerSequence = Self.number(bytes, &index), let timeNanos = Self.number(bytes, &index),
            let pending = Self.number(bytes, &index)
        else { return nil }
        self.deliveryCount = deliveryCount
        self.streamSequence = streamSequence
        self.consumerSequence = consumerSequence
        self.timeNanos = timeNanos
        self.pending = pending
        numbersStart = start
    }

    private static func numbersStart(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard bytes.starts(with: "$JS.ACK.".utf8) else { return nil }
        let dots = bytes.reduce(0) { $0 + ($1 == dot ? 1 : 0) }
        // 9 tokens, or 11 and more with domain and account: the numbers begin at the fifth or the seventh.
        guard dots == 8 || dots >= 10 else { return nil }
        var index = 0
        for _ in 0..<(dots == 8 ? 4 : 6) {
            while bytes[index] != dot { index += 1 }
            index += 1
        }
        return index
    }

    /// Reads digits up to a dot or the end and steps over the dot.
    private static func number(_ bytes: UnsafeRawBufferPointer, _ index: inout Int) -> UInt64? {
        let start = index
        var value: UInt64 = 0
        while index < bytes.count {
            let digit = bytes[index] &- UInt8(ascii: "0")
            guard digit < 10 else { break }
            // 19 digits cannot overflow.
            if index - start < 19 {
                value = value &* 10 &+ UInt64(digit)
            } else {
                let (product, overflow) = value.multipliedReportingOverflow(by: 10)
                let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
                guard !overflow, !carry else { return nil }
                value = sum
            }
            index += 1
        }
        guard index > start, index >= bytes.count || bytes[index] == dot else { return nil }
        index += 1
        return value
    }

    private static let dot = UInt8(ascii: ".")
}

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

    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.starts(with: "$JS.ACK.".utf8) else { return nil }
        let dots = bytes.reduce(0) { $0 + ($1 == Self.dot ? 1 : 0) }
        // 9 tokens, or 11 and more with domain and account: the numbers begin at the fifth or the seventh.
        guard dots == 8 || dots >= 10 else { return nil }
        var index = 0
        for _ in 0..<(dots == 8 ? 4 : 6) {
            while bytes[index] != Self.dot { index += 1 }
            index += 1
        }
        func number() -> UInt64? {
            var value: UInt64 = 0
            let start = index
            while index < bytes.count, bytes[index] != Self.dot {
                let digit = bytes[index] &- UInt8(ascii: "0")
                guard digit < 10 else { return nil }
                let (product, overflow) = value.multipliedReportingOverflow(by: 10)
                let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
                guard !overflow, !carry else { return nil }
                value = sum
                index += 1
            }
            defer { index += 1 }
            return index > start ? value : nil
        }
        guard let deliveryCount = number(), let streamSequence = number(), let consumerSequence = number(),
            let timeNanos = number(), let pending = number()
        else { return nil }
        self.deliveryCount = deliveryCount
        self.streamSequence = streamSequence
        self.consumerSequence = consumerSequence
        self.timeNanos = timeNanos
        self.pending = pending
    }

    private static let dot = UInt8(ascii: ".")
}

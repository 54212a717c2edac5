/// The first pass over a payload: finds every member of the message's object and checks all of its bytes.
struct MemberScanner {
    let plan: DecodePlan
    let limits: DecodeLimits

    func read(_ payload: Span<UInt8>, into scratch: inout DecodeScratch) throws(DecodeError) {
        var scanner = JSONScanner(depth: limits.depth)
        guard scanner.peek(payload) == 0x7B else {
            throw DecodeError(.invalidJSON, at: scanner.position, "a message is one JSON object")
        }
        var count = 0
        if try scanner.begin(0x7B, payload) {
            repeat {
                count += 1
                guard count <= limits.keys else {
                    throw DecodeError(.tooManyKeys, at: scanner.position, "more than \(limits.keys) keys")
                }
                let key = try scanner.key(payload)
                let value = try scanner.value(payload)
                guard let slot = try slot(key, payload) else {
                    scratch.unmapped.append(DecodeScratch.Member(key: key, value: value))
                    continue
                }
                if scratch.slots[slot].stamp == scratch.stamp {
                    try expectEqual(scratch.slots[slot].value, value, payload, slot)
                } else {
                    scratch.slots[slot].value = value
                    scratch.slots[slot].stamp = scratch.stamp
                }
            } while try scanner.more(0x7D, payload)
        }
        try scanner.expectEnd(payload)
    }

    private func slot(_ key: JSONValue, _ payload: Span<UInt8>) throws(DecodeError) -> Int? {
        guard key.isEscaped else { return plan.keys.slot(payload, key.start, key.end) }
        let text = try JSONCanonical.text(payload, key)
        return plan.keys.slot(text.span, 0, text.count)
    }

    /// A key that stands twice must say the same twice.
    private func expectEqual(
        _ a: JSONValue,
        _ b: JSONValue,
        _ payload: Span<UInt8>,
        _ slot: Int
    ) throws(DecodeError) {
        let canonical = JSONCanonical(depth: limits.depth, digits: limits.digits)
        guard try canonical.value(payload, a) == canonical.value(payload, b) else {
            throw DecodeError(.duplicateKey, at: b.start, "\(plan.keys.name(slot)) stands twice with different values")
        }
    }
}

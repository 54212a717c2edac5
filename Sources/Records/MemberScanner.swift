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
                guard count < limits.keys else {
                    throw DecodeError(.tooManyKeys, at: scanner.position, "more than \(limits.keys) keys")
                }
                try readMember(count, payload, &scanner, into: &scratch)
                count += 1
            } while try scanner.more(0x7D, payload)
        }
        try scanner.expectEnd(payload)
    }

    @inline(__always)
    private func readMember(
        _ index: Int,
        _ payload: Span<UInt8>,
        _ scanner: inout JSONScanner,
        into scratch: inout DecodeScratch
    ) throws(DecodeError) {
        // The key that stood here in the message before most often stands here again.
        if scanner.peek(payload) == 0x22, index < scratch.order.count, case let slot = scratch.order[index], slot >= 0,
            let end = plan.keys.end(of: slot, at: scanner.position, in: payload)
        {
            scanner.position = end
            try scanner.colon(payload)
            return try readValue(slot, payload, &scanner, into: &scratch)
        }
        let key = try scanner.key(payload)
        let slot = try slot(key, payload)
        scratch.expect(key.isEscaped ? nil : slot, at: index)
        guard let slot else {
            scratch.unmapped.append(DecodeScratch.Member(key: key, value: try scanner.value(payload)))
            return
        }
        try readValue(slot, payload, &scanner, into: &scratch)
    }

    @inline(__always)
    private func readValue(
        _ slot: Int,
        _ payload: Span<UInt8>,
        _ scanner: inout JSONScanner,
        into scratch: inout DecodeScratch
    ) throws(DecodeError) {
        guard scratch.slots[slot].stamp != scratch.stamp else {
            let value = try scanner.value(payload)
            return try expectEqual(scratch.slots[slot].value, value, payload, slot)
        }
        let side = plan.sideOfSlot[slot]
        if side >= 0, scanner.peek(payload) == 0x5B {
            let start = scanner.position
            try BookSideScanner(plan: plan, limits: limits, slot: slot).read(
                payload,
                &scanner,
                into: &scratch.sides[side]
            )
            scratch.sides[side].stamp = scratch.stamp
            scratch.slots[slot].value = JSONValue(kind: .array, start: start, end: scanner.position)
        } else {
            scratch.slots[slot].value = try scanner.value(payload)
        }
        scratch.slots[slot].stamp = scratch.stamp
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

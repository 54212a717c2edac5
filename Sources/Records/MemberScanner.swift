/// The first pass over a payload: finds every member of the message's object and checks all of its bytes.
struct MemberScanner {
    let plan: DecodePlan
    let limits: DecodeLimits

    func read(_ payload: Span<UInt8>, into scratch: inout DecodeScratch) throws(DecodeError) {
        var scanner = JSONScanner(depth: limits.depth)
        guard scanner.peek(payload) == 0x7B else {
            throw DecodeError(.invalidJSON, at: scanner.position, "a message is one JSON object")
        }
        if try scanner.begin(0x7B, payload) {
            let stamp = scratch.stamp
            try readMembers(
                payload,
                &scanner,
                stamp,
                &scratch.slots,
                &scratch.order,
                &scratch.sides,
                &scratch.unmapped
            )
        }
        try scanner.expectEnd(payload)
    }

    /// Takes the scratch in parts, so that its arrays are looked at once for a message and not for each member.
    private func readMembers(
        _ payload: Span<UInt8>,
        _ scanner: inout JSONScanner,
        _ stamp: UInt64,
        _ slotArray: inout [DecodeScratch.Slot],
        _ order: inout [Int],
        _ sides: inout [DecodeScratch.Side],
        _ unmapped: inout [DecodeScratch.Member]
    ) throws(DecodeError) {
        var slots = slotArray.mutableSpan
        var count = 0
        repeat {
            guard count < limits.keys else {
                throw DecodeError(.tooManyKeys, at: scanner.position, "more than \(limits.keys) keys")
            }
            if let slot = try expectedKey(count, payload, &scanner, order) {
                try readValue(slot, payload, &scanner, stamp, &slots, &sides)
            } else {
                let key = try scanner.key(payload)
                let slot = try slot(key, payload)
                expect(key.isEscaped ? nil : slot, at: count, &order)
                if let slot {
                    try readValue(slot, payload, &scanner, stamp, &slots, &sides)
                } else {
                    unmapped.append(DecodeScratch.Member(key: key, value: try scanner.value(payload)))
                }
            }
            count += 1
        } while try scanner.more(0x7D, payload)
    }

    /// Moves behind the key that stood here in the message before, and most often stands here again.
    @inline(__always)
    private func expectedKey(
        _ index: Int,
        _ payload: Span<UInt8>,
        _ scanner: inout JSONScanner,
        _ order: [Int]
    ) throws(DecodeError) -> Int? {
        guard scanner.peek(payload) == 0x22, index < order.count, case let slot = order[index], slot >= 0,
            let end = plan.keys.end(of: slot, at: scanner.position, in: payload)
        else { return nil }
        scanner.position = end
        try scanner.colon(payload)
        return slot
    }

    private func expect(_ slot: Int?, at index: Int, _ order: inout [Int]) {
        while order.count <= index { order.append(-1) }
        order[index] = slot ?? -1
    }

    private func readValue(
        _ slot: Int,
        _ payload: Span<UInt8>,
        _ scanner: inout JSONScanner,
        _ stamp: UInt64,
        _ slots: inout MutableSpan<DecodeScratch.Slot>,
        _ sides: inout [DecodeScratch.Side]
    ) throws(DecodeError) {
        guard slots[slot].stamp != stamp else {
            return try expectEqual(slots[slot].value, try scanner.value(payload), payload, slot)
        }
        if scanner.peek(payload) == 0x5B, case let side = plan.sideOfSlot[slot], side >= 0 {
            let start = scanner.position
            let reader = BookSideScanner(plan: plan, limits: limits, slot: slot)
            try reader.read(payload, &scanner, into: &sides[side])
            sides[side].stamp = stamp
            slots[slot].value = JSONValue(kind: .array, start: start, end: scanner.position)
        } else {
            slots[slot].value = try scanner.value(payload)
        }
        slots[slot].stamp = stamp
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

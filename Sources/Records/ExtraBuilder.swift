/// Writes `extra`: what a message says and no column takes, as one canonical JSON object; null in the normal case.
struct ExtraBuilder {
    let plan: DecodePlan
    let limits: DecodeLimits
    let keepProvenance: Bool

    func append(
        _ payload: Span<UInt8>,
        usedTimestamp: Bool,
        to scratch: inout DecodeScratch
    ) throws(DecodeError) {
        let hasTimestamp = !usedTimestamp && scratch.value(DecodePlan.Common.timestamp) != nil
        if scratch.unmapped.isEmpty, !hasTimestamp, !keepProvenance, plan.spilling.isEmpty {
            scratch.row.appendNull()
            return
        }
        let object = try build(payload, hasTimestamp, scratch)
        if object.isEmpty {
            scratch.row.appendNull()
        } else {
            scratch.row.append32(Int32(truncatingIfNeeded: object.count + 1))
            scratch.row.append(1)
            scratch.row.append(contentsOf: object)
        }
    }

    /// Empty where there is nothing to say.
    private func build(
        _ payload: Span<UInt8>,
        _ hasTimestamp: Bool,
        _ scratch: DecodeScratch
    ) throws(DecodeError) -> [UInt8] {
        var slots: [Int] = []
        if hasTimestamp { slots.append(DecodePlan.Common.timestamp) }
        for list in plan.spilling { slots += plan.slots[list].filter { scratch.value($0) != nil }.dropFirst() }
        if keepProvenance { slots += plan.provenance.filter { scratch.value($0) != nil } }
        guard !slots.isEmpty || !scratch.unmapped.isEmpty else { return [] }
        return try object(payload, slots, scratch)
    }

    private func object(
        _ payload: Span<UInt8>,
        _ slots: [Int],
        _ scratch: DecodeScratch
    ) throws(DecodeError) -> [UInt8] {
        let canonical = JSONCanonical(depth: limits.depth, digits: limits.digits)
        var members: [JSONCanonical.Member] = []
        for slot in slots {
            guard let value = scratch.value(slot) else { continue }
            members.append(.init(key: plan.keys.bytes(slot), value: try canonical.value(payload, value)))
        }
        for member in scratch.unmapped {
            let key = try JSONCanonical.text(payload, member.key)
            members.append(.init(key: key, value: try canonical.value(payload, member.value)))
        }
        let null = Array("null".utf8)
        var out: [UInt8] = []
        // All of them first: a key that is null once and something else once stands twice with different values.
        try canonical.append(members, at: 0, to: &out)
        members.removeAll { $0.value == null }
        guard !members.isEmpty else { return [] }
        out.removeAll()
        try canonical.append(members, at: 0, to: &out)
        return out
    }
}

/// When a record happened and when it was published; never the local clock.
struct EventTimeReader {
    struct Result {
        let ts: Timestamp
        let published: Timestamp?
        /// Whether `timestamp` was the event time; else it is content like any unknown key.
        let usedTimestamp: Bool
    }

    let plan: DecodePlan
    let encoder: FieldEncoder

    /// The type's own key, else `ts_ms`, else `timestamp`; every one that is present must parse.
    ///
    /// `latest` is the stream time.
    func read(
        _ payload: Span<UInt8>,
        _ scratch: DecodeScratch,
        latest: Timestamp
    ) throws(DecodeError) -> Result {
        var own: Timestamp?
        for slot in plan.eventTime {
            guard let value = scratch.value(slot) else { continue }
            let time = try inWindow(value, slot, payload, latest)
            guard own?.agrees(with: time) ?? true else {
                throw DecodeError(.aliasesDisagree, at: value.start, "the event time is told twice, differently")
            }
            own = own ?? time
        }
        var published: Timestamp?
        if let value = scratch.value(DecodePlan.Common.published) {
            published = try inWindow(value, DecodePlan.Common.published, payload, latest)
        }
        var stamp: Timestamp?
        if let value = scratch.value(DecodePlan.Common.timestamp) {
            stamp = try inWindow(value, DecodePlan.Common.timestamp, payload, latest)
        }
        if let ts = own ?? published { return Result(ts: ts, published: published, usedTimestamp: false) }
        guard let ts = stamp else { throw DecodeError(.missingTime, "no event time") }
        return Result(ts: ts, published: nil, usedTimestamp: true)
    }

    private func inWindow(
        _ value: JSONValue,
        _ slot: Int,
        _ payload: Span<UInt8>,
        _ latest: Timestamp
    ) throws(DecodeError) -> Timestamp {
        guard let time = try encoder.timestamp(value, payload) else {
            throw FieldEncoder.notATime(value, plan.keys.name(slot))
        }
        guard time >= encoder.earliest, time <= latest.advanced(byMicros: encoder.maxAheadMicros) else {
            let year = encoder.limits.earliestYear
            let detail = "\(plan.keys.name(slot)) is before \(year) or too far after the stream time"
            throw DecodeError(.timeOutOfRange, at: value.start, detail)
        }
        return time
    }
}

/// Messages of one record type → COPY rows, without objects in between.
///
/// What cannot be told exactly is refused with a reason, never guessed: no default for a missing value, no time of the
/// local clock, no binary double. Two passes: the first finds every key once and checks the whole payload, the second
/// writes the columns in catalogue order; the levels of a book are read by the first alone. A value, so that every lane
/// has its own; the memory it works in is the batch's.
package struct RecordDecoder: Sendable {
    private let plan: DecodePlan
    private let limits: DecodeLimits
    private let members: MemberScanner
    private let times: EventTimeReader
    private let encoder: FieldEncoder
    private let extra: ExtraBuilder

    /// Prepares a decoder.
    ///
    /// `keepProvenance` puts the dropped keys into `extra`; `provenanceKeys` drops more keys than
    /// `RecordType.provenanceKeys`. A key that a column takes stays with its column.
    package init(
        type: RecordType,
        catalog: Catalog,
        limits: DecodeLimits = .init(),
        keepProvenance: Bool = false,
        provenanceKeys: [String] = []
    ) {
        plan = DecodePlan(type: type, catalog: catalog, provenanceKeys: provenanceKeys)
        self.limits = limits
        members = MemberScanner(plan: plan, limits: limits)
        encoder = FieldEncoder(plan: plan, limits: limits)
        times = EventTimeReader(plan: plan, encoder: encoder)
        extra = ExtraBuilder(plan: plan, limits: limits, keepProvenance: keepProvenance)
    }

    /// Appends one row, or throws and leaves `rows` as it was.
    ///
    /// Never traps, whatever the bytes; the verdict depends on the bytes, the subject and the stream time only.
    package func decode(
        _ payload: Span<UInt8>,
        subject: Span<UInt8>,
        origin: MessageOrigin,
        into rows: inout RowBatch
    ) throws(DecodeError) {
        guard payload.count <= limits.messageBytes else {
            throw DecodeError(.messageTooLarge, "more than \(limits.messageBytes) bytes")
        }
        rows.scratch.begin(plan)
        try members.read(payload, into: &rows.scratch)
        let ts = try writeRow(payload, subject, origin, &rows.scratch)
        rows.appendScratch(ts: ts, sequence: origin.sequence)
    }

    private func writeRow(
        _ payload: Span<UInt8>,
        _ subject: Span<UInt8>,
        _ origin: MessageOrigin,
        _ scratch: inout DecodeScratch
    ) throws(DecodeError) -> Timestamp {
        let event = try times.read(payload, scratch, latest: origin.time)
        let series = try series(payload, subject, &scratch)
        scratch.row.append16(Int16(truncatingIfNeeded: plan.columnCount))
        scratch.row.appendTimestamp(event.ts)
        let known = series.bytes
        scratch.row.append(known.span, series.ends[4], series.ends[5])
        try refuseOtherVariants(series.variant, scratch)
        for index in plan.columns.indices {
            try append(plan.columns[index], series.variant, payload, origin.time, &scratch)
        }
        try extra.append(payload, usedTimestamp: event.usedTimestamp, to: &scratch)
        if let published = event.published { scratch.row.appendTimestamp(published) } else { scratch.row.appendNull() }
        scratch.row.appendInteger(Int64(clamping: origin.sequence))
        scratch.row.appendTimestamp(origin.receivedAt)
        scratch.key.append(1)
        scratch.key.append64(RowIdentity.ordered(event.ts.postgresMicros))
        scratch.key.append(known.span, series.ends[5], series.ends[6])
        do throws(CopyRowError) {
            let row = scratch.row.storage
            try plan.identity.appendOwnKey(of: scratch.keyFields, in: row.span, to: &scratch.key)
        } catch {
            throw DecodeError(.invalidText, at: error.offset, error.detail)
        }
        return event.ts
    }

    /// The series that a message is of: as an earlier message found it, or read now.
    private func series(
        _ payload: Span<UInt8>,
        _ subject: Span<UInt8>,
        _ scratch: inout DecodeScratch
    ) throws(DecodeError) -> SeriesCache.Entry {
        let place = scratch.series.place(subject)
        if let known = scratch.series.entry(place), names(known, payload, subject, scratch) { return known }
        let (read, isPlain) = try readSeries(payload, subject, &scratch)
        if isPlain { scratch.series.remember(read, at: place) }
        return read
    }

    /// Whether a message names this series in just the words that an earlier one did.
    @inline(__always)
    private func names(
        _ series: SeriesCache.Entry,
        _ payload: Span<UInt8>,
        _ subject: Span<UInt8>,
        _ scratch: DecodeScratch
    ) -> Bool {
        guard series.has(0, subject, 0, subject.count) else { return false }
        for index in SeriesCache.slots.indices {
            if let value = scratch.value(SeriesCache.slots[index]) {
                guard value.kind == .string, !value.isEscaped,
                    series.has(index &+ 1, payload, value.start, value.end)
                else { return false }
            } else if !series.has(index &+ 1, payload, 0, 0) {
                return false
            }
        }
        return true
    }

    /// Reads what names the series; also says whether all of it is plain text.
    private func readSeries(
        _ payload: Span<UInt8>,
        _ subject: Span<UInt8>,
        _ scratch: inout DecodeScratch
    ) throws(DecodeError) -> (SeriesCache.Entry, isPlain: Bool) {
        let name = try SubjectName(subject, plan: plan, symbolLength: limits.symbolLength, to: &scratch.subject)
        let variant = try variant(name, payload, scratch)
        // The row is empty yet, and lends its memory.
        try SeriesEncoder(plan: plan, limits: limits).append(payload, name, to: &scratch)
        let fields = scratch.row.bytes
        scratch.row.removeAll()
        var bytes = RowWriter()
        var ends = SIMD8<Int>()
        bytes.append(subject, 0, subject.count)
        ends[0] = bytes.count
        var isPlain = true
        for index in SeriesCache.slots.indices {
            if let value = scratch.value(SeriesCache.slots[index]) {
                isPlain = isPlain && value.kind == .string && !value.isEscaped
                bytes.append(payload, value.start, value.end)
            }
            ends[index + 1] = bytes.count
        }
        bytes.append(contentsOf: fields)
        ends[5] = bytes.count
        var position = 0
        while position < fields.count {
            let end = position + 4 + Int(CopyRowReader.int32(fields.span, position))
            bytes.append(1)
            bytes.append(fields.span, position + 4, end)
            bytes.append(0)
            position = end
        }
        ends[6] = bytes.count
        return (SeriesCache.Entry(bytes, ends: ends, variant: variant), isPlain)
    }

    /// The variant that the subject names, else `data_type`; both must agree with each other and with the type.
    private func variant(
        _ name: SubjectName,
        _ payload: Span<UInt8>,
        _ scratch: DecodeScratch
    ) throws(DecodeError) -> Int {
        var named: Int?
        if let value = scratch.value(DecodePlan.Common.dataType) {
            guard value.kind == .string else { throw FieldEncoder.wrongKind(value, "data_type", "text") }
            if value.isEscaped {
                let text = try JSONCanonical.text(payload, value)
                named = try plan.variant(ofDataType: text.span, 0, text.count)
            } else if value.end > value.start {
                named = try plan.variant(ofDataType: payload, value.start, value.end)
            }
        }
        let variant = name.variant ?? named ?? max(plan.variants.count - 1, 0)
        guard named == nil || named == variant else {
            throw DecodeError(.otherVariant, "subject and data_type name different variants")
        }
        return variant
    }

    private func refuseOtherVariants(_ variant: Int, _ scratch: DecodeScratch) throws(DecodeError) {
        guard !plan.variants.isEmpty else { return }
        for slot in plan.foreignSlots[variant] {
            guard let value = scratch.value(slot) else { continue }
            throw DecodeError(.otherVariant, at: value.start, "\(plan.keys.name(slot)) belongs to another variant")
        }
    }

    private func append(
        _ column: DecodePlan.ColumnPlan,
        _ variant: Int,
        _ payload: Span<UInt8>,
        _ now: Timestamp,
        _ scratch: inout DecodeScratch
    ) throws(DecodeError) {
        let start = scratch.row.count
        switch column.source {
        case .variant: scratch.row.appendText(plan.variants[variant])
        case .levels(let slot, let side, let half): try appendLevels(slot, side, half, column, payload, &scratch)
        case .slots(let list, let perVariant, let spills):
            let places = plan.lists[perVariant ? list + variant : list]
            try append(places, spills, column, payload, now, &scratch)
        }
        if column.keyPlace >= 0 { scratch.noteKeyField(column.keyPlace, from: start) }
    }

    /// Writes the first of the keys that is present; the others are checked, and must agree unless they spill.
    private func append(
        _ places: Range<Int>,
        _ spills: Bool,
        _ column: DecodePlan.ColumnPlan,
        _ payload: Span<UInt8>,
        _ now: Timestamp,
        _ scratch: inout DecodeScratch
    ) throws(DecodeError) {
        let start = scratch.row.count
        var isWritten = false
        for place in places {
            guard let value = scratch.value(plan.slots[place]) else { continue }
            guard isWritten else {
                try encoder.append(column, value, payload, now: now, to: &scratch.row)
                isWritten = true
                continue
            }
            scratch.other.removeAll()
            try encoder.append(column, value, payload, now: now, to: &scratch.other)
            guard spills || agrees(scratch, start, column.kind) else {
                throw DecodeError(.aliasesDisagree, at: value.start, "\(plan.name(column)) is told twice, differently")
            }
        }
        guard !isWritten else { return }
        guard column.isNullable else { throw DecodeError(.missingValue, "\(plan.name(column)) is missing") }
        scratch.row.appendNull()
    }

    private func agrees(_ scratch: DecodeScratch, _ start: Int, _ kind: Column.Kind) -> Bool {
        let written = scratch.row.storage.span
        let other = scratch.other.storage.span
        if kind == .timestamp {
            let a = Timestamp(postgresMicros: CopyRowReader.int64(written, start + 4))
            return a.agrees(with: Timestamp(postgresMicros: CopyRowReader.int64(other, 4)))
        }
        guard scratch.other.count == scratch.row.count - start else { return false }
        for index in 0..<scratch.other.count where other[index] != written[start + index] { return false }
        return true
    }

    private func appendLevels(
        _ slot: Int,
        _ side: Int,
        _ half: Column.Half,
        _ column: DecodePlan.ColumnPlan,
        _ payload: Span<UInt8>,
        _ scratch: inout DecodeScratch
    ) throws(DecodeError) {
        guard let value = scratch.value(slot) else {
            guard column.isNullable else {
                throw DecodeError(.missingValue, "\(plan.keys.name(slot)) is missing")
            }
            scratch.row.appendNull()
            return
        }
        if scratch.sides[side].stamp != scratch.stamp {
            try BookSideScanner(plan: plan, limits: limits, slot: slot).read(
                text: value,
                payload,
                into: &scratch.sides[side]
            )
            scratch.sides[side].stamp = scratch.stamp
        }
        guard scratch.sides[side].count > 0 else {
            throw DecodeError(.emptyBookSide, at: value.start, "\(plan.keys.name(slot)) has no level")
        }
        let start = scratch.row.beginField()
        let list = half == .price ? scratch.sides[side].prices : scratch.sides[side].quantities
        PackedDecimals.append(list, to: &scratch.row)
        scratch.row.endField(start)
    }
}

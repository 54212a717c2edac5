/// Messages of one record type → COPY rows, without objects in between.
///
/// What cannot be told exactly is refused with a reason, never guessed: no default for a missing value, no time of the
/// local clock, no binary double. Two passes: the first finds every key once and checks the whole payload, the second
/// writes the columns in catalogue order; the levels of a book are read by the first alone. A value, so that every lane
/// has its own; the memory it works in is the batch's.
package struct RecordDecoder: Sendable {
    private let plan: DecodePlan
    private let limits: DecodeLimits
    private let encoder: FieldEncoder
    private let keepProvenance: Bool

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
        encoder = FieldEncoder(plan: plan, limits: limits)
        self.limits = limits
        self.keepProvenance = keepProvenance
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
        try MemberScanner(plan: plan, limits: limits).read(payload, into: &rows.scratch)
        let ts = try writeRow(payload, subject, origin, &rows.scratch)
        rows.appendScratch(ts: ts, sequence: origin.sequence)
    }

    private func writeRow(
        _ payload: Span<UInt8>,
        _ subject: Span<UInt8>,
        _ origin: MessageOrigin,
        _ scratch: inout DecodeScratch
    ) throws(DecodeError) -> Timestamp {
        let place = place(ofSeries: subject, payload, &scratch)
        var series = place.flatMap { scratch.series.entry($0, of: scratch.told) }
        let times = EventTimeReader(plan: plan, encoder: encoder, latest: origin.time)
        let event = try times.read(payload, scratch)
        scratch.row.append16(Int16(truncatingIfNeeded: plan.columnCount))
        scratch.row.appendTimestamp(event.ts)
        if let series {
            scratch.row.append(contentsOf: series.fields)
        } else {
            let read = try readSeries(payload, subject, &scratch)
            if let place { scratch.series.remember(read, at: place) }
            series = read
        }
        let variant = series?.variant ?? 0
        try refuseOtherVariants(variant, scratch)
        for index in plan.columns.indices {
            try append(plan.columns[index], variant, payload, origin.time, &scratch)
        }
        let extra = ExtraBuilder(plan: plan, limits: limits, keepProvenance: keepProvenance)
        try extra.append(payload, usedTimestamp: event.usedTimestamp, to: &scratch)
        if let published = event.published { scratch.row.appendTimestamp(published) } else { scratch.row.appendNull() }
        scratch.row.appendInteger(Int64(clamping: origin.sequence))
        scratch.row.appendTimestamp(origin.receivedAt)
        scratch.key.append(1)
        scratch.key.append64(RowIdentity.ordered(event.ts.postgresMicros))
        if let series { scratch.key.append(contentsOf: series.key) }
        do throws(CopyRowError) {
            let row = scratch.row.storage
            try plan.identity.appendOwnKey(of: scratch.keyFields, in: row.span, to: &scratch.key)
        } catch {
            throw DecodeError(.invalidText, at: error.offset, error.detail)
        }
        return event.ts
    }

    private static let seriesSlots = [
        DecodePlan.Common.exchange, DecodePlan.Common.marketType, DecodePlan.Common.symbol, DecodePlan.Common.dataType,
    ]

    /// Gathers the words that say of which series a message is; returns their place in the cache, nil where a value is
    /// not plain text.
    private func place(
        ofSeries subject: Span<UInt8>,
        _ payload: Span<UInt8>,
        _ scratch: inout DecodeScratch
    ) -> Int? {
        // No value holds a quote as it is, so words that differ are bytes that differ.
        scratch.told.append32(Int32(truncatingIfNeeded: subject.count))
        scratch.told.append(subject, 0, subject.count)
        for slot in Self.seriesSlots {
            if let value = scratch.value(slot) {
                guard value.kind == .string, !value.isEscaped else { return nil }
                scratch.told.append(payload, value.start, value.end)
                scratch.told.append(0x22)
            }
            scratch.told.append(0x22)
        }
        return scratch.series.place(scratch.told)
    }

    /// Appends the fields of the series as a message names it.
    private func readSeries(
        _ payload: Span<UInt8>,
        _ subject: Span<UInt8>,
        _ scratch: inout DecodeScratch
    ) throws(DecodeError) -> SeriesCache.Entry {
        let name = try SubjectName(subject, plan: plan, symbolLength: limits.symbolLength, to: &scratch.subject)
        let variant = try variant(name, payload, scratch)
        let start = scratch.row.count
        try SeriesEncoder(plan: plan, limits: limits).append(payload, name, to: &scratch)
        let fields = Array(scratch.row.storage[start..<scratch.row.count])
        var key = RowWriter()
        var position = 0
        while position < fields.count {
            let end = position + 4 + Int(CopyRowReader.int32(fields.span, position))
            key.append(1)
            key.append(fields.span, position + 4, end)
            key.append(0)
            position = end
        }
        return SeriesCache.Entry(told: scratch.told.bytes, fields: fields, key: key.bytes, variant: variant)
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

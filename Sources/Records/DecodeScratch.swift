/// Working memory of a decoder, kept by the batch so that a message costs no allocation.
struct DecodeScratch: Sendable {
    /// A known key's value in the current message; of an older one where the stamp is not the current.
    struct Slot: Sendable {
        var value = JSONValue(kind: .null, start: 0, end: 0)
        var stamp: UInt64 = 0
    }
    /// A member that no column takes.
    struct Member: Sendable {
        let key: JSONValue
        let value: JSONValue
    }
    /// One side of an order book as the texts of two lists of decimals.
    struct Side: Sendable {
        var stamp: UInt64 = 0
        var count = 0
        var prices = RowWriter()
        var quantities = RowWriter()
    }

    var stamp: UInt64 = 0
    /// Whose memory this is: what another decoder found out is of no use.
    private var plan: DecodePlan?
    var slots: [Slot] = []
    /// The slot of the key that stood at each place of the message before, −1 where it was not known.
    private(set) var order: [Int] = []
    var series = SeriesCache()
    /// The words of the current message that say of which series it is.
    var told = RowWriter()
    var unmapped: [Member] = []
    var sides: [Side] = []
    /// The tuple under construction, its fields, its natural key.
    var row = RowWriter()
    var fields: [CopyRowReader.Field] = []
    var key = RowWriter()
    /// The subject's exchange and symbol, normalised.
    var subject = RowWriter()
    /// A value that is read only to be checked or compared.
    var other = RowWriter()

    /// Forgets the message before.
    mutating func begin(_ plan: DecodePlan) {
        if self.plan !== plan { self = DecodeScratch(plan) }
        stamp += 1
        unmapped.removeAll(keepingCapacity: true)
        fields.removeAll(keepingCapacity: true)
        row.removeAll()
        key.removeAll()
        subject.removeAll()
        told.removeAll()
    }

    init() {}

    private init(_ plan: DecodePlan) {
        self.plan = plan
        slots = Array(repeating: Slot(), count: plan.keys.count)
        sides = Array(repeating: Side(), count: plan.sideCount)
    }

    /// Notes which key stood at a place of the message.
    mutating func expect(_ slot: Int?, at index: Int) {
        while order.count <= index { order.append(-1) }
        order[index] = slot ?? -1
    }

    /// The value of a key that is present and not null.
    @inline(__always)
    func value(_ slot: Int) -> JSONValue? {
        guard slots[slot].stamp == stamp, slots[slot].value.kind != .null else { return nil }
        return slots[slot].value
    }

    /// Writes one field and notes it.
    @inline(__always)
    mutating func field(_ write: (inout RowWriter) -> Void) {
        let start = row.count
        write(&row)
        endField(from: start)
    }

    /// Appends the fields of a series that is known, and its part of the natural key.
    mutating func append(_ entry: SeriesCache.Entry) {
        let start = row.count
        row.append(contentsOf: entry.fields)
        for index in entry.starts.indices { endField(from: start + entry.starts[index]) }
    }

    /// Notes the field that was just written, its length included.
    mutating func endField(from start: Int) {
        let length = CopyRowReader.int32(row.storage.span, start)
        fields.append(CopyRowReader.Field(start: start + 4, length: Int(length)))
    }
}

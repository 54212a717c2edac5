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
    var order: [Int] = []
    var series = SeriesCache()
    var unmapped: [Member] = []
    var sides: [Side] = []
    /// The tuple under construction, and its natural key.
    var row = RowWriter()
    var key = RowWriter()
    /// The fields of the own columns that the key has, in its order.
    var keyFields: [CopyRowReader.Field] = []
    /// The subject's exchange and symbol, normalised.
    var subject = RowWriter()
    /// A value that is read only to be checked or compared.
    var other = RowWriter()

    /// Forgets the message before.
    mutating func begin(_ plan: DecodePlan) {
        if self.plan !== plan { self = DecodeScratch(plan) }
        stamp += 1
        unmapped.removeAll(keepingCapacity: true)
        row.removeAll()
        key.removeAll()
        subject.removeAll()
    }

    init() {}

    private init(_ plan: DecodePlan) {
        self.plan = plan
        slots = Array(repeating: Slot(), count: plan.keys.count)
        sides = Array(repeating: Side(), count: plan.sideCount)
        keyFields = Array(repeating: CopyRowReader.Field(start: 0, length: -1), count: plan.type.key.count)
    }

    /// The value of a key that is present and not null.
    @inline(__always)
    func value(_ slot: Int) -> JSONValue? {
        guard slots[slot].stamp == stamp, slots[slot].value.kind != .null else { return nil }
        return slots[slot].value
    }

    /// Notes a field of the key, which begins with its length at `start` and ends the row.
    mutating func noteKeyField(_ place: Int, from start: Int) {
        let length = CopyRowReader.int32(row.storage.span, start)
        keyFields[place] = CopyRowReader.Field(start: start + 4, length: Int(length))
    }
}

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
    /// One side of an order book as the elements of two `numeric[]`.
    struct Side: Sendable {
        var stamp: UInt64 = 0
        var count = 0
        var prices = RowWriter()
        var quantities = RowWriter()
    }

    var stamp: UInt64 = 0
    var slots: [Slot] = []
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
    mutating func begin(slots slotCount: Int, sides sideCount: Int) {
        stamp += 1
        while slots.count < slotCount { slots.append(Slot()) }
        while sides.count < sideCount { sides.append(Side()) }
        unmapped.removeAll(keepingCapacity: true)
        fields.removeAll(keepingCapacity: true)
        row.removeAll()
        key.removeAll()
        subject.removeAll()
    }

    /// The value of a key that is present and not null.
    func value(_ slot: Int) -> JSONValue? {
        guard slots[slot].stamp == stamp, slots[slot].value.kind != .null else { return nil }
        return slots[slot].value
    }

    /// Writes one field and notes it.
    mutating func field(_ write: (inout RowWriter) -> Void) {
        let start = row.count
        write(&row)
        endField(from: start)
    }

    /// Writes the natural key of the row's fields.
    mutating func appendKey(_ identity: RowIdentity) throws(CopyRowError) {
        let bytes = row.storage
        let fields = self.fields
        try identity.appendKey(of: fields, in: bytes.span, to: &key)
    }

    /// Notes the field that was just written, its length included.
    mutating func endField(from start: Int) {
        let length = CopyRowReader.int32(row.storage.span, start)
        fields.append(CopyRowReader.Field(start: start + 4, length: Int(length)))
    }
}

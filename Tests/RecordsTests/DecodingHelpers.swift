import Records
import TestSupport

/// A stream time after every recorded message: 2026-11-20T12:00:00Z.
let streamTime = Timestamp(milliseconds: 1_795_176_000_000)

/// Decodes one message alone.
func decode(
    _ type: RecordType,
    _ payload: [UInt8],
    subject: String,
    limits: DecodeLimits = .init(),
    keepProvenance: Bool = false
) throws -> RowBatch {
    let decoder = RecordDecoder(
        type: type,
        catalog: .underTest,
        limits: limits,
        keepProvenance: keepProvenance
    )
    var rows = RowBatch()
    let origin = MessageOrigin(sequence: 7, time: streamTime, receivedAt: streamTime)
    try decoder.decode(payload.span, subject: Array(subject.utf8).span, origin: origin, into: &rows)
    return rows
}

/// Decodes the sample message of a type with some of its keys replaced, and reads the row.
func sample(_ type: RecordType, _ values: [String: String] = [:], keepProvenance: Bool = false) throws -> RowValues {
    let message = SampleMessage(type, values: values)
    let rows = try decode(type, message.payload, subject: message.subject, keepProvenance: keepProvenance)
    return try RowValues.all(rows.bytes, of: type)[0]
}

/// Why the sample message with some of its keys replaced is refused; nil when it is not.
func refusal(_ type: RecordType, _ values: [String: String]) -> DecodeError.Reason? {
    do {
        _ = try sample(type, values)
        return nil
    } catch let error as DecodeError {
        return error.reason
    } catch {
        return nil
    }
}

/// The standard type of this name.
func recordType(_ name: String) throws -> RecordType {
    guard let type = Catalog.underTest.type(named: name) else { throw RecordedData.Unreadable(name) }
    return type
}

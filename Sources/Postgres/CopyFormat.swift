/// What frames the tuples of a binary COPY, which the rest of the product never sees.
///
/// Source: https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format"
enum CopyFormat {
    /// `PGCOPY\n\377\r\n\0`, no flags, no extension.
    static let header: [UInt8] = [
        0x50, 0x47, 0x43, 0x4F, 0x50, 0x59, 0x0A, 0xFF, 0x0D, 0x0A, 0x00, 0, 0, 0, 0, 0, 0, 0, 0,
    ]

    /// A field count of -1.
    static let trailer: [UInt8] = [0xFF, 0xFF]
}

/// Takes the messages of one binary COPY TO STDOUT apart: header off, whole tuples through, trailer checked.
///
/// libpq hands out one data row per message; the header rides in front of the first one, the trailer comes alone or,
/// for an empty result, behind the header. Anything else is an error: a short stream never passes for a short table.
/// Source: https://www.postgresql.org/docs/15/libpq-copy.html
struct CopyOutReader {
    private enum Position { case header, rows, end }

    /// Tuples seen so far.
    private(set) var rows = 0
    private let columns: Int
    private var position = Position.header

    init(columns: Int) { self.columns = columns }

    /// Appends the tuple in `message` to `chunk`.
    ///
    /// Throws: `.protocolViolation`; the connection is then of no further use.
    mutating func take(_ message: UnsafeRawBufferPointer, into chunk: inout [UInt8]) throws(PostgresError) {
        var body = message
        if position == .header { body = try withoutHeader(message) }
        guard !body.isEmpty else { return }
        guard position == .rows else { throw violation("data after the trailer") }
        guard body.count >= 2 else { throw violation("a tuple of one byte") }
        let count = Int16(bitPattern: UInt16(body[0]) << 8 | UInt16(body[1]))
        if count == -1, body.count == 2 {
            position = .end
            return
        }
        guard count == columns else { throw violation("a tuple of \(count) fields, expected \(columns)") }
        chunk.append(contentsOf: body)
        rows += 1
    }

    /// Checks, once the server says that the COPY is over, that it was whole.
    func finish(counted: Int) throws(PostgresError) {
        guard position == .end else { throw violation("the stream ends without a trailer after \(rows) rows") }
        guard rows == counted else { throw violation("\(rows) rows came, the server counts \(counted)") }
    }

    private mutating func withoutHeader(
        _ message: UnsafeRawBufferPointer
    ) throws(PostgresError) -> UnsafeRawBufferPointer {
        let length = CopyFormat.header.count
        guard message.count >= length, message.prefix(length).elementsEqual(CopyFormat.header) else {
            throw violation("the stream does not begin with the header of a binary COPY")
        }
        position = .rows
        return UnsafeRawBufferPointer(rebasing: message.dropFirst(length))
    }

    private func violation(_ message: String) -> PostgresError { PostgresError(.protocolViolation, .copyOut, message) }
}

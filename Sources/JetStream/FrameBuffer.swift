internal import Glibc

/// Takes what a server sends apart into messages, out of bytes that come in pieces of any size.
///
/// A message is lent where it lies, so that it is copied once, to where it is wanted. What the server says beside
/// messages is passed over: an error that matters ends the connection too.
/// Source: https://docs.nats.io/reference/reference-protocols/nats-protocol
struct FrameBuffer: ~Copyable {
    /// The server does not speak the protocol.
    struct Malformed: Error {}

    /// What one read may bring; small enough to be taken apart out of the processor's cache.
    private static let piece = 128 << 10
    /// No line is longer: a subject and a reply subject, or what a large cluster says of itself.
    private static let longestLine = 1 << 20
    /// No server sends larger ones.
    private static let largestMessage = 128 << 20
    private static let newline = Int32(UInt8(ascii: "\n"))

    private var room = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * piece, alignment: 16)
    private var start = 0
    private var end = 0
    /// The server wants to hear from us.
    private(set) var owesPong = false

    init() {}

    deinit { room.deallocate() }

    /// Lends room for one read, which returns how many bytes it wrote there.
    mutating func fill(_ read: (UnsafeMutableRawBufferPointer) -> Int) -> Int {
        makeRoom()
        let count = read(UnsafeMutableRawBufferPointer(rebasing: room[end..<(end + Self.piece)]))
        end += max(count, 0)
        return count
    }

    mutating func pongIsSent() { owesPong = false }

    /// The next message, if all of it is here; valid until the next `fill`.
    mutating func next() throws(Malformed) -> Frame? {
        while let length = try line() {
            let line = UnsafeRawBufferPointer(rebasing: room[start..<(start + length)])
            switch line[0] {
            case UInt8(ascii: "M"), UInt8(ascii: "H"):
                let head = try Head(line)
                // The payload ends with a line end of its own.
                let size = length + head.payload + 2
                guard end - start >= size else { return nil }
                let body = UnsafeRawBufferPointer(rebasing: room[(start + length)..<(start + size - 2)])
                start += size
                return Frame(head, body)
            case UInt8(ascii: "P") where line[1] == UInt8(ascii: "I"): owesPong = true
            case UInt8(ascii: "P"), UInt8(ascii: "I"), UInt8(ascii: "+"), UInt8(ascii: "-"): break
            default: throw Malformed()
            }
            start += length
        }
        return nil
    }

    /// Length of the line that begins at `start`, its end included; nil where that has not come.
    private func line() throws(Malformed) -> Int? {
        guard let begin = room.baseAddress.map({ $0 + start }) else { return nil }
        guard let found = UnsafeRawPointer(memchr(begin, Self.newline, end - start)) else {
            guard end - start < Self.longestLine else { throw Malformed() }
            return nil
        }
        let length = found - UnsafeRawPointer(begin) + 1
        guard length > 2 else { throw Malformed() }
        return length
    }

    /// Moves what is left to the beginning; a message or line that is larger than the room gets a larger one.
    private mutating func makeRoom() {
        let left = end - start
        if left == 0 && room.count > 2 * Self.piece {
            room.deallocate()
            room = .allocate(byteCount: 2 * Self.piece, alignment: 16)
        } else if left + Self.piece > room.count {
            let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * left + Self.piece, alignment: 16)
            larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: room[start..<end]))
            room.deallocate()
            room = larger
        } else if left > 0 && start > 0 {
            room.copyMemory(from: UnsafeRawBufferPointer(rebasing: room[start..<end]))
        }
        (start, end) = (0, left)
    }

    /// `MSG <subject> <sid> [<reply>] <bytes>` or `HMSG <subject> <sid> [<reply>] <header bytes> <bytes>`.
    struct Head {
        let subject: UnsafeRawBufferPointer
        let reply: UnsafeRawBufferPointer
        let headers: Int
        /// With the headers.
        let payload: Int

        init(_ line: UnsafeRawBufferPointer) throws(Malformed) {
            let hasHeaders = line[0] == UInt8(ascii: "H")
            var rest = UnsafeRawBufferPointer(rebasing: line[..<(line.count - 2)])
            let none = UnsafeRawBufferPointer(start: nil, count: 0)
            var words = (none, none, none, none, none, none)
            var count = 0
            while !rest.isEmpty {
                let word = Self.word(&rest)
                switch count {
                case 0: words.0 = word
                case 1: words.1 = word
                case 2: words.2 = word
                case 3: words.3 = word
                case 4: words.4 = word
                case 5: words.5 = word
                default: throw Malformed()
                }
                count += 1
            }
            guard words.0.elementsEqual(hasHeaders ? "HMSG".utf8 : "MSG".utf8) else { throw Malformed() }
            subject = words.1
            switch (count, hasHeaders) {
            case (4, false): (reply, headers, payload) = (none, 0, try Self.number(words.3))
            case (5, false): (reply, headers, payload) = (words.3, 0, try Self.number(words.4))
            case (5, true): (reply, headers, payload) = (none, try Self.number(words.3), try Self.number(words.4))
            case (6, true): (reply, headers, payload) = (words.3, try Self.number(words.4), try Self.number(words.5))
            default: throw Malformed()
            }
            guard headers <= payload else { throw Malformed() }
        }

        private static func word(_ rest: inout UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
            guard let begin = rest.baseAddress,
                let found = UnsafeRawPointer(memchr(begin, Int32(UInt8(ascii: " ")), rest.count))
            else {
                defer { rest = UnsafeRawBufferPointer(start: nil, count: 0) }
                return rest
            }
            let length = found - begin
            defer { rest = UnsafeRawBufferPointer(rebasing: rest[(length + 1)...]) }
            return UnsafeRawBufferPointer(rebasing: rest[..<length])
        }

        private static func number(_ word: UnsafeRawBufferPointer) throws(Malformed) -> Int {
            guard !word.isEmpty, word.count < 12 else { throw Malformed() }
            var value = 0
            for byte in word {
                let digit = byte &- UInt8(ascii: "0")
                guard digit < 10 else { throw Malformed() }
                value = value * 10 + Int(digit)
            }
            guard value <= largestMessage else { throw Malformed() }
            return value
        }
    }
}

/// A message where it came in.
struct Frame: IncomingMessage {
    let subject: UnsafeRawBufferPointer
    let reply: UnsafeRawBufferPointer
    let payload: UnsafeRawBufferPointer
    /// `NATS/1.0 <status> <words>`, lines `name: value`, an empty line; empty if there are none.
    private let head: UnsafeRawBufferPointer

    init(_ line: FrameBuffer.Head, _ body: UnsafeRawBufferPointer) {
        subject = line.subject
        reply = line.reply
        head = UnsafeRawBufferPointer(rebasing: body[..<line.headers])
        payload = UnsafeRawBufferPointer(rebasing: body[line.headers...])
    }

    func header(_ name: String) -> String? {
        let wanted = Array(name.utf8)
        return fields.first { $0.name.elementsEqual(wanted) }.map { String(decoding: $0.value, as: UTF8.self) }
    }

    func appendHeaders(to bytes: inout [UInt8]) -> Int {
        // The usual message has none.
        guard !head.isEmpty else { return 0 }
        let start = bytes.count
        for field in fields.sorted(by: { $0.name.lexicographicallyPrecedes($1.name) }) {
            bytes += field.name
            bytes += [UInt8(ascii: ":"), UInt8(ascii: " ")]
            bytes += field.value
            bytes += [UInt8(ascii: "\r"), UInt8(ascii: "\n")]
        }
        return bytes.count - start
    }

    /// Names and values in the order in which they came; the status of a message of the server's own is one too.
    private var fields: [(name: ArraySlice<UInt8>, value: ArraySlice<UInt8>)] {
        let lines = Array(head).split(separator: UInt8(ascii: "\n")).map {
            $0.last == UInt8(ascii: "\r") ? $0.dropLast() : $0
        }
        var fields: [(name: ArraySlice<UInt8>, value: ArraySlice<UInt8>)] = []
        let words = lines.first?.split(separator: UInt8(ascii: " ")) ?? []
        if words.count > 1 { fields.append((ArraySlice("Status".utf8), words[1])) }
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
            let value = line[(colon + 1)...].drop { $0 == UInt8(ascii: " ") }
            fields.append((line[..<colon], value))
        }
        return fields
    }
}

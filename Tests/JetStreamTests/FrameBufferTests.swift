import Testing

@testable import JetStream

@Suite struct FrameBufferTests {
    /// A message with its bytes copied out.
    private struct Copied: Equatable {
        var subject = ""
        var reply = ""
        var headers = ""
        var payload = ""
    }

    /// Feeds `text` in pieces of `size` bytes, as a socket may, and takes all messages.
    private func read(_ text: String, by size: Int = .max) throws -> (messages: [Copied], owesPong: Bool) {
        var buffer = FrameBuffer()
        var rest = Array(text.utf8)[...]
        var messages: [Copied] = []
        while !rest.isEmpty {
            let count = buffer.fill { room in
                let piece = rest.prefix(min(size, room.count))
                room.copyBytes(from: piece)
                return piece.count
            }
            rest = rest.dropFirst(count)
            while let frame = try buffer.next() {
                var headers: [UInt8] = []
                _ = frame.appendHeaders(to: &headers)
                messages.append(
                    Copied(
                        subject: String(decoding: frame.subject, as: UTF8.self),
                        reply: String(decoding: frame.reply, as: UTF8.self),
                        headers: String(decoding: headers, as: UTF8.self),
                        payload: String(decoding: frame.payload, as: UTF8.self)
                    )
                )
            }
        }
        return (messages, buffer.owesPong)
    }

    @Test(arguments: [1, 2, 3, 7, 64, .max])
    func `messages are the same in whatever pieces they come`(_ size: Int) throws {
        let large = String(repeating: "line\r\nMSG a 1 3\r\n", count: 40_000 / min(8, size))
        let head = "NATS/1.0\r\nZulu: z\r\nAlpha:a 1\r\nAlpha:  a 2\r\n\r\n"
        let found = try read(
            """
            INFO {"server_id":"x"}\r\nMSG s.a 1 $JS.ACK.x 5\r\nhello\r\nPONG\r\n+OK\r\nMSG s.b 1 0\r\n\r\n\
            -ERR 'Slow'\r\nHMSG s.c 1 r \(head.utf8.count) \(head.utf8.count + 2)\r\n\(head)ab\r\n\
            MSG s.d 1 r \(large.utf8.count)\r\n\(large)\r\nMSG s.e 1 r 1\r\nx\r\n
            """,
            by: size
        )
        let expected = [
            Copied(subject: "s.a", reply: "$JS.ACK.x", payload: "hello"), Copied(subject: "s.b"),
            Copied(subject: "s.c", reply: "r", headers: "Alpha: a 1\r\nAlpha: a 2\r\nZulu: z\r\n", payload: "ab"),
            Copied(subject: "s.d", reply: "r", payload: large), Copied(subject: "s.e", reply: "r", payload: "x"),
        ]
        #expect(found.messages == expected)
        #expect(!found.owesPong)
    }

    @Test func `a ping is owed an answer, also behind a message`() throws {
        #expect(try read("MSG s 1 1\r\nx\r\nPING\r\n").owesPong)
    }

    @Test func `the end of a request is read with its status`() throws {
        let head = "NATS/1.0 409 Message Size Exceeds MaxBytes\r\nNats-Pending-Bytes: 120\r\n\r\n"
        var buffer = FrameBuffer()
        let bytes = Array("HMSG _INBOX.a.7 1 \(head.utf8.count) \(head.utf8.count)\r\n\(head)\r\n".utf8)
        _ = buffer.fill { room in
            room.copyBytes(from: bytes)
            return bytes.count
        }
        let frame = try #require(try buffer.next())
        #expect(frame.header("Status") == "409")
        #expect(frame.header("Nats-Pending-Bytes") == "120")
        #expect(frame.header("Nats") == nil && frame.reply.isEmpty && frame.payload.isEmpty)
    }

    @Test(arguments: [
        "HTTP/1.1 400 Bad Request\r\n", "MSG\r\n", "MSG a 1\r\n", "MSG a 1 r 5 6\r\n", "MSG a 1 x\r\n",
        "MSG a 1 -1\r\n",
        "MSG a 1 999999999999999\r\n", "MSG a 1 200000000\r\n", "HMSG a 1 5\r\n", "HMSG a 1 9 5\r\n",
        "MASSAGE a 1 0\r\n",
        "\r\n", "\n", "MSG a 1 \r\n",
    ])
    func `what is no NATS is refused, not guessed at`(_ text: String) {
        #expect(throws: FrameBuffer.Malformed.self) { try read(text) }
    }

    @Test func `a line without an end is refused at its limit`() {
        #expect(throws: FrameBuffer.Malformed.self) { try read(String(repeating: "M", count: 2 << 20)) }
    }
}

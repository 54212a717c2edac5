import Testing

@testable import Postgres

@Suite struct CopyOutReaderTests {
    private func read(_ messages: [[UInt8]], counted: Int) throws(PostgresError) -> [UInt8] {
        var reader = CopyOutReader(columns: 1)
        var chunk: [UInt8] = []
        for message in messages {
            let result = message.withUnsafeBytes { bytes in
                Result { () throws(PostgresError) in try reader.take(bytes, into: &chunk) }
            }
            try result.get()
        }
        try reader.finish(counted: counted)
        return chunk
    }

    private let tuple: [UInt8] = [0, 1, 0, 0, 0, 1, 42]

    @Test func `the header may come alone, before a tuple or before the trailer`() throws {
        #expect(try read([CopyFormat.header, tuple, CopyFormat.trailer], counted: 1) == tuple)
        #expect(try read([CopyFormat.header + tuple, tuple, CopyFormat.trailer], counted: 2) == tuple + tuple)
        #expect(try read([CopyFormat.header + CopyFormat.trailer], counted: 0) == [])
    }

    @Test func `a stream that is not whole is refused`() {
        let header = CopyFormat.header
        let trailer = CopyFormat.trailer
        let broken: [([[UInt8]], Int)] = [
            ([], 0), ([header], 0), ([header + tuple], 1), ([tuple, trailer], 1), ([Array(header.dropLast())], 0),
            ([header + tuple, trailer], 2), ([header + tuple, trailer, tuple], 2), ([header, [0]], 0),
            ([header, [0, 2, 0, 0, 0, 0, 0, 0, 0, 0], trailer], 1), ([header, tuple + trailer], 1),
        ]
        for (messages, count) in broken {
            let error = #expect(throws: PostgresError.self) { _ = try read(messages, counted: count) }
            #expect(error?.code == .protocolViolation)
        }
    }
}

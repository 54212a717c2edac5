import Platform
import PrivateServers
import TestSupport
import Testing

@testable import Postgres

@Suite(.privatePostgres, .timeLimit(.minutes(2))) struct CopyTests {
    private static let into = "COPY t FROM STDIN (FORMAT binary)"
    private static let from = "COPY (SELECT * FROM t ORDER BY id) TO STDOUT (FORMAT binary)"

    private func connectWithTable() async throws -> PostgresConnection {
        let connection = try await connect()
        _ = try await connection.execute("CREATE TEMP TABLE t (id int CONSTRAINT t_key PRIMARY KEY, name text)")
        return connection
    }

    private func readAll(
        _ connection: PostgresConnection,
        _ sql: String,
        chunk: Int = 100_000
    ) async throws -> (bytes: [UInt8], chunks: Int) {
        try await connection.beginCopyOut(sql)
        var (bytes, chunks) = ([UInt8](), 0)
        while let next = try await connection.nextCopyChunk(atMost: chunk) {
            bytes += next
            chunks += 1
        }
        return (bytes, chunks)
    }

    @Test(arguments: [0, 1, 2, 10_000]) func `rows come back as the bytes they went in as`(_ count: Int32) async throws
    {
        let connection = try await connectWithTable()
        let rows = tuples(0..<count)
        #expect(try await connection.copyIn(Self.into, rows: rows) == Int(count))
        let read = try await readAll(connection, Self.from, chunk: 4096)
        #expect(read.bytes == rows)
        #expect(await connection.copiedRows == Int(count))
        #expect(try await connection.execute("SELECT count(*) FROM t").scalar == "\(count)")
    }

    @Test func `ten megabytes come back, in chunks of whole tuples`() async throws {
        let connection = try await connectWithTable()
        let rows = tuples(0..<10_000, nameLength: 1_000)
        #expect(try await connection.copyIn(Self.into, rows: rows) == 10_000)
        let read = try await readAll(connection, Self.from, chunk: 256 << 10)
        #expect(read.bytes == rows)
        #expect(read.chunks == (rows.count + (256 << 10) - 1) / (256 << 10))
    }

    @Test func `one tuple larger than the chunk comes whole`() async throws {
        let connection = try await connectWithTable()
        let rows = tuples(0..<2, nameLength: 3_000_000)
        #expect(try await connection.copyIn(Self.into, rows: rows) == 2)
        let read = try await readAll(connection, Self.from, chunk: 1)
        #expect(read.bytes == rows)
        #expect(read.chunks == 2)
    }

    @Test func `pieces may be cut anywhere`() async throws {
        let connection = try await connectWithTable()
        let rows = tuples(0..<1_000)
        try await connection.beginCopyIn(Self.into)
        for start in stride(from: 0, to: rows.count, by: 777) {
            try await connection.writeCopy(Array(rows[start..<min(start + 777, rows.count)]))
        }
        #expect(try await connection.endCopyIn() == 1_000)
    }

    @Test func `a duplicate key names its constraint and leaves the connection usable`() async throws {
        let connection = try await connectWithTable()
        _ = try await connection.copyIn(Self.into, rows: tuples(500..<501))
        let error = await failure { () throws(PostgresError) in
            try await connection.copyIn(Self.into, rows: tuples(0..<100_000))
        }
        #expect(error?.sqlState == "23505")
        #expect(error?.constraint == "t_key")
        #expect(error?.disposition == .reject)
        #expect(try await connection.execute("SELECT count(*) FROM t").scalar == "1")
        #expect(try await connection.copyIn(Self.into, rows: tuples(0..<10)) == 10)
    }

    @Test func `malformed rows are the server's error and leave the connection usable`() async throws {
        let connection = try await connectWithTable()
        for rows in [Array(tuples(0..<10).dropLast(3)), [1, 2, 3], [UInt8](repeating: 0, count: 200_000)] {
            let error = await failure { () throws(PostgresError) in
                try await connection.copyIn(Self.into, rows: rows)
            }
            #expect(error?.code == .server)
            #expect(error?.sqlState == "22P04")
        }
        #expect(try await connection.copyIn(Self.into, rows: tuples(0..<10)) == 10)
    }

    @Test func `a cancelled COPY stores nothing`() async throws {
        let connection = try await connectWithTable()
        try await connection.beginCopyIn(Self.into)
        try await connection.writeCopy(tuples(0..<1_000))
        try await connection.cancelCopyIn("the test changed its mind")
        #expect(try await connection.execute("SELECT count(*) FROM t").scalar == "0")
    }

    @Test func `rollback ends a COPY in either direction`() async throws {
        let connection = try await connectWithTable()
        for _ in 0..<20 {
            try await connection.begin()
            try await connection.beginCopyIn(Self.into)
            try await connection.writeCopy(tuples(0..<1_000))
            await connection.rollback()
            try await connection.begin(.snapshot)
            try await connection.beginCopyOut("COPY (SELECT generate_series(1, 10000000)) TO STDOUT (FORMAT binary)")
            _ = try await connection.nextCopyChunk(atMost: 1_000)
            await connection.rollback()
            #expect(await connection.isUsable)
            #expect(await !connection.isInTransaction)
        }
        #expect(try await connection.execute("SELECT count(*) FROM t").scalar == "0")
    }

    @Test func `rows that are deleted while they stream out are counted`() async throws {
        let connection = try await connectWithTable()
        let rows = tuples(0..<1_000)
        _ = try await connection.copyIn(Self.into, rows: rows)
        try await connection.begin()
        let read = try await readAll(
            connection,
            "COPY (DELETE FROM t WHERE id < 600 RETURNING *) TO STDOUT (FORMAT binary)"
        )
        #expect(read.bytes == tuples(0..<600))
        #expect(await connection.copiedRows == 600)
        await connection.rollback()
        #expect(try await connection.execute("SELECT count(*) FROM t").scalar == "1000")
    }

    @Test func `an error in the middle of a COPY TO is thrown and leaves the connection usable`() async throws {
        let connection = try await connect()
        let error = await #expect(throws: PostgresError.self) {
            _ = try await readAll(
                connection,
                "COPY (SELECT 1000 / (5000 - n) FROM generate_series(1, 10000) n) TO STDOUT (FORMAT binary)"
            )
        }
        #expect(error?.sqlState == "22012")
        #expect(try await connection.execute("SELECT 1").scalar == "1")
    }

    @Test func `a COPY in the wrong direction or format is a mistake`() async throws {
        for sql in [Self.from, "COPY t FROM STDIN", "SELECT 1"] {
            let connection = try await connectWithTable()
            let error = await failure { () throws(PostgresError) in try await connection.beginCopyIn(sql) }
            #expect(error?.code == .misuse)
        }
        for sql in [Self.into, "COPY t TO STDOUT", "SELECT 1"] {
            let connection = try await connectWithTable()
            let error = await failure { () throws(PostgresError) in try await connection.beginCopyOut(sql) }
            #expect(error?.code == .misuse)
        }
    }

    @Test func `a COPY in progress takes no other call`() async throws {
        let connection = try await connectWithTable()
        try await connection.beginCopyIn(Self.into)
        #expect(await failure { () throws(PostgresError) in try await connection.execute("SELECT 1") }?.code == .misuse)
        #expect(await failure { () throws(PostgresError) in try await connection.commit() }?.code == .misuse)
        #expect(try await connection.endCopyIn() == 0)
        #expect(
            await failure { () throws(PostgresError) in try await connection.writeCopy([]) }?.code == .misuse
        )
    }

    @Test func `a backend terminated under a COPY FROM is retryable and the connection unusable`() async throws {
        let observer = try await Observer()
        let connection = try await connectWithTable()
        try await connection.beginCopyIn(Self.into)
        try await connection.writeCopy(tuples(0..<1_000))
        try await observer.terminate(connection)
        let error = await failure { () throws(PostgresError) in
            for _ in 0..<10 { try await connection.writeCopy(tuples(0..<10_000)) }
            return try await connection.endCopyIn()
        }
        #expect(error?.code == .connectionLost)
        #expect(error?.disposition == .retry)
        #expect(await !connection.isUsable)
    }

    @Test func `a backend terminated under a COPY TO never looks like the end of the rows`() async throws {
        let observer = try await Observer()
        let connection = try await connect()
        try await connection.beginCopyOut("COPY (SELECT generate_series(1, 30000000)) TO STDOUT (FORMAT binary)")
        _ = try await connection.nextCopyChunk(atMost: 100)
        try await observer.terminate(connection)
        let error = await failure { () throws(PostgresError) in
            while try await connection.nextCopyChunk(atMost: 1 << 20) != nil {}
        }
        #expect(error?.code == .connectionLost)
        #expect(error?.disposition == .retry)
        #expect(await !connection.isUsable)
    }
}

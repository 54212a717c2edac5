import JetStream
import Platform
import Postgres
import PrivateServers
import Records
import Tiering

/// What a run took: time, and CPU by process.
struct RunCost: Sendable {
    var messages: Int
    var seconds: Double
    var servers: ServerCPU
    /// CPU seconds of the client process, for a run that has one of its own.
    var client = 0.0
    /// The most memory that the client had resident.
    var peakResidentBytes = 0

    /// Of all processes.
    var cpuSeconds: Double { servers.nats + servers.postgres + client }
    var messagesPerSecond: Double { Double(messages) / seconds }
    /// CPU seconds a million messages.
    func perMillion(_ seconds: Double) -> Double { seconds / Double(messages) * 1e6 }
}

/// What the two servers cost when nothing else is done: the bounds of every program between them.
struct BoundRuns: Sendable {
    let servers: BenchServers
    let prepared: Prepared
    private let policy = BatchPolicy()

    init(_ servers: BenchServers, _ prepared: Prepared) {
        self.servers = servers
        self.prepared = prepared
    }

    /// Fetches every stream to its end, in requests as large as Thermocline's, and throws the messages away.
    func fetch(_ acknowledgement: ConsumerConfiguration.AckPolicy) async throws -> RunCost {
        let connection = try await JetStreamConnection(ConnectionOptions(url: servers.nats.url, name: "bench fetch"))
        let before = await servers.cpuSeconds()
        let clock = ContinuousClock()
        let start = clock.now
        for stream in prepared.streams { try await discard(stream.name, acknowledgement, connection) }
        try await connection.flush()
        let seconds = (clock.now - start) / .seconds(1)
        let used = await servers.cpuSeconds() - before
        await connection.close()
        return RunCost(messages: prepared.messages, seconds: seconds, servers: used)
    }

    private func discard(
        _ stream: String,
        _ acknowledgement: ConsumerConfiguration.AckPolicy,
        _ connection: JetStreamConnection
    ) async throws {
        let name = "bench-\(RandomID.hex(digits: 16))"
        let configuration = ConsumerConfiguration(name: name, startSequence: 1, ackPolicy: acknowledgement)
        var left = try await connection.createConsumer(stream, configuration).pending
        let consumer = try PullConsumer(connection, stream: stream, name: name)
        while left > 0 {
            let delivery = try await consumer.fetch(
                maxMessages: policy.rows,
                maxBytes: policy.bytes,
                timeout: .seconds(1)
            )
            guard let pending = delivery.pendingOnServer else { continue }
            left = pending
            if acknowledgement == .all, let last = delivery.acknowledgement { try consumer.acknowledge(last) }
        }
        consumer.close()
        try await connection.deleteConsumer(stream, name)
    }

    /// Copies the prepared rows into the product's own tables, a batch with its position in one transaction.
    func copy(into database: BenchDatabase) async throws -> RunCost {
        for type in Set(prepared.batches.map(\.type)) { try await makePartition(type, database) }
        return try await copy(prepared.batches.map { ("thermocline_store.\($0.type)", $0.bytes) }, into: database)
    }

    /// Takes the books out of a database that holds them, as their readers see them: with `numeric[]` columns.
    func numericBooks(in database: BenchDatabase) async throws -> [[UInt8]] {
        let key = prepared.workload.type?.keyColumns.joined(separator: ", ") ?? "ts"
        let sql = "COPY (SELECT * FROM thermocline.orderbook ORDER BY \(key)) TO STDOUT (FORMAT binary)"
        var pieces: [[UInt8]] = []
        try await database.connection.beginCopyOut(sql)
        while let piece = try await database.connection.nextCopyChunk(atMost: 64 << 10) { pieces.append(piece) }
        // As many batches as the product makes, of whole rows.
        let batchBytes = pieces.reduce(0) { $0 + $1.count } / max(1, prepared.batches.count)
        var batches: [[UInt8]] = []
        for piece in pieces {
            if let size = batches.last?.count, size + piece.count / 2 < batchBytes {
                batches[batches.count - 1] += piece
            } else {
                batches.append(piece)
            }
        }
        return batches
    }

    /// Copies books into a table with `numeric[]` columns and the same key; plain, which favours it.
    func copyNumeric(_ chunks: [[UInt8]], into database: BenchDatabase) async throws -> RunCost {
        let key = prepared.workload.type?.keyColumns.joined(separator: ", ") ?? "ts"
        _ = try await database.connection.executeScript(
            """
            CREATE TABLE bench_books AS SELECT * FROM thermocline.orderbook WITH NO DATA;
            CREATE UNIQUE INDEX ON bench_books (\(key)) NULLS NOT DISTINCT
            """
        )
        return try await copy(chunks.map { ("bench_books", $0) }, into: database)
    }

    private func copy(_ batches: [(table: String, bytes: [UInt8])], into database: BenchDatabase) async throws
        -> RunCost
    {
        let connection = database.connection
        _ = try await connection.execute(
            "INSERT INTO thermocline_store.ingest_position (stream, filter) VALUES ('bench', '>')"
        )
        let before = await servers.cpuSeconds()
        let clock = ContinuousClock()
        let start = clock.now
        var copied = 0
        for batch in batches {
            try await connection.begin()
            _ = try await connection.execute(
                """
                UPDATE thermocline_store.ingest_position SET last_seq = $1, seen_at = clock_timestamp()
                WHERE stream = 'bench' AND filter = '>'
                """,
                ["\(copied)"]
            )
            // Without a list of columns: the tuples are those of the table, whatever its layout.
            copied += try await connection.copyIn("COPY \(batch.table) FROM STDIN (FORMAT binary)", rows: batch.bytes)
            try await connection.commit()
        }
        let seconds = (clock.now - start) / .seconds(1)
        let used = await servers.cpuSeconds() - before
        guard copied == prepared.rows else { throw BenchError("copied \(copied) rows of \(prepared.rows)") }
        return RunCost(messages: prepared.messages, seconds: seconds, servers: used)
    }

    /// One partition around all event times, under a name of its own.
    private func makePartition(_ type: String, _ database: BenchDatabase) async throws {
        let day: Int64 = 86_400_000_000
        let (from, to) = (prepared.start.advanced(byMicros: -day), prepared.start.advanced(byMicros: 2 * day))
        _ = try await database.connection.execute(
            """
            CREATE TABLE thermocline_store.\(type)_bench PARTITION OF thermocline_store.\(type)
            FOR VALUES FROM ('\(from)') TO ('\(to)')
            """
        )
    }
}

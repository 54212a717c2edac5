import Glibc
import JetStream
import Platform
import Postgres
import PrivateServers

/// Pathway: a Rust engine with a Python face, reading a durable consumer and appending to a table.
///
/// It runs until it is killed, so the rows are counted from outside. Its time begins with the first message that the
/// server delivers to it: its start, of seconds, is not counted.
struct PathwayPeer: Peer {
    let name = "pathway"
    private let program: PeerProgram
    private let options: BenchOptions

    init(_ directory: String, _ options: BenchOptions) {
        program = PeerProgram(
            script: "\(directory)/pathway/peer.py",
            environment: "\(options.cache)/pathway",
            packages: ["pathway==0.33.0"]
        )
        self.options = options
    }

    func prepare() async throws { try await program.prepare() }

    func run(_ prepared: Prepared, _ servers: BenchServers) async throws -> RunCost? {
        guard prepared.workload == .trades, let stream = prepared.streams.first?.name else { return nil }
        let connection = try await JetStreamConnection(ConnectionOptions(url: servers.nats.url, name: "bench pathway"))
        try await connection.createConsumer(stream, ConsumerConfiguration(name: Self.consumer, startSequence: 1))
        let result = await Result {
            try await servers.withDatabase(schema: false) { database in
                _ = try await database.connection.executeScript(Self.table)
                return try await run(
                    stream,
                    min(2 * options.peerTrades, prepared.messages),
                    connection,
                    servers,
                    database
                )
            }
        }
        try await connection.deleteConsumer(stream, Self.consumer)
        await connection.close()
        return try result.get()
    }

    private func run(
        _ stream: String,
        _ target: Int,
        _ connection: JetStreamConnection,
        _ servers: BenchServers,
        _ database: BenchDatabase
    ) async throws -> RunCost {
        let script = try program.patched(
            [
                ("trade_time_ms", "trade_ts_ms"), ("received_at_ms", "ts_ms"),
                ("nats://127.0.0.1:14222/", "\(servers.nats.url)/"), ("\"T\"", "\"\(stream)\""),
                ("15432", "\(servers.postgres.port)"), ("\"dbname\": \"postgres\"", "\"dbname\": \"\(database.name)\""),
                ("\"user\": \"postgres\"", "\"user\": \"\(PrivatePostgres.user)\""),
            ],
            in: servers.directory
        )
        let log = "\(servers.directory.path)/pathway.log"
        Files.remove(log)
        let process = try await ChildProcess(program.python, [script, "append", "100"], logFile: log)
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(180)
        var begin: (at: ContinuousClock.Instant, servers: ServerCPU, client: Double)?
        defer { process.send(SIGKILL) }
        while clock.now < deadline, process.isRunning {
            try await clock.sleep(for: .milliseconds(begin == nil ? 20 : 500))
            guard let begun = begin else {
                let state = try await connection.consumer(stream, Self.consumer)
                guard let state, state.deliveredConsumerSequence > 0 else { continue }
                begin = (clock.now, await servers.cpuSeconds(), ProcessFigures.cpuSeconds(ofTree: process.pid))
                continue
            }
            let rows = Int(try await database.number("SELECT count(*) FROM pw_trades"))
            guard rows >= target else { continue }
            return RunCost(
                messages: rows,
                seconds: (clock.now - begun.at) / .seconds(1),
                servers: await servers.cpuSeconds() - begun.servers,
                client: ProcessFigures.cpuSeconds(ofTree: process.pid) - begun.client,
                peakResidentBytes: ProcessFigures.peakResidentBytes(process.pid)
            )
        }
        throw BenchError("it did not store \(target) rows: \(ProcessFigures.text(log).suffix(500))")
    }

    private static let consumer = "pathway"
    private static let table = """
        CREATE TABLE pw_trades (exchange text COLLATE "C", market_type text COLLATE "C", symbol text COLLATE "C",
            trade_id text COLLATE "C", price text, quantity text, side text, trade_ts_ms bigint, ts_ms bigint,
            time bigint, diff bigint);
        CREATE UNIQUE INDEX ON pw_trades (trade_ts_ms, exchange, market_type, symbol, trade_id)
        """
}

import JetStream
import Platform
import Postgres
import PrivateServers
import Records

/// The tuned Python client: nats-py, orjson, asyncpg with COPY, uvloop, batches of 5,000, one acknowledgement a batch.
///
/// It measures itself, from its first request to its last acknowledgement.
struct PythonPeer: Peer {
    let name = "python"
    private let program: PeerProgram
    private let options: BenchOptions

    init(_ directory: String, _ options: BenchOptions) {
        program = PeerProgram(
            script: "\(directory)/python/peer.py",
            environment: "\(options.cache)/python",
            packages: ["nats-py==2.16.0", "orjson", "asyncpg", "uvloop"]
        )
        self.options = options
    }

    func prepare() async throws { try await program.prepare() }

    func run(_ prepared: Prepared, _ servers: BenchServers) async throws -> RunCost? {
        guard let type = prepared.workload.type, let stream = prepared.streams.first else { return nil }
        let isTrades = prepared.workload == .trades
        let script = try program.patched(isTrades ? Self.trades : Self.books, in: servers.directory)
        let count = isTrades ? options.peerTrades : options.peerBooks
        return try await servers.withDatabase(schema: false) { database in
            _ = try await database.connection.executeScript(isTrades ? Self.tradeTable : Self.bookTable)
            let log = "\(servers.directory.path)/python.log"
            let arguments = [
                script, "--nats", servers.nats.url, "--pg",
                "postgres://\(PrivatePostgres.user)@127.0.0.1:\(servers.postgres.port)/\(database.name)",
                "--stream", stream.name, "--subject", "\(type.name).>", "--table", "peer", "--count", "\(count)",
                // As many bytes a batch as Thermocline's for books.
                "--batch", isTrades ? "5000" : "600", "--ack", "all", "--uvloop",
            ]
            Files.remove(log)
            let before = await servers.cpuSeconds()
            let process = try await ChildProcess(program.python, arguments, logFile: log)
            let status = try await process.end(within: .seconds(300))
            let used = await servers.cpuSeconds() - before
            let output = ProcessFigures.text(log)
            guard status == .exited(0), var cost = Self.read(output) else {
                throw BenchError(String(output.suffix(500)))
            }
            cost.servers = used
            return cost
        }
    }

    /// Reads the line that it prints: rows, seconds, CPU seconds a second, peak of resident memory.
    private static func read(_ output: String) -> RunCost? {
        guard
            let line = output.firstMatch(
                of: /: (\d+) rows bad=0 in ([\d.]+) s .*cpu\/s client ([\d.]+) .*HWM (\d+) MB/
            ),
            let rows = Int(line.1), let seconds = Double(line.2), let share = Double(line.3),
            let mebibytes = Int(line.4), rows > 0
        else { return nil }
        return RunCost(
            messages: rows,
            seconds: seconds,
            servers: ServerCPU(nats: 0, postgres: 0),
            client: share * seconds,
            peakResidentBytes: mebibytes << 20
        )
    }

    private static let tradeTable = """
        CREATE TABLE peer (ts timestamptz NOT NULL, exchange text COLLATE "C", market_type text COLLATE "C",
            symbol text COLLATE "C", trade_id text COLLATE "C", price numeric, quantity numeric,
            side text COLLATE "C", recv_ts timestamptz);
        CREATE UNIQUE INDEX ON peer (ts, exchange, market_type, symbol, trade_id)
        """
    private static let bookTable = """
        CREATE TABLE peer (ts timestamptz NOT NULL, exchange text COLLATE "C", market_type text COLLATE "C",
            symbol text COLLATE "C", last_update_id bigint, bid_price numeric[], bid_quantity numeric[],
            ask_price numeric[], ask_quantity numeric[]);
        CREATE UNIQUE INDEX ON peer (ts, exchange, market_type, symbol, last_update_id) NULLS NOT DISTINCT
        """
    private static let trades = [("trade_time_ms", "trade_ts_ms"), ("received_at_ms", "ts_ms")]
    private static let books = [
        (
            #"COLS = ["ts", "exchange", "market_type", "symbol", "trade_id", "price", "quantity", "side", "recv_ts"]"#,
            """
            COLS = ["ts", "exchange", "market_type", "symbol", "last_update_id", "bid_price", "bid_quantity", \
            "ask_price", "ask_quantity"]
            def half(side, index, key):
                return [Decimal(level[key] if isinstance(level, dict) else level[index]) for level in side]
            """
        ),
        (
            #"d["trade_id"], num(d["price"]), num(d["quantity"]), d["side"], ms(d["received_at_ms"])"#,
            """
            d["last_update_id"], half(d["bids"], 0, "price"), half(d["bids"], 1, "quantity"), \
            half(d["asks"], 0, "price"), half(d["asks"], 1, "quantity")
            """
        ),
        ("trade_time_ms", "ts_ms"),
    ]
}

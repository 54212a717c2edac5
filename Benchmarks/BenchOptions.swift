import Platform

/// What a run measures, and how much of it; from the environment, so that `make bench NAME=value` is all there is.
struct BenchOptions: Sendable {
    /// A part of the benchmark that can be left out.
    enum Part: String, Sendable, CaseIterable { case trades, books, mix, latency, recovery, archive, sizes }

    /// Rounds of the interleaved runs; the median counts.
    var rounds = 5
    /// Messages in the stream of each workload.
    var trades = 1_000_000
    var books = 60_000
    var mix = 500_000
    /// Messages that the Python peer stores in a run, of `trades`; it is slow, and constant.
    var peerTrades = 200_000
    var peerBooks = 10_000
    /// Steady state at each rate.
    var latencySpan = Duration.seconds(20)
    /// Trades that hot holds when they are archived, and one order book for 200 of them.
    var archiveTrades = 20_000_000
    /// Rounds of the archive, each of which takes minutes.
    var archiveRounds: Int { min(rounds, 3) }
    /// Messages whose rows are repeated in the archive's runs, where they are there.
    var recorded: String
    /// Times the service is killed under load.
    var kills = 5
    var parts = Set(Part.allCases)
    var jsonPath = ".build/bench.json"
    /// Directory with the peers; nil leaves them out.
    var peers: String?
    /// Where the peers' Python environments are kept between runs.
    var cache: String
    /// A server with TimescaleDB, whose compression is measured beside; nil leaves it out.
    var timescale: String?
    /// The binary that is measured.
    var thermocline: String

    /// Reads `BENCH_ROUNDS`, `BENCH_TRADES`, … as `docs/benchmarks.md` lists them.
    ///
    /// Throws: `BenchError` for a value that is none.
    init(_ environment: Environment, ownDirectory: String) throws(BenchError) {
        cache = "\(environment["XDG_CACHE_HOME"] ?? "\(environment["HOME"] ?? "/tmp")/.cache")/thermocline-bench"
        recorded = "\(environment["THERMOCLINE_TEST_DATA"] ?? "../shared/data")/real/era_c.jsonl"
        thermocline = environment["BENCH_THERMOCLINE"] ?? "\(ownDirectory)/thermocline"
        func number(_ name: String, _ value: inout Int) throws(BenchError) {
            guard let text = environment[name] else { return }
            guard let number = Int(text), number > 0 else { throw BenchError("\(name) is a number above zero") }
            value = number
        }
        try number("BENCH_ROUNDS", &rounds)
        try number("BENCH_TRADES", &trades)
        try number("BENCH_BOOKS", &books)
        try number("BENCH_MIX", &mix)
        try number("BENCH_KILLS", &kills)
        try number("ROWS", &archiveTrades)
        (peerTrades, peerBooks) = (min(peerTrades, trades), min(peerBooks, books))
        var seconds = 20
        try number("BENCH_SECONDS", &seconds)
        latencySpan = .seconds(seconds)
        jsonPath = environment["BENCH_JSON"] ?? jsonPath
        cache = environment["BENCH_CACHE"] ?? cache
        timescale = environment["BENCH_TIMESCALE"]
        let directory = environment["THERMOCLINE_BENCH_PEERS"] ?? "../shared/peers"
        peers = Files.exists("\(directory)/python/peer.py") ? directory : nil
        guard let only = environment["BENCH_ONLY"] else { return }
        let named = only.split(separator: ",").map { Part(rawValue: String($0)) }
        guard named.allSatisfy({ $0 != nil }) else {
            let known = Part.allCases.map(\.rawValue).joined(separator: ", ")
            throw BenchError("BENCH_ONLY is a list of: \(known)")
        }
        parts = Set(named.compactMap { $0 })
    }
}

/// Why nothing, or a part, could be measured.
struct BenchError: Error, Sendable, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

import JetStream
import Platform
import Postgres
import PrivateServers

/// How long a message takes from its publisher to its reader, and a killed service to catch up, under constant load.
struct SteadyState: Sendable {
    let options: BenchOptions
    let servers: BenchServers
    let say: @Sendable (String) -> Void

    /// What starts up, and what is counted apart: the percentiles of each window count as a round.
    private static let warmUp: Int64 = 2_000_000
    private static let windows = 5
    /// A service that is at most so far behind has caught up.
    private static let caughtUp: Int64 = 250_000

    /// Publishes at `rate` and notes when each row could be queried.
    ///
    /// The time ends when the answer that first covers the message is here: an upper bound, by at most the time
    /// between two looks, which is reported as the resolution.
    func latency(rate: Int, into figures: inout Figures) async throws {
        let name = "latency \(rate)"
        let load = SteadyLoad(rate: rate, span: options.latencySpan + .seconds(2))
        let sightings = try await withLoad(load) { watcher, process in
            let total = rate * Int((options.latencySpan + .seconds(2)).components.seconds)
            return try await watcher.watch(within: options.latencySpan + .seconds(60)) { $0.position >= total }
        }
        let published = load.published
        guard let first = published.first, let last = published.last else { return }
        let width = max(1, (last - first - Self.warmUp) / Int64(Self.windows))
        var windows = [[Double]](repeating: [], count: Self.windows)
        var look = 0
        for (index, stamp) in published.enumerated() where stamp >= first + Self.warmUp {
            while look < sightings.count, sightings[look].position <= index { look += 1 }
            guard look < sightings.count else { break }
            let window = min(Self.windows - 1, Int((stamp - first - Self.warmUp) / width))
            windows[window].append(Double(sightings[look].answered - stamp) / 1_000)
        }
        for window in windows where !window.isEmpty {
            figures.add(window.percentile(50), name, "thermocline all", .p50)
            figures.add(window.percentile(99), name, "thermocline all", .p99)
        }
        let gaps = zip(sightings, sightings.dropFirst()).map { Double($1.answered - $0.asked) / 1_000 }
        if !gaps.isEmpty { figures.add(gaps.percentile(99), name, "thermocline all", .resolution) }
        let p99 = figures.median(name, "thermocline all", .p99).map { Int($0.rounded()) } ?? 0
        say("latency at \(rate) messages/s: p99 \(p99) ms")
    }

    /// Kills the service under load, starts it at once, and waits until it is 250 ms behind the publisher or less.
    func recovery(rate: Int, into figures: inout Figures) async throws {
        let load = SteadyLoad(rate: rate, span: .seconds(3 * options.kills + 10))
        let times = try await withLoad(load) { watcher, process in
            var times: [Double] = []
            for _ in 0..<options.kills {
                let from = load.now()
                _ = try await watcher.watch(within: .seconds(60)) {
                    $0.asked > from + 1_000_000 && hasCaughtUp(load, $0)
                }
                let killed = load.now()
                try await process.killAndStart()
                // What was published after the kill is stored by the successor alone.
                let end = try await watcher.watch(within: .seconds(60)) {
                    $0.position > load.count(at: killed) && hasCaughtUp(load, $0)
                }.last
                times.append(Double((end?.answered ?? killed) - killed) / 1e6)
            }
            return times
        }
        for time in times { figures.add(time, "recovery \(rate)", "thermocline all", .recovery) }
        say("recovery at \(rate) messages/s: \(times)")
    }

    private func hasCaughtUp(_ load: SteadyLoad, _ sighting: Sighting) -> Bool {
        let due = load.count(at: sighting.asked - Self.caughtUp)
        return due > 0 && sighting.position >= due
    }

    /// Runs `body` while the binary stores what `load` publishes into a new stream.
    private func withLoad<R: Sendable>(
        _ load: SteadyLoad,
        _ body: (Watcher, Supervised) async throws -> R
    ) async throws -> R {
        let connection = try await JetStreamConnection(ConnectionOptions(url: servers.nats.url, name: "bench steady"))
        for stream in SteadyLoad.streams { try await connection.createStream(stream) }
        let result = await Result {
            try await servers.withDatabase { database in
                let process = try await Supervised(options.thermocline, servers, database)
                let result = await Result {
                    try await process.awaitReading()
                    return try await during(load) {
                        try await body(Watcher(load: load, connection: database.connection), process)
                    }
                }
                await process.stop()
                return try result.get()
            }
        }
        for stream in SteadyLoad.streams { try await connection.deleteStream(stream.name) }
        await connection.close()
        return try result.get()
    }

    private func during<R: Sendable>(_ load: SteadyLoad, _ body: () async throws -> R) async throws -> R {
        let (stop, url) = (Latch(), servers.nats.url)
        async let publishing: Void = load.publish(to: url, until: stop)
        let result = await Result { try await body() }
        stop.open()
        try await publishing
        return try result.get()
    }
}

/// The binary under load, and its successors.
private actor Supervised {
    private let binary: String
    private let servers: BenchServers
    private let database: BenchDatabase
    private var process: ThermoclineProcess

    init(_ binary: String, _ servers: BenchServers, _ database: BenchDatabase) async throws {
        (self.binary, self.servers, self.database) = (binary, servers, database)
        process = try await ThermoclineProcess(binary, servers, database)
    }

    func killAndStart() async throws {
        await process.kill()
        process = try await ThermoclineProcess(binary, servers, database)
    }

    func stop() async { await process.stop() }

    /// Waits until the lane has a consumer.
    func awaitReading() async throws {
        let sql = "SELECT count(*) FROM thermocline_store.ingest_position WHERE consumer IS NOT NULL"
        for _ in 0..<3_000 {
            try process.checkRunning()
            if try await database.number(sql) > 0 { return }
            try await ContinuousClock().sleep(for: .milliseconds(10))
        }
        throw BenchError("thermocline does not read")
    }
}

extension [Double] {
    /// The smallest value that `percent` of all do not exceed.
    func percentile(_ percent: Int) -> Double {
        let rank = (count * percent + 99) / 100
        return sorted()[Swift.max(0, rank - 1)]
    }
}

import Glibc
import Platform
import PrivateServers

/// Measures Thermocline, its bounds and its peers; `--markdown FILE` writes the figures of the last run into a file.
@main
struct Main {
    static func main() async { exit(await run(Array(CommandLine.arguments.dropFirst()))) }

    nonisolated static func run(_ arguments: [String]) async -> Int32 {
        do {
            let options = try BenchOptions(Environment.process, ownDirectory: Files.ownDirectory())
            switch arguments.first {
            case nil:
                guard try await untilSignalled({ try await Benchmark(options: options).run() }) else {
                    StandardOutput.errorLine("bench: stopped; the servers are gone")
                    return 130
                }
            case "--markdown" where arguments.count == 2:
                let json = try JSONValue(parsing: File(reading: options.jsonPath).bytes)
                try Document.update(arguments[1], with: Report(json))
            default:
                StandardOutput.errorLine("usage: bench [--markdown FILE]")
                return 2
            }
            return 0
        } catch {
            StandardOutput.errorLine("bench: \(error)")
            return 1
        }
    }

    /// Runs `body` to its end, or cancels it at the first signal and waits until it has cleaned up: then false.
    private nonisolated static func untilSignalled(
        _ body: @escaping @Sendable () async throws -> Void
    ) async throws -> Bool {
        let signals = try Signals()
        return try await withThrowingTaskGroup(of: Bool.self) { tasks in
            tasks.addTask {
                _ = try await signals.next()
                return false
            }
            tasks.addTask {
                try await body()
                return true
            }
            let isDone = try await tasks.next() ?? true
            tasks.cancelAll()
            // Whatever else it throws: it was told to stop.
            if !isDone { _ = await tasks.nextResult() }
            return isDone
        }
    }
}

/// One run of everything that was asked for.
struct Benchmark: Sendable {
    let options: BenchOptions

    func run() async throws {
        guard Files.exists(options.thermocline) else { throw BenchError("\(options.thermocline) is missing") }
        let servers = try await BenchServers.start()
        let result = await Result { try await measure(servers) }
        await servers.remove()
        StandardOutput.write(try result.get().text)
        StandardOutput.errorLine("figures are in \(options.jsonPath)")
    }

    private func measure(_ servers: BenchServers) async throws -> Report {
        let machine = try await Machine.ask(options, servers)
        var figures = Figures()
        let peers = await preparedPeers(&figures)
        let say: @Sendable (String) -> Void = { StandardOutput.errorLine("bench: \($0)") }
        let rounds = WorkloadRounds(options: options, servers: servers, peers: peers, say: say)
        for workload in Workload.allCases {
            guard let part = BenchOptions.Part(rawValue: workload.rawValue), options.parts.contains(part) else {
                continue
            }
            try await rounds.run(workload, into: &figures)
            try save(Report(machine: machine, figures: figures))
        }
        let steady = SteadyState(options: options, servers: servers, say: say)
        if options.parts.contains(.latency) {
            for rate in [5_000, 20_000] { try await steady.latency(rate: rate, into: &figures) }
            try save(Report(machine: machine, figures: figures))
        }
        if options.parts.contains(.recovery) { try await steady.recovery(rate: 10_000, into: &figures) }
        if options.parts.contains(.archive) {
            try save(Report(machine: machine, figures: figures))
            try await ArchiveRounds(options: options, servers: servers, say: say).run(into: &figures)
        }
        if options.parts.contains(.sizes) {
            try save(Report(machine: machine, figures: figures))
            try await ColdSizes(options: options, servers: servers, say: say).run(into: &figures)
        }
        let report = Report(machine: machine, figures: figures)
        try save(report)
        return report
    }

    /// After each part, so that a run that is stopped leaves what it has.
    private func save(_ report: Report) throws {
        try Files.write(String(decoding: report.json, as: UTF8.self) + "\n", to: options.jsonPath)
    }

    /// The peers whose environment is there or could be made; the run goes on without the others, and says so.
    private func preparedPeers(_ figures: inout Figures) async -> [any Peer] {
        guard let directory = options.peers else {
            figures.note("no peers: THERMOCLINE_BENCH_PEERS names no directory that holds them")
            return []
        }
        guard !options.parts.isDisjoint(with: [.trades, .books]) else { return [] }
        var ready: [any Peer] = []
        for peer in [PythonPeer(directory, options), PathwayPeer(directory, options)] as [any Peer] {
            do {
                try await peer.prepare()
                ready.append(peer)
            } catch {
                figures.note("\(peer.name) was left out: \(error)")
            }
        }
        return ready
    }
}

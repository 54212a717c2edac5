import Configuration
import JetStream
import Platform
import Records
import Simulation

/// `thermocline simulate`: publishes a lifelike feed of all types, as a collector of generation C does.
struct SimulateCommand {
    private let invocation: Invocation

    init(_ invocation: Invocation) { self.invocation = invocation }

    func run() async throws -> Int32 {
        let signals = try Signals()
        let configuration = try invocation.load(for: []).configuration
        var options = Feed.Options()
        options.rate = Double(invocation.number("--rate") ?? 1_000)
        if let symbols = invocation.text("--symbols") {
            options.symbols = symbols.split(separator: ",").map { $0.uppercased() }
            guard !options.symbols.isEmpty else { throw UsageError("--symbols names no symbol") }
        }
        let seconds = invocation.number("--seconds") ?? 60
        let seed = UInt64(invocation.number("--seed") ?? 1)
        let publisher = try await FeedPublisher(url: invocation.text("--nats") ?? configuration.nats.url)
        let feed = Feed(seed: seed, start: Timestamp(micros: WallClock.now()), options: options)
        try await untilSignalled(by: signals) { stop, _ in
            try await publisher.run(feed, for: seconds == 0 ? nil : .seconds(seconds), until: stop)
        }
        StandardOutput.line("published \(await publisher.published) messages")
        return 0
    }
}

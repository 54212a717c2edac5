import JetStream
import Platform
import PrivateServers

/// All runs of one workload, one after the other and again, so that a slow minute of the machine meets them all.
struct WorkloadRounds: Sendable {
    let options: BenchOptions
    let servers: BenchServers
    let peers: [any Peer]
    let say: @Sendable (String) -> Void

    func run(_ workload: Workload, into figures: inout Figures) async throws {
        let count = [.trades: options.trades, .books: options.books, .mix: options.mix][workload] ?? options.mix
        let connection = try await JetStreamConnection(ConnectionOptions(url: servers.nats.url, name: "bench"))
        say("\(workload.title): publishing \(count.grouped) messages")
        let prepared = try await Prepared(workload, count: count, into: connection)
        figures.add(
            Double(prepared.payloadBytes) / Double(prepared.messages),
            workload.rawValue,
            "message",
            .messageBytes
        )
        var numeric: [[UInt8]] = []
        for number in 1...options.rounds {
            try await round(prepared, "\(workload.title), round \(number) of \(options.rounds)", &numeric, &figures)
        }
        for stream in prepared.streams { try await connection.deleteStream(stream.name) }
        await connection.close()
    }

    private func round(
        _ prepared: Prepared,
        _ title: String,
        _ numeric: inout [[UInt8]],
        _ figures: inout Figures
    ) async throws {
        let name = prepared.workload.rawValue
        let bounds = BoundRuns(servers, prepared)
        let copied = try await copy(bounds, prepared, &numeric, &figures)
        say("\(title): COPY alone \(copied.messagesPerSecond.fixed(0)) messages/s")
        var client = 0.0
        for (acknowledgement, suffix) in [(ConsumerConfiguration.AckPolicy.all, "all"), (.none, "none")] {
            let fetched = try await bounds.fetch(acknowledgement)
            figures.add(fetched.messagesPerSecond, name, "fetch \(suffix)", .rate)
            figures.add(fetched.perMillion(fetched.servers.nats), name, "fetch \(suffix)", .natsCPU)
            let seconds =
                fetched.servers.nats / Double(fetched.messages) + copied.servers.postgres / Double(copied.messages)
            let bound = Double(ProcessFigures.cores) / seconds
            let run = EndToEndRun(servers: servers, prepared: prepared, binary: options.thermocline)
            let outcome = try await servers.withDatabase { database in
                try await run.run(acknowledges: acknowledgement == .all, in: database)
            }
            add(outcome, name, "thermocline \(suffix)", bound: bound, &figures)
            say("\(title): ack \(suffix) \(outcome.cost.messagesPerSecond.fixed(0)) of \(bound.fixed(0)) messages/s")
            if acknowledgement == .all { client = outcome.cost.client / Double(outcome.cost.messages) }
        }
        let rate = figures.last(name, "thermocline all", .rate) ?? 0
        for peer in peers {
            try Task.checkCancellation()
            do {
                guard let cost = try await peer.run(prepared, servers) else { continue }
                figures.add(cost, name, peer.name)
                figures.add(rate / cost.messagesPerSecond, name, peer.name, .rateRatio)
                figures.add(cost.client / Double(cost.messages) / client, name, peer.name, .cpuRatio)
                say("\(title): \(peer.name) \(cost.messagesPerSecond.fixed(0)) messages/s")
            } catch let error as BenchError {
                figures.note("\(peer.name), \(prepared.workload.title): \(error)")
                say("\(title): \(peer.name): \(error)")
            }
        }
    }

    private func copy(
        _ bounds: BoundRuns,
        _ prepared: Prepared,
        _ numeric: inout [[UInt8]],
        _ figures: inout Figures
    ) async throws -> RunCost {
        let name = prepared.workload.rawValue
        let takesNumeric = prepared.workload == .books && numeric.isEmpty
        let (copied, taken) = try await servers.withDatabase { database in
            let cost = try await bounds.copy(into: database)
            return (cost, takesNumeric ? try await bounds.numericBooks(in: database) : [])
        }
        if takesNumeric { numeric = taken }
        figures.add(copied.messagesPerSecond, name, "copy", .rate)
        figures.add(copied.perMillion(copied.servers.postgres), name, "copy", .postgresCPU)
        guard prepared.workload == .books else { return copied }
        let chunks = numeric
        let asNumeric = try await servers.withDatabase { database in
            try await bounds.copyNumeric(chunks, into: database)
        }
        figures.add(asNumeric.messagesPerSecond, name, "copy numeric[]", .rate)
        figures.add(asNumeric.perMillion(asNumeric.servers.postgres), name, "copy numeric[]", .postgresCPU)
        figures.add(copied.messagesPerSecond / asNumeric.messagesPerSecond, name, "copy", .rateRatio)
        return copied
    }

    private func add(
        _ outcome: EndToEndRun.Outcome,
        _ workload: String,
        _ subject: String,
        bound: Double,
        _ figures: inout Figures
    ) {
        figures.add(outcome.cost, workload, subject)
        figures.add(bound, workload, subject, .bound)
        figures.add(outcome.cost.messagesPerSecond / bound, workload, subject, .shareOfBound)
        let perMessage = outcome.cost.cpuSeconds / Double(outcome.cost.messages)
        figures.add(Double(ProcessFigures.cores) / bound / perMessage, workload, subject, .reachable)
        if let bytes = outcome.bytesPerRow { figures.add(bytes, workload, subject, .bytesPerRow) }
        if let numeric = figures.last(workload, "copy numeric[]", .rate) {
            figures.add(outcome.cost.messagesPerSecond / numeric, workload, subject, .rateRatio)
        }
    }
}

extension Figures {
    /// Rate and CPU of a client that ran from the stream into the table.
    mutating func add(_ cost: RunCost, _ workload: String, _ subject: String) {
        add(cost.messagesPerSecond, workload, subject, .rate)
        add(cost.perMillion(cost.servers.nats), workload, subject, .natsCPU)
        add(cost.perMillion(cost.servers.postgres), workload, subject, .postgresCPU)
        add(cost.perMillion(cost.client), workload, subject, .clientCPU)
        add(cost.client / cost.cpuSeconds, workload, subject, .clientShare)
        add(Double(cost.peakResidentBytes), workload, subject, .resident)
    }
}

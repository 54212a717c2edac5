internal import Glibc
import Platform
import PrivateServers

/// Where and on what a run was made.
struct Machine: Sendable {
    /// Names and values, in the order in which they are shown.
    let facts: [(name: String, value: String)]

    private init(facts: [(name: String, value: String)]) { self.facts = facts }

    /// Asks the kernel, the servers, and the binary that is measured.
    static func ask(_ options: BenchOptions, _ servers: BenchServers) async throws -> Machine {
        let processor =
            ProcessFigures.text("/proc/cpuinfo").split(separator: "\n")
            .first { $0.hasPrefix("model name") }.flatMap { $0.split(separator: ":").last } ?? "unknown"
        let memory = ProcessFigures.text("/proc/meminfo").split { !$0.isNumber }.first.flatMap { Int($0) } ?? 0
        let system =
            ProcessFigures.text("/etc/os-release").split(separator: "\n")
            .first { $0.hasPrefix("PRETTY_NAME=") }?.dropFirst(12).replacing("\"", with: "") ?? "Linux"
        let kernel = ProcessFigures.text("/proc/sys/kernel/osrelease").prefix { $0 != "\n" }
        let load = ProcessFigures.text("/proc/loadavg").split(separator: " ").first ?? "?"
        let nats = try await version(["\(Program.nats.path())", "--version"], servers)
        let postgres = try await version(["\(Program.postgres.path())", "--version"], servers)
        let product = try await version([options.thermocline, "--version"], servers)
        let tuning = BenchServers.parameters.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return Machine(facts: [
            ("machine", "\(ProcessFigures.cores) cores of \(processor.drop { $0 == " " }), \(memory >> 20) GiB"),
            ("system", "\(system), Linux \(kernel)"),
            ("load at the start", "\(load)"),
            ("program", product),
            ("stream", "\(nats), JetStream on files, defaults"),
            ("database", "\(postgres), fsync=on, \(tuning.joined(separator: ", "))"),
            ("rounds", "\(options.rounds), median"),
            (
                "messages",
                "\(options.trades.grouped) trades, \(options.books.grouped) books, \(options.mix.grouped) mixed"
            ),
        ])
    }

    private static func version(_ command: [String], _ servers: BenchServers) async throws -> String {
        let log = "\(servers.directory.path)/version-\(RandomID.hex(digits: 8))"
        let process = try await ChildProcess(command[0], Array(command.dropFirst()), logFile: log)
        _ = await process.waitForExit(within: .seconds(10))
        return String(ProcessFigures.text(log).prefix { $0 != "\n" })
    }

    func write(to json: inout JSONWriter) {
        json.object("machine") { json in for fact in facts { json.field(fact.name, fact.value) } }
    }

    /// Reads what `write` wrote.
    init(_ json: JSONValue) {
        facts = json["machine"]?.members?.map { ($0.key, $0.value.string ?? "") } ?? []
    }
}

import Configuration
import Glibc
import Platform
import Postgres
import PrivateServers
import Records
import Adapters

/// What the demo runs on, with both schemas applied: gone without a trace after `remove`.
struct DemoServers: Sendable {
    let nats: PrivateNATS
    let hot: PrivatePostgres
    let cold: PrivatePostgres
    /// What the roles are told: everything that takes hours takes seconds here.
    let configuration: Configuration
    /// Writes into a file, because the terminal belongs to the display.
    let log: Logger
    private let directory: PrivateDirectory

    /// Starts all servers at once; where one fails, none is left.
    static func start() async throws -> DemoServers {
        let directory = try PrivateDirectory("demo")
        let file = try LogFile("\(directory.path)/log")
        let postgres = PrivatePostgres.Settings(listensOnTCP: true)
        async let startingNATS = Result { try await PrivateNATS() }
        async let startingHot = Result { try await PrivatePostgres(postgres) }
        async let startingCold = Result { try await PrivatePostgres(postgres) }
        let (nats, hot, cold) = await (startingNATS, startingHot, startingCold)
        do {
            let servers = try DemoServers(
                nats: nats.get(),
                hot: hot.get(),
                cold: cold.get(),
                log: Logger(level: .info, format: .pretty) { file.append($0) },
                directory: directory
            )
            try await servers.applySchemas()
            return servers
        } catch {
            if case .success(let nats) = nats { await nats.remove() }
            if case .success(let hot) = hot { await hot.remove() }
            if case .success(let cold) = cold { await cold.remove() }
            directory.remove()
            throw error
        }
    }

    private init(
        nats: PrivateNATS,
        hot: PrivatePostgres,
        cold: PrivatePostgres,
        log: Logger,
        directory: PrivateDirectory
    ) throws {
        (self.nats, self.hot, self.cold, self.log, self.directory) = (nats, hot, cold, log, directory)
        var configuration = Configuration()
        configuration.mode = .both
        configuration.nats.url = nats.url
        configuration.nats.stream.maxBytes = 1 << 30
        configuration.hot.postgres = Secret(hot.conninfo())
        configuration.cold.postgres = Secret(cold.conninfo())
        configuration.hot.listen = ListenAddress(host: "127.0.0.1", port: try LoopbackPort.free())
        repeat {
            configuration.cold.listen = ListenAddress(host: "127.0.0.1", port: try LoopbackPort.free())
        } while configuration.cold.listen == configuration.hot.listen
        configuration.hot.retention = .seconds(4)
        // Nobody watches for a day.
        configuration.archive.wholePartitions = false
        configuration.archive.bucket = .seconds(1)
        configuration.archive.range = .seconds(2)
        configuration.archive.safetyLag = .seconds(1)
        configuration.archive.interval = .milliseconds(500)
        configuration.shutdown.grace = .seconds(15)
        self.configuration = configuration
    }

    private func applySchemas() async throws {
        for (tier, server) in [(Tier.hot, hot), (.cold, cold)] {
            let connection = try await PostgresConnection(server.conninfo(), applicationName: "thermocline demo")
            try await SchemaKeeper(tier: tier, catalog: .standard, format: configuration.cold.format)
                .apply(on: connection, bucketMicros: configuration.archive.bucket.micros)
            await connection.close()
        }
    }

    /// The last warnings and errors of the roles.
    var troubles: String {
        directory.tail(of: "log", bytes: 64 << 10).split(separator: "\n")
            .filter { $0.contains(" warning ") || $0.contains(" error ") }.suffix(10).joined(separator: "\n")
    }

    /// Stops the servers and removes everything.
    func remove() async {
        async let nats: Void = nats.remove()
        async let hot: Void = hot.remove()
        async let cold: Void = cold.remove()
        _ = await (nats, hot, cold)
        directory.remove()
    }
}

/// A file that log lines are appended to, each with one write.
private final class LogFile: Sendable {
    private let descriptor: Int32

    init(_ path: String) throws {
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw DemoError("\(path): \(String(cString: strerror(errno)))") }
    }

    deinit { close(descriptor) }

    func append(_ line: [UInt8]) { _ = write(descriptor, line, line.count) }
}

extension Result where Failure == any Error {
    /// Keeps what `body` returned or threw.
    init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}

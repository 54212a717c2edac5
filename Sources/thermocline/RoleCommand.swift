import Configuration
import Platform
import Records

/// `thermocline hot | cold | both`: runs a role until a signal asks it to stop.
struct RoleCommand {
    private let invocation: Invocation

    init(_ invocation: Invocation) { self.invocation = invocation }

    func run() async throws -> Int32 {
        let signals = try Signals()
        let loaded = try invocation.load()
        guard let mode = loaded.configuration.mode else {
            throw UsageError("name a role: thermocline hot, thermocline cold or thermocline both")
        }
        let configuration = loaded.configuration
        let log = Logger(level: configuration.log.level, format: configuration.log.format)
        for warning in loaded.warnings { log.warning("configuration", .detail(warning)) }
        let roles = Roles(configuration, catalog: .standard, log: log)
        log.info("starting", .service(mode.rawValue), .version(version))
        let group = ServiceGroup(
            try roles.services(mode),
            grace: configuration.shutdown.grace,
            clock: ContinuousClock()
        )
        try await untilSignalled(by: signals, log: log) { stop, skipGrace in
            try await group.run(until: stop, skipGrace: skipGrace)
        }
        log.info("stopped", .service(mode.rawValue))
        return 0
    }
}

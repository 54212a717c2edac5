import Configuration
import Glibc
import JetStream
import Platform
import Records

/// The version that `--version`, `/health` and `/stats` show.
let version = "0.1.0"

/// Runs one command; exit code 0 done, 1 failed, 2 wrong usage or configuration.
@main
struct Main {
    static func main() async {
        Allocator.keepLittle()
        exit(await run(Array(CommandLine.arguments.dropFirst())))
    }

    nonisolated static func run(_ arguments: [String]) async -> Int32 {
        do {
            return try await Invocation(parsing: arguments).run()
        } catch let error as UsageError {
            StandardOutput.errorLine("\(error)")
            return 2
        } catch let error as ConfigurationError {
            StandardOutput.errorLine("\(error)")
            return 2
        } catch {
            StandardOutput.errorLine("thermocline: \(error)")
            return 1
        }
    }
}

extension Invocation {
    func run() async throws -> Int32 {
        if values("--version").isEmpty == false || command == .version {
            StandardOutput.line("thermocline \(version)")
            return 0
        }
        if values("--help").isEmpty == false || command == .help {
            let words =
                command == .help ? arguments : command.map { $0.rawValue.split(separator: " ").map(String.init) }
            StandardOutput.write(try Command.help(for: words ?? []))
            return 0
        }
        switch command {
        case .schemaPrint: return try await SchemaCommand(self).show()
        case .schemaApply: return try await SchemaCommand(self).apply()
        case .quarantineList: return try await QuarantineCommand(self).list()
        case .quarantineShow: return try await QuarantineCommand(self).show()
        case .quarantineReplay: return try await QuarantineCommand(self).replay()
        case .quarantineDrop: return try await QuarantineCommand(self).drop()
        case .verify: return try await VerifyCommand(self).run()
        case .prune: return try await PruneCommand(self).run()
        case .pinAdd: return try await RestoreCommand(self).pin()
        case .pinList: return try await RestoreCommand(self).pins()
        case .pinRemove: return try await RestoreCommand(self).unpin()
        case .undo: return try await RestoreCommand(self).undo()
        case .restore: return try await RestoreCommand(self).restore()
        case .check: return try await CheckCommand(self).run()
        case .simulate: return try await SimulateCommand(self).run()
        case .demo: return try await DemoCommand(self).run()
        case .hot, .cold, .both, .version, .help, nil: return try await RoleCommand(self).run()
        }
    }

    /// The configuration as this invocation means it.
    func load(for databases: Set<Database>? = nil) throws(ConfigurationError) -> LoadedConfiguration {
        let environment = Environment.process
        return try ConfigurationSources(
            file: text("--config") ?? environment[Option.configurationVariable],
            environment: environment,
            settings: values("--set"),
            mode: mode
        ).load(.standard, for: databases)
    }

    /// The instant that a flag names: a time with a zone, or an age.
    func time(_ flag: String) throws(UsageError) -> Timestamp? {
        guard let text = text(flag) else { return nil }
        do throws(UnitError) {
            return Timestamp(micros: WallClock.now() - (try HumanUnits.duration(text).micros))
        } catch {
            if let time = Timestamp(iso8601: text, zoneRequired: true) { return time }
            throw UsageError(
                "\(flag): \"\(text)\", expected a time with a zone such as 2026-11-20T08:00:00Z, or an age such as 2h"
            )
        }
    }
}

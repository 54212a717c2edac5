internal import Platform
internal import Records

/// Gathers a configuration from its sources, and every problem on the way.
struct ConfigurationLoader {
    private let options: [String: Option]
    private let paths: [String]
    private var configuration = Configuration()
    private var origins: [String: Origin] = [:]
    private var problems: [ConfigurationProblem] = []
    private var warnings: [String] = []

    init(_ catalog: Catalog) {
        let table = Option.table(catalog)
        options = Dictionary(uniqueKeysWithValues: table.map { ($0.path, $0) })
        paths = table.map(\.path)
    }

    // MARK: Sources

    mutating func read(file path: String) {
        do throws(FileError) {
            let file = try File(reading: path)
            do throws(YAMLError) {
                guard let root = try YAMLReader.read(file.bytes), !root.isNull else { return }
                guard case .mapping(let entries) = root.content else {
                    return note(place(path, root.mark), "a configuration is a mapping of sections to options")
                }
                read(entries, under: "", of: path)
            } catch {
                note(place(path, error.mark), error.detail)
            }
        } catch {
            note(error.path, error.detail)
        }
    }

    mutating func read(_ environment: Environment) {
        let names = Dictionary(uniqueKeysWithValues: options.values.map { ($0.environmentName, $0.path) })
        for name in environment.values.keys.sorted() where name.hasPrefix(Option.environmentPrefix) {
            guard let value = environment[name] else { continue }
            if let path = names[name] {
                set(path, .text(value), .environment(name))
            } else if name != Option.configurationVariable, !name.hasPrefix("THERMOCLINE_TEST_") {
                // No error: Kubernetes sets THERMOCLINE_HOT_PORT and the like for a service called thermocline-hot.
                let hint = Nearest.suggestion(for: name, among: names.keys.sorted())
                warnings.append("environment \(name) is no option\(hint)")
            }
        }
    }

    mutating func read(setting: String) {
        let parts = setting.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2 else { return note("--set \(setting)", "expected path=value") }
        set(parts[0], parts[1].isEmpty ? .null : .text(parts[1]), .flag("--set \(parts[0])"))
    }

    /// The two variables that other programs know as well count where nothing more specific is set.
    ///
    /// A file that spells out the default, as a copy of the template does, is not more specific.
    mutating func readShared(_ environment: Environment) {
        for (name, path) in [("STORAGE_MODE", "mode"), ("LOG_LEVEL", "log.level")] {
            guard let value = environment[name], let option = options[path] else { continue }
            let isDefault = option.show(configuration) == option.show(Configuration())
            if case .file? = origins[path], isDefault { origins[path] = nil }
            if origins[path] == nil { set(path, .text(value.lowercased()), .sharedEnvironment(name)) }
        }
    }

    private mutating func read(_ entries: [YAMLNode.Entry], under section: String, of file: String) {
        for entry in entries {
            let path = section + entry.key
            let here = place(file, entry.mark)
            if options[path] != nil {
                guard let value = written(entry.value) else {
                    note(place(file, entry.value.mark), "\(path) takes one value or a list of values")
                    continue
                }
                set(path, value, .file(here))
            } else if paths.contains(where: { $0.hasPrefix(path + ".") }) {
                if case .mapping(let inner) = entry.value.content {
                    read(inner, under: path + ".", of: file)
                } else if !entry.value.isNull {
                    note(place(file, entry.value.mark), "\(path) is a section; its options go below it, indented")
                }
            } else {
                note(here, unknown(path))
            }
        }
    }

    private func written(_ node: YAMLNode) -> WrittenValue? {
        switch node.content {
        case _ where node.isNull: return .null
        case .scalar(let text, _): return .text(text)
        case .mapping: return nil
        case .sequence(let nodes):
            let texts = nodes.compactMap { if case .scalar(let text, _) = $0.content { text } else { nil } }
            return texts.count == nodes.count ? .list(texts) : nil
        }
    }

    // MARK: Values

    mutating func set(_ path: String, _ value: WrittenValue, _ origin: Origin) {
        guard let option = options[path] else { return note("\(origin)", unknown(path)) }
        do throws(UnitError) {
            try option.set(&configuration, value)
            if case .null = value { origins[path] = nil } else { origins[path] = origin }
        } catch {
            note("\(origin)", "\(path): \(error)")
            // Noted as set, so that nothing less specific takes its place and hides the mistake.
            origins[path] = origin
        }
    }

    /// Says what the path may have meant: a neighbour, else the same name elsewhere.
    private func unknown(_ path: String) -> String {
        let parts = path.split(separator: ".", omittingEmptySubsequences: false)
        let section = parts.dropLast().map { $0 + "." }.joined()
        let neighbours = Set(
            paths.filter { $0.hasPrefix(section) }
                .map { section + $0.dropFirst(section.count).prefix { $0 != "." } }
        ).sorted()
        let name = String(parts.last ?? "")
        let match = Nearest.match(for: name, among: neighbours.map { String($0.dropFirst(section.count)) })
        let elsewhere = paths.first { $0.hasSuffix("." + name) }
        let meant = match.map { section + $0 } ?? elsewhere ?? Nearest.match(for: path, among: paths)
        return "unknown key \(path)" + (meant.map { "; did you mean \($0)?" } ?? "")
    }

    // MARK: Checks

    mutating func finish(for wanted: Set<Database>?) throws(ConfigurationError) -> LoadedConfiguration {
        let required = wanted ?? configuration.mode?.databases
        let read = required ?? [.hot, .cold]
        resolve(.hot, \.hot.postgres, \.hot.postgresFile, read: read.contains(.hot))
        resolve(.cold, \.cold.postgres, \.cold.postgresFile, read: read.contains(.cold))
        for database in Database.allCases where required?.contains(database) == true { require(database) }
        check()
        guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
        return LoadedConfiguration(configuration: configuration, origins: origins, warnings: warnings)
    }

    /// Settles on one of the connection string and its file, and reads the file.
    private mutating func resolve(
        _ database: Database,
        _ secret: any WritableKeyPath<Configuration, Secret?> & Sendable,
        _ file: any WritableKeyPath<Configuration, String?> & Sendable,
        read: Bool
    ) {
        let direct = "\(database.rawValue).postgres"
        if let own = origins[direct], let other = origins["\(direct)_file"] {
            if own.rank == other.rank {
                note("\(other)", "\(direct) and \(direct)_file are both set; keep one")
                return
            }
            // The more specific source wins as a whole.
            if own.rank > other.rank {
                configuration[keyPath: file] = nil
                origins["\(direct)_file"] = nil
            }
        }
        guard read, let path = configuration[keyPath: file], let origin = origins["\(direct)_file"] else { return }
        do throws(FileError) {
            let contents = try File(reading: path, limit: 64 << 10)
            configuration[keyPath: secret] = try Secret(file: contents)
            origins[direct] = origin
            // Below /run lie the secrets of containers and services, which others cannot reach.
            if contents.isReadableByOthers, !path.hasPrefix("/run/") {
                warnings.append("\(path) holds a secret and others may read it; chmod go-r it")
            }
        } catch {
            note("\(origin)", "\(direct)_file: \(error)")
        }
    }

    private mutating func require(_ database: Database) {
        let path = "\(database.rawValue).postgres"
        guard origins[path] == nil, origins["\(path)_file"] == nil else { return }
        let variable = options["\(path)_file"]?.environmentName ?? ""
        note("", "\(path) is not set; set \(path)_file, or \(variable) in the environment")
    }

    /// What no option can check alone.
    private mutating func check() {
        let archive = configuration.archive
        let bucket = archive.bucket / .microseconds(1)
        if bucket > 0, (archive.range / .microseconds(1)).truncatingRemainder(dividingBy: bucket) != 0 {
            let widths = "\(HumanUnits.format(archive.range)) is no multiple of \(HumanUnits.format(archive.bucket))"
            note(
                of: ["archive.range", "archive.bucket"],
                "archive.range must be a multiple of archive.bucket: \(widths)"
            )
        }
        let hot = configuration.hot.listen
        if configuration.mode == .both, hot == configuration.cold.listen, hot.port != 0 {
            note(of: ["cold.listen", "hot.listen"], "hot.listen and cold.listen are both \(hot)")
        }
    }

    private mutating func note(_ place: String, _ message: String) {
        problems.append(ConfigurationProblem(place: place, message: message))
    }

    /// Notes a problem at the most specific place that sets one of the options.
    private mutating func note(of paths: [String], _ message: String) {
        let origin = paths.compactMap { origins[$0] }.max { $0.rank < $1.rank }
        note(origin.map { "\($0)" } ?? "", message)
    }

    private func place(_ file: String, _ mark: YAMLNode.Mark) -> String { "\(file):\(mark.line):\(mark.column)" }
}

import Configuration
import Foundation
import Platform
import Records
import Testing

/// Writes files for one test and removes them.
final class Scratch {
    let directory = "/tmp/thermocline-configuration-\(getpid())-\(UInt64.random(in: .min ... .max))"

    init() throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    func write(_ text: String, to name: String = "thermocline.yaml", mode: Int = 0o600) throws -> String {
        let path = "\(directory)/\(name)"
        try Data(text.utf8).write(to: URL(filePath: path))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        return path
    }

    /// Loads a file of that text, and other sources over it.
    func load(
        _ yaml: String? = nil,
        environment: [String: String] = [:],
        settings: [String] = [],
        mode: Mode? = nil,
        for databases: Set<Database>? = nil
    ) throws -> LoadedConfiguration {
        let file = try yaml.map { try write($0) }
        let sources = ConfigurationSources(
            file: file,
            environment: Environment(environment),
            settings: settings,
            mode: mode
        )
        return try sources.load(.standard, for: databases)
    }

    /// The problems of a configuration that must not load, without the directory of the file.
    func problems(
        _ yaml: String? = nil,
        environment: [String: String] = [:],
        settings: [String] = [],
        mode: Mode? = nil,
        for databases: Set<Database>? = nil
    ) throws -> [String] {
        let error = #expect(throws: ConfigurationError.self) {
            try load(yaml, environment: environment, settings: settings, mode: mode, for: databases)
        }
        return error?.problems.map { $0.description.replacingOccurrences(of: "\(directory)/", with: "") } ?? []
    }
}

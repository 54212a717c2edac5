/// One thing that is wrong with a configuration, and where it was said.
package struct ConfigurationProblem: Sendable, Equatable, CustomStringConvertible {
    /// `thermocline.yaml:3:5`, `environment THERMOCLINE_HOT_LISTEN`, `--set hot.listen`, or empty where nothing was
    /// said.
    package let place: String
    package let message: String

    package var description: String { place.isEmpty ? message : "\(place): \(message)" }
}

/// Everything that is wrong with a configuration, at once.
///
/// No retry mends it: the process ends with status 2 and these lines.
package struct ConfigurationError: Error, Sendable, CustomStringConvertible {
    package let problems: [ConfigurationProblem]

    package var description: String { problems.map(\.description).joined(separator: "\n") }
}

/// Where a value comes from; what is further down in this list wins.
package enum Origin: Sendable, Equatable, CustomStringConvertible {
    case `default`
    /// `STORAGE_MODE` or `LOG_LEVEL`, which say something to other programs too.
    case sharedEnvironment(String)
    case file(String)
    case environment(String)
    case flag(String)

    var rank: Int {
        switch self {
        case .default: 0
        case .sharedEnvironment: 1
        case .file: 2
        case .environment: 3
        case .flag: 4
        }
    }

    package var description: String {
        switch self {
        case .default: "default"
        case .file(let place): place
        case .sharedEnvironment(let name), .environment(let name): "environment \(name)"
        case .flag(let flag): flag
        }
    }
}

import Configuration
import Platform
import Records

/// `thermocline check`: the configuration in effect, or every problem with it.
struct CheckCommand {
    private let invocation: Invocation

    init(_ invocation: Invocation) { self.invocation = invocation }

    func run() throws -> Int32 {
        let loaded = try invocation.load()
        StandardOutput.write(loaded.report(.standard))
        for warning in loaded.warnings { StandardOutput.errorLine("warning: \(warning)") }
        return 0
    }
}

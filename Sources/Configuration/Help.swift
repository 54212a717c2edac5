extension Command {
    /// `thermocline schema apply <hot|cold> [flags]`.
    package var usage: String {
        let words = arguments.map { argument in
            let text = argument.words.isEmpty ? argument.name : argument.words.joined(separator: "|")
            return argument.isOptional ? " [\(text)]" : " <\(text)>"
        }
        return "thermocline \(name.rawValue)\(words.joined()) [flags]"
    }

    /// The help of this command.
    package var help: String {
        var text = "\(summary)\n\nUsage: \(usage)\n"
        if !flags.isEmpty { text += "\nFlags:\n\(Self.columns(flags.map { ($0.usage, $0.summary) }))" }
        return text + "\nFlags of every command:\n\(Self.columns(Self.globalFlags.map { ($0.usage, $0.summary) }))"
    }

    /// The help of the whole program.
    package static var overview: String {
        let commands = columns(table.map { ($0.name.rawValue, $0.summary) })
        let flags = columns(globalFlags.map { ($0.usage, $0.summary) })
        return """
            Moves market data from NATS JetStream into a hot PostgreSQL, proves it into a cold one, and prunes it.

            Usage: thermocline <command> [flags]

            Commands:
            \(commands)
            Flags of every command:
            \(flags)
            Exit status: 0 done, 1 failed, 2 the command line or the configuration is wrong.

            """
    }

    /// The help that `help [command]` asks for.
    package static func help(for words: [String]) throws(UsageError) -> String {
        guard let first = words.first else { return overview }
        if let command = try Invocation.command(of: words, whole: false).0 { return command.help }
        return table.filter { $0.name.rawValue.hasPrefix(first + " ") }.map(\.help).joined(separator: "\n")
    }

    private static func columns(_ rows: [(String, String)]) -> String {
        let width = rows.map(\.0.count).max() ?? 0
        return rows.map { "  \($0.0)\(String(repeating: " ", count: width - $0.0.count))  \($0.1)\n" }.joined()
    }
}

extension Flag {
    /// `--seconds N`.
    package var usage: String {
        switch value {
        case .none: name
        case .text(let what): "\(name) \(what)"
        case .word(let words): "\(name) \(words.joined(separator: "|"))"
        case .number: "\(name) N"
        }
    }
}

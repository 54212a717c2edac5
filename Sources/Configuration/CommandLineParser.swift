/// What the command line asks for.
package struct Invocation: Sendable, Equatable {
    /// Nil where none is named: then the mode says which role is played.
    package var command: CommandName?
    package var arguments: [String] = []
    /// The values of each flag in order, by its name with the dashes.
    package var flags: [String: [String]] = [:]

    package init(
        command: CommandName? = nil,
        arguments: [String] = [],
        flags: [String: [String]] = [:]
    ) {
        self.command = command
        self.arguments = arguments
        self.flags = flags
    }

    package func text(_ flag: String) -> String? { flags[flag]?.last }
    package func number(_ flag: String) -> Int? { text(flag).flatMap { Int($0) } }
    package func values(_ flag: String) -> [String] { flags[flag] ?? [] }

    /// The role that the command or `--mode` names.
    package var mode: Mode? { command?.mode ?? text("--mode").flatMap(Mode.init) }
}

/// A command line that does not say what is wanted; the process ends with status 2.
package struct UsageError: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

extension Invocation {
    /// Reads the arguments that follow the program's name.
    ///
    /// Flags may stand before or after the command, as `--flag value` or `--flag=value`. `--help` and `--version`
    /// become the commands `help` and `version`.
    package init(parsing arguments: [String]) throws(UsageError) {
        var words: [String] = []
        var given: [(flag: Flag, value: String)] = []
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("-") else {
                words.append(argument)
                continue
            }
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let flag = try Self.flag(parts[0] == "-h" ? "--help" : parts[0])
            var value = parts.count == 2 ? parts[1] : nil
            if case .none = flag.value {
                guard value == nil else { throw UsageError("\(flag.name) takes no value") }
            } else {
                // What looks like the next flag is not this one's value; `--flag=--value` says that it is.
                if value == nil, rest.first?.hasPrefix("--") == false { value = rest.popFirst() }
            }
            given.append((flag, try flag.check(value)))
        }
        if given.contains(where: { $0.flag.name == "--version" }) {
            self.init(command: .version)
            return
        }
        let wantsHelp = given.contains { $0.flag.name == "--help" }
        if wantsHelp || words.first == "help" {
            self.init(command: .help, arguments: words.first == "help" ? Array(words.dropFirst()) : words)
            if let topic = self.arguments.isEmpty ? nil : self.arguments {
                _ = try Self.command(of: topic, whole: false)
            }
            return
        }
        self.init()
        let (command, following) = try Self.command(of: words, whole: true)
        self.command = command?.name
        self.arguments = following
        try take(given, for: command)
    }

    private mutating func take(_ given: [(flag: Flag, value: String)], for command: Command?) throws(UsageError) {
        let allowed = Command.globalFlags + (command?.flags ?? [])
        for (flag, value) in given {
            guard let flag = allowed.first(where: { $0.name == flag.name }) else {
                let owners = Command.table.filter { $0.flags.contains { $0.name == flag.name } }.map(\.name.rawValue)
                let place = command.map { "`thermocline \($0.name.rawValue)`" } ?? "a command line without a command"
                throw UsageError(
                    "\(flag.name) is no flag of \(place); it belongs to \(owners.joined(separator: ", "))"
                )
            }
            guard flag.mayRepeat || flags[flag.name] == nil else {
                throw UsageError("\(flag.name) is given twice")
            }
            flags[flag.name, default: []].append(value)
        }
        if let role = command?.name.mode, let mode = text("--mode"), mode != role.rawValue {
            throw UsageError("`thermocline \(role.rawValue)` and --mode \(mode) contradict each other")
        }
    }

    private static func flag(_ name: String) throws(UsageError) -> Flag {
        let known = Command.globalFlags + Command.table.flatMap(\.flags)
        guard let flag = known.first(where: { $0.name == name }) else {
            let hint = Nearest.suggestion(for: name, among: Set(known.map(\.name)).sorted())
            throw UsageError("unknown flag \(name)\(hint)")
        }
        return flag
    }

    /// Finds the command that the words begin with, and checks the words that follow it.
    static func command(of words: [String], whole: Bool) throws(UsageError) -> (Command?, [String]) {
        guard let first = words.first else { return (nil, []) }
        for command in Command.table {
            let name = command.name.rawValue.split(separator: " ").map(String.init)
            guard words.starts(with: name) else { continue }
            let following = Array(words.dropFirst(name.count))
            if whole { try command.check(following) }
            return (command, following)
        }
        let names = Command.table.map(\.name.rawValue)
        let group = names.filter { $0.hasPrefix(first + " ") }
        if !group.isEmpty {
            guard whole || words.count > 1 else { return (nil, []) }
            throw UsageError("`thermocline \(first)` is one of: \(group.joined(separator: ", "))")
        }
        let firstWords = Set(names.compactMap { $0.split(separator: " ").first.map(String.init) }).sorted()
        throw UsageError("unknown command \(first)\(Nearest.suggestion(for: first, among: firstWords))")
    }
}

extension Command {
    fileprivate func check(_ following: [String]) throws(UsageError) {
        let usage = "; usage: \(usage)"
        guard following.count <= arguments.count else {
            throw UsageError("unexpected \"\(following[arguments.count])\"\(usage)")
        }
        for (index, argument) in arguments.enumerated() {
            guard index < following.count else {
                if argument.isOptional { return }
                throw UsageError("\(argument.name) is missing\(usage)")
            }
            guard argument.words.isEmpty || argument.words.contains(following[index]) else {
                let words = argument.words.joined(separator: " or ")
                throw UsageError("\"\(following[index])\", expected \(words)\(usage)")
            }
        }
    }
}

extension Flag {
    fileprivate func check(_ value: String?) throws(UsageError) -> String {
        switch self.value {
        case .none: return ""
        case .text(let what):
            guard let value, !value.isEmpty else { throw UsageError("\(name) needs a value: \(what)") }
            return value
        case .word(let words):
            guard let value, words.contains(value) else {
                let given = value.map { "\"\($0)\"" } ?? "nothing"
                let hint = Nearest.suggestion(for: value ?? "", among: words)
                throw UsageError(
                    "\(name): \(given), expected one of \(words.joined(separator: ", "))\(hint)"
                )
            }
            return value
        case .number(let range):
            guard let value, let number = Int(value), range.contains(number) else {
                let given = value.map { "\"\($0)\"" } ?? "nothing"
                let upper = range.upperBound == .max ? "" : " to \(range.upperBound)"
                let expected = "a whole number from \(range.lowerBound)\(upper)"
                throw UsageError("\(name): \(given), expected \(expected)")
            }
            return value
        }
    }
}

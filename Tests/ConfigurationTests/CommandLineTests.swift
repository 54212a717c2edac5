import Configuration
import Testing

@Suite struct CommandLineTests {
    private func parse(_ line: String) throws(UsageError) -> Invocation {
        try Invocation(parsing: line.split(separator: " ").map(String.init))
    }

    @Test(arguments: CommandName.allCases)
    func `every command stands in the table and has a help`(name: CommandName) throws {
        let command = try #require(Command.table.first { $0.name == name })
        #expect(command.summary.hasSuffix("."))
        #expect(Command.overview.contains("  \(name.rawValue) "))
        #expect(command.help.contains("Usage: thermocline \(name.rawValue)"))
        for flag in command.flags + Command.globalFlags { #expect(command.help.contains("  \(flag.usage)")) }
        #expect(try Command.help(for: name.rawValue.split(separator: " ").map(String.init)) == command.help)
        #expect(command.help.split(separator: "\n").allSatisfy { $0.count <= 100 })
        #expect(try parse("\(name.rawValue) --help").command == .help)
    }

    @Test func `a command, its words and its flags are read in any order`() throws {
        let applied = try parse("--config a.yaml schema apply --set hot.postgres=x=y cold --set=log.level=debug")
        #expect(applied.command == .schemaApply)
        #expect(applied.arguments == ["cold"])
        #expect(applied.text("--config") == "a.yaml")
        #expect(applied.values("--set") == ["hot.postgres=x=y", "log.level=debug"])
        let simulated = try parse("simulate --rate 500 --seconds=5 --symbols BTC-USDT,ETH-USDT")
        #expect(simulated.number("--rate") == 500)
        #expect(simulated.number("--seconds") == 5)
        #expect(simulated.number("--seed") == nil)
        #expect(simulated.text("--symbols") == "BTC-USDT,ETH-USDT")
    }

    @Test func `the role comes from the command or from --mode`() throws {
        #expect(try parse("hot").mode == .hot)
        #expect(try parse("--mode cold").mode == .cold)
        #expect(try parse("--mode cold").command == nil)
        #expect(try parse("both --mode both").mode == .both)
        #expect(try parse("check --mode hot").mode == .hot)
        #expect(try parse("").command == nil)
        #expect(try parse("").mode == nil)
    }

    @Test func `help and version are asked for in every way`() throws {
        for line in ["--help", "-h", "help"] { #expect(try parse(line) == Invocation(command: .help)) }
        #expect(try parse("schema apply --help") == Invocation(command: .help, arguments: ["schema", "apply"]))
        #expect(try parse("help simulate") == Invocation(command: .help, arguments: ["simulate"]))
        #expect(try parse("--version").command == .version)
        #expect(try parse("version").command == .version)
        let group = try Command.help(for: ["schema"])
        #expect(group.contains("schema print") && group.contains("schema apply"))
        #expect(try parse("schema --help").arguments == ["schema"])
    }

    @Test(
        arguments: [
            ("hott", "unknown command hott; did you mean hot?"), ("frobnicate", "unknown command frobnicate"),
            ("hot --confg x", "unknown flag --confg; did you mean --config?"),
            ("hot --rate 5", "--rate is no flag of `thermocline hot`; it belongs to simulate, demo"),
            ("--rate 5", "--rate is no flag of a command line without a command; it belongs to simulate, demo"),
            ("simulate --rate", "--rate: nothing, expected a whole number from 1 to 1000000"),
            ("simulate --rate 0", "--rate: \"0\", expected a whole number from 1 to 1000000"),
            ("simulate --seed x", "--seed: \"x\", expected a whole number from 0"),
            ("simulate --rate --seed 1", "--rate: nothing, expected a whole number from 1 to 1000000"),
            ("hot --config", "--config needs a value: FILE"), ("hot --config a --config b", "--config is given twice"),
            ("hot extra", "unexpected \"extra\"; usage: thermocline hot [flags]"),
            ("schema", "`thermocline schema` is one of: schema print, schema apply"),
            ("schema aply hot", "`thermocline schema` is one of: schema print, schema apply"),
            ("schema apply", "database is missing; usage: thermocline schema apply <hot|cold> [flags]"),
            ("schema apply warm", "\"warm\", expected hot or cold; usage: thermocline schema apply <hot|cold> [flags]"),
            ("hot --mode cold", "`thermocline hot` and --mode cold contradict each other"),
            ("--mode warm", "--mode: \"warm\", expected one of hot, cold, both"),
            ("hot --help=x", "--help takes no value"),
            ("help frobnicate", "unknown command frobnicate"),
        ]
    )
    func `a wrong command line is refused with the reason`(line: String, reason: String) {
        let error = #expect(throws: UsageError.self) { try parse(line) }
        #expect(error?.description == reason)
    }
}

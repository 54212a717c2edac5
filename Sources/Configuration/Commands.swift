/// What the program can be asked to do.
package enum CommandName: String, Sendable, CaseIterable {
    case hot
    case cold
    case both
    case schemaPrint = "schema print"
    case schemaApply = "schema apply"
    case quarantineList = "quarantine list"
    case quarantineShow = "quarantine show"
    case quarantineReplay = "quarantine replay"
    case quarantineDrop = "quarantine drop"
    case verify
    case prune
    case pinAdd = "pin add"
    case pinList = "pin list"
    case pinRemove = "pin remove"
    case undo
    case restore
    case check
    case simulate
    case demo
    case version
    case help

    /// The role that the command plays, if it plays one.
    package var mode: Mode? { Mode(rawValue: rawValue) }
}

/// One command: what it does, what it is given.
package struct Command: Sendable {
    package let name: CommandName
    package let summary: String
    /// The words that follow the command, each one of a few.
    package let arguments: [Argument]
    package let flags: [Flag]

    package struct Argument: Sendable {
        package let name: String
        package let words: [String]
        package let isOptional: Bool
    }
}

/// One flag: what it does, what value it takes.
package struct Flag: Sendable {
    package enum Value: Sendable {
        case none
        case text(String)
        case word([String])
        case number(ClosedRange<Int>)
    }
    /// `--seconds`.
    package let name: String
    package let value: Value
    package let summary: String
    package let mayRepeat: Bool

    init(_ name: String, _ value: Value, _ summary: String, mayRepeat: Bool = false) {
        self.name = name
        self.value = value
        self.summary = summary
        self.mayRepeat = mayRepeat
    }
}

extension Command {
    /// Every command, in the order of the help; parsing, help and usage errors derive from it.
    package static let table: [Command] =
        [
            Command(.hot, "Ingest from NATS JetStream into the hot database."),
            Command(.cold, "Copy to the cold database, prove, and prune hot."),
            Command(.both, "Play both roles in one process."),
            Command(.schemaPrint, "Print the SQL of one database's schema.", [database]),
            Command(.schemaApply, "Create or bring up to date one database's schema.", [database]),
        ] + quarantine + [
            Command(
                .verify,
                "Check the archive: the chain of proofs, the ledger, hot's log of prunes; with --deep every row.",
                flags: [
                    Flag("--type", .text("TYPE"), "Ranges of one record type."),
                    Flag("--from", .text("TIME"), "Ranges that end later: 2026-11-20T08:00:00Z, or 2h ago."),
                    Flag("--to", .text("TIME"), "Ranges that start earlier."),
                    Flag("--deep", .none, "Read the rows of each range and compare them with its proof."),
                    Flag("--json", .none, "Print the findings as JSON."),
                ]
            ),
            Command(
                .prune,
                "Say what the archive would take out of hot now, by which SQL, and what keeps the rest.",
                flags: [dryRun, Flag("--type", .text("TYPE"), "Of one record type.")]
            ),
        ] + bringing + [
            Command(
                .check,
                "Check the configuration, print what is in effect, and compare the schemas of both databases."
            ),
            Command(
                .simulate,
                "Publish a lifelike feed of all record types to NATS, as a collector would.",
                flags: [
                    Flag("--rate", .number(1...1_000_000), "Messages a second (default 1000)."),
                    Flag("--seconds", .number(0...31_536_000), "How long; 0 means until stopped (default 60)."),
                    Flag("--seed", .number(0...Int.max), "The same seed gives the same feed (default 1)."),
                    Flag("--symbols", .text("LIST"), "Symbols, separated by commas (default BTC-USDT,ETH-USDT)."),
                    Flag("--nats", .text("URL"), "NATS servers, instead of nats.url."),
                ]
            ),
            Command(
                .demo,
                "Run everything on private servers in a temporary directory, and audit the result.",
                flags: [
                    Flag("--seconds", .number(0...31_536_000), "How long; 0 means until stopped (default 60)."),
                    Flag("--rate", .number(1...1_000_000), "Messages a second (default 1000)."),
                    Flag("--seed", .number(0...Int.max), "The same seed gives the same feed (default 1)."),
                ]
            ),
            Command(.version, "Print the version."),
            Command(
                .help,
                "Print this, or the help of one command.",
                [Argument(name: "command", words: [], isOptional: true)]
            ),
        ]

    /// Flags that every command takes.
    package static let globalFlags: [Flag] = [
        Flag("--config", .text("FILE"), "Configuration file (else THERMOCLINE_CONFIG, else defaults)."),
        Flag("--set", .text("PATH=VALUE"), "Set one option, over file and environment.", mayRepeat: true),
        Flag("--mode", .word(Mode.allCases.map(\.rawValue)), "The role, where no command names it."),
        Flag("--help", .none, "Print the help of the command."),
        Flag("--version", .none, "Print the version."),
    ]

    private static let quarantine: [Command] = [
        Command(
            .quarantineList,
            "List messages that were kept aside, the newest first.",
            flags: selection + [limit("At most so many (default 50).")]
        ),
        Command(
            .quarantineShow,
            "Print one message that was kept aside: why, subject, headers, payload.",
            [
                Argument(name: "stream", words: [], isOptional: false),
                Argument(name: "sequence", words: [], isOptional: false),
            ],
            flags: [Flag("--raw", .none, "Only the bytes of the payload, as they came.")]
        ),
        Command(
            .quarantineReplay,
            "Store what was kept aside and fits now, and take it out of quarantine.",
            flags: selection + [limit("At most so many (default all)."), dryRun]
        ),
        Command(
            .quarantineDrop,
            "Delete messages that were kept aside, for good.",
            flags: selection + [Flag("--all", .none, "All of them, where nothing selects."), dryRun]
        ),
    ]

    /// What keeps rows in hot, or brings them back.
    private static let bringing: [Command] = [
        Command(
            .pinAdd,
            "Keep what hot holds of a range, and whatever else comes of it, from being pruned.",
            flags: range + [
                Flag("--for", .text("SPAN"), "How long (default 7d)."),
                Flag("--reason", .text("TEXT"), "Why, for whoever wonders (default: none given)."),
            ]
        ),
        Command(.pinList, "List what is pinned, until when, and why."),
        Command(
            .pinRemove,
            "Let a range be pruned again.",
            [Argument(name: "id", words: [], isOptional: false)]
        ),
        Command(
            .undo,
            "Give back what left hot and still rests there, and pin it.",
            flags: range + [keep]
        ),
        Command(
            .restore,
            "Copy proved ranges from cold back to hot, prove that hot holds them, and pin them.",
            flags: range + [keep]
        ),
    ]
    private static let range = [
        Flag("--type", .text("TYPE"), "The record type."),
        Flag("--from", .text("TIME"), "Start: 2026-11-20T08:00:00Z, or 2h ago. Ranges it meets count whole."),
        Flag("--to", .text("TIME"), "End, exclusive (default now)."),
    ]
    private static let keep = Flag("--keep", .text("SPAN"), "How long it is pinned (default 7d).")

    private static let selection = [
        Flag("--type", .text("TYPE"), "Of one record type, by their subject, or unknown."),
        Flag("--reason", .text("REASON"), "For one reason, such as conflict or rejected."),
        Flag("--stream", .text("NAME"), "From one stream."),
        Flag("--since", .text("TIME"), "Kept aside since then: 2026-11-20T08:00:00Z, or 2h ago."),
    ]
    private static func limit(_ summary: String) -> Flag { Flag("--limit", .number(1...1_000_000_000), summary) }
    private static let dryRun = Flag("--dry-run", .none, "Say what would happen, and change nothing.")

    private static let database = Argument(name: "database", words: ["hot", "cold"], isOptional: false)

    private init(_ name: CommandName, _ summary: String, _ arguments: [Argument] = [], flags: [Flag] = []) {
        self.init(name: name, summary: summary, arguments: arguments, flags: flags)
    }

    static func named(_ name: CommandName) -> Command? { table.first { $0.name == name } }
}

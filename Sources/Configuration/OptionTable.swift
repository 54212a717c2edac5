internal import Platform
package import Records

extension Option {
    /// Every option, in the order of the template.
    package static func table(_ catalog: Catalog) -> [Option] {
        let mode = Option(
            "mode",
            \.mode,
            optional: .word,
            "Which roles the process plays when no command says so: hot, cold or both."
        )
        return [mode] + nats(catalog) + hot + ingest + quarantine + cold + archive + catalog.types.flatMap(type) + rest
    }

    private static func nats(_ catalog: Catalog) -> [Option] {
        [
            Option("nats.url", \.nats.url, .natsServers, "NATS servers, separated by commas."),
            Option(
                "nats.credentials_file",
                \.nats.credentialsFile,
                optional: .path,
                "File with the user's JWT and key (.creds)."
            ),
            Option(
                "nats.create_streams",
                \.nats.createStreams,
                .streamSelection(catalog.types.map(\.name)),
                "Types whose stream is created where none exists: a list, or all. Collectors make the others."
            ),
            Option(
                "nats.ack",
                \.nats.ack,
                .word,
                "What is acknowledged: all (each batch, so that operators see the floor) or none."
            ),
            Option(
                "nats.discovery",
                \.nats.discovery,
                .duration(.seconds(1) ... .seconds(3_600)),
                "Between two looks at which streams there are and what they capture; sooner where something is missing."
            ),
            Option(
                "nats.stream.max_bytes",
                \.nats.stream.maxBytes,
                .size(1 << 20...1 << 50),
                "Size at which a stream that we created discards its oldest messages."
            ),
            Option(
                "nats.stream.max_age",
                \.nats.stream.maxAge,
                .duration(.seconds(60) ... .days(365)),
                "Age at which a stream that we created discards messages."
            ),
        ]
    }

    private static let hot = [
        Option("hot.postgres", \.hot.postgres, optional: .secret, "Connection string of the hot database. A secret."),
        Option(
            "hot.postgres_file",
            \.hot.postgresFile,
            optional: .path,
            "File that holds hot.postgres, instead of it."
        ),
        Option("hot.listen", \.hot.listen, .listenAddress, "Address of /health, /stats and /metrics of the hot role."),
        Option(
            "hot.retention",
            \.hot.retention,
            .duration(.seconds(1) ... .days(3_650)),
            "How long hot keeps rows; only what is proved in cold is ever pruned."
        ),
        Option("hot.batch.rows", \.hot.batch.rows, .integer(1...100_000), "Rows at which a batch is written."),
        Option("hot.batch.bytes", \.hot.batch.bytes, .size(1 << 10...256 << 20), "Bytes at which a batch is written."),
        Option(
            "hot.batch.linger",
            \.hot.batch.linger,
            .duration(.zero ... .seconds(60)),
            "How long a batch that is not full waits for more."
        ),
        Option(
            "hot.memory",
            \.hot.memory,
            .size(16 << 20...64 << 30),
            "Memory of all sources for messages and rows on their way; the process needs about 48MiB beside it."
        ),
        Option(
            "hot.max_partitions",
            \.hot.maxPartitions,
            .integer(1...100_000),
            "Partitions of one type; a message of the past that needs one more goes to quarantine."
        ),
    ]

    private static let ingest = [
        Option(
            "ingest.takeover",
            \.ingest.takeover,
            .duration(.seconds(1) ... .seconds(3_600)),
            "How long a silent owner of a source is waited for before another instance takes over."
        ),
        Option(
            "ingest.keep_provenance",
            \.ingest.keepProvenance,
            .boolean,
            "Whether keys that say how a message came (collected_at, publisher, ...) are kept in extra."
        ),
        Option(
            "ingest.provenance_keys",
            \.ingest.provenanceKeys,
            .list(of: "JSON keys"),
            "More keys that say how a message came, and not what it says."
        ),
        Option(
            "ingest.max_message_bytes",
            \.ingest.limits.messageBytes,
            .size(1 << 10...64 << 20),
            "A larger message goes to quarantine."
        ),
        Option(
            "ingest.max_depth",
            \.ingest.limits.depth,
            .integer(4...512),
            "Levels of nesting; a deeper message goes to quarantine."
        ),
        Option(
            "ingest.max_keys",
            \.ingest.limits.keys,
            .integer(32...100_000),
            "Keys of one message; one with more goes to quarantine."
        ),
        Option(
            "ingest.max_digits",
            \.ingest.limits.digits,
            .integer(40...10_000),
            "Digits of a number, its exponent written out; a longer one goes to quarantine."
        ),
        Option(
            "ingest.max_levels",
            \.ingest.limits.levels,
            .integer(1...1_000_000),
            "Levels of one side of an order book; more go to quarantine."
        ),
        Option(
            "ingest.max_symbol_length",
            \.ingest.limits.symbolLength,
            .integer(8...256),
            "Characters of a symbol; a longer one goes to quarantine."
        ),
        Option(
            "ingest.max_text_bytes",
            \.ingest.limits.textBytes,
            .integer(64...2_000),
            "Bytes of any other text; a longer one goes to quarantine."
        ),
        Option(
            "ingest.earliest_year",
            \.ingest.limits.earliestYear,
            .integer(1970...2100),
            "A message of an earlier year goes to quarantine."
        ),
        Option(
            "ingest.max_ahead",
            \.ingest.limits.maxAhead,
            .duration(.seconds(1) ... .seconds(366 * 86_400)),
            "How far an event may lie after the stream's time of its message; one further ahead goes to quarantine."
        ),
    ]

    private static let quarantine = [
        Option(
            "quarantine.max_bytes",
            \.quarantine.maxBytes,
            .size(1 << 20...1 << 50),
            "Size of the quarantine at which a source stops rather than drop a message."
        ),
        Option(
            "quarantine.max_share",
            \.quarantine.maxShare,
            .share,
            "Share of a batch that the database may reject for one reason before the source stops."
        ),
    ]

    private static let archive = [
        Option(
            "archive.interval",
            \.archive.interval,
            .duration(.milliseconds(100) ... .days(1)),
            "How often ranges that are due are looked for, where archive.schedule is empty."
        ),
        Option(
            "archive.schedule",
            \.archive.schedule,
            .cronExpressions,
            "When they are looked for instead: cron expressions; one that was missed is made up for at the start."
        ),
        Option(
            "archive.windows",
            \.archive.windows,
            .dailyWindows,
            "Parts of the day in which ranges are begun, such as 22:00-06:00; none for the whole day."
        ),
        Option(
            "archive.time_zone",
            \.archive.timeZone,
            .timeZone,
            "Time zone of archive.schedule and archive.windows, as PostgreSQL knows it: Europe/Berlin."
        ),
        Option(
            "archive.safety_lag",
            \.archive.safetyLag,
            .duration(.zero ... .days(30)),
            "How far in the past a range must end before it is copied."
        ),
        Option(
            "archive.range",
            \.archive.range,
            .duration(.seconds(1) ... .days(31)),
            "Width of the ranges that are copied, proved and pruned; a multiple of archive.bucket."
        ),
        Option(
            "archive.bucket",
            \.archive.bucket,
            .duration(.seconds(1) ... .days(1)),
            "Width in which activity is counted; fixed in the database by `thermocline schema apply`."
        ),
        Option(
            "archive.prune",
            \.archive.prune,
            .boolean,
            "Whether rows that are proved in cold and past hot.retention are deleted from hot."
        ),
        Option(
            "archive.whole_partitions",
            \.archive.wholePartitions,
            .boolean,
            "Whether a day leaves hot whole once all of it is due, and rests; else range by range, by DELETE."
        ),
        Option(
            "archive.undo",
            \.archive.undo,
            .duration(.zero ... .days(365)),
            "How long a partition that left hot whole rests there before it is proved again and dropped; 0: at once."
        ),
        Option(
            "archive.lease",
            \.archive.lease,
            .duration(.seconds(1) ... .seconds(3_600)),
            "How long an archiver that is gone keeps others from archiving."
        ),
        Option(
            "archive.named_rows",
            \.archive.namedRows,
            .integer(1...1_000),
            "Rows of a mismatch that are named with both versions; the others are counted."
        ),
        Option(
            "archive.scrub.rate",
            \.archive.scrub.rate,
            .size(0...1 << 40),
            "Bytes a second at which cold is read again to find what changed there; 0 is never."
        ),
        Option(
            "archive.scrub.every",
            \.archive.scrub.every,
            .duration(.zero ... .days(3_650)),
            "Age of a range's last proof from which it is read again."
        ),
        Option(
            "archive.concurrency",
            \.archive.concurrency,
            .integer(1...16),
            "Ranges that are moved at the same time, each in a session of its own with either database."
        ),
        Option(
            "archive.rate",
            \.archive.rate,
            .size(0...1 << 40),
            "Bytes a second that all of them together copy at most; 0 for no limit."
        ),
        Option(
            "archive.pause_above",
            \.archive.pauseAbove,
            optional: .duration(.milliseconds(1) ... .seconds(60)),
            "No range is begun while a small transaction in hot takes longer, the way there included; null: never mind."
        ),
    ]

    private static func type(_ type: RecordType) -> [Option] {
        let name = type.name
        return [
            Option("types.\(name).enabled", .boolean, "Whether \(name) is read and archived.") {
                $0[name].enabled
            } set: {
                $0.types[name, default: .init()].enabled = $1
            },
            Option(
                "types.\(name).retention",
                ValueKind.duration(.seconds(1) ... .days(3_650)).optional,
                "How long hot keeps \(name), where that is not hot.retention."
            ) {
                $0[name].retention
            } set: {
                $0.types[name, default: .init()].retention = $1
            },
            Option(
                "types.\(name).cold_retention",
                ValueKind.duration(.seconds(1) ... .days(36_500)).optional,
                "How long cold keeps \(name), where that is not cold.retention."
            ) {
                $0[name].coldRetention
            } set: {
                $0.types[name, default: .init()].coldRetention = $1
            },
            Option(
                "types.\(name).dedupe",
                ValueKind<Deduplication>.word,
                "What stores \(name) once: key (natural key), or position (of the lane alone: no index, see README)."
            ) {
                $0[name].dedupe
            } set: {
                $0.types[name, default: .init()].dedupe = $1
            },
        ]
    }

    private static let rest = [
        Option("log.level", \.log.level, .word, "The least level that is logged: debug, info, warning or error."),
        Option("log.format", \.log.format, .word, "How lines look: auto (pretty on a terminal), json or pretty."),
        Option("http.body_bytes", \.http.bodyBytes, .size(1 << 10...64 << 20), "A larger request body is refused."),
        Option("http.connections", \.http.connections, .integer(4...1_000), "Open connections of one listener."),
        Option(
            "http.connections_per_address",
            \.http.connectionsPerAddress,
            .integer(1...1_000),
            "Open connections of one client address."
        ),
        Option(
            "http.idle_timeout",
            \.http.idleTimeout,
            .duration(.seconds(1) ... .seconds(3_600)),
            "How long a connection may be silent."
        ),
        Option(
            "http.reply_timeout",
            \.http.replyTimeout,
            .duration(.seconds(1) ... .seconds(600)),
            "How long an answer may take before it becomes a 504."
        ),
        Option(
            "shutdown.grace",
            \.shutdown.grace,
            .duration(.seconds(1) ... .seconds(3_600)),
            "How long a stop waits for work in hand before it cuts it off; nothing is lost by that."
        ),
    ]
}

extension Duration {
    static func days(_ count: Int) -> Duration { .seconds(count * 86_400) }
}

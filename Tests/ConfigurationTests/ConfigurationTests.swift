import Configuration
import Platform
import Records
import Testing

@Suite struct ConfigurationTests {
    let scratch: Scratch
    init() throws { scratch = try Scratch() }

    @Test func `nothing said means the defaults`() throws {
        let loaded = try scratch.load()
        #expect(loaded.origins.isEmpty)
        #expect(loaded.configuration.hot.listen.description == "127.0.0.1:8085")
        #expect(loaded.configuration.cold.listen.description == "127.0.0.1:8086")
        #expect(loaded.configuration.hot.retention == .seconds(259_200))
        #expect(loaded.configuration.nats.createStreams == .only(["orderbook", "trade"]))
        for yaml in ["", "# nothing\n", "---\n", "hot:\n", "hot:\n  batch:\n"] {
            #expect(try scratch.load(yaml).origins.isEmpty)
        }
    }

    @Test(arguments: [
        ("max_message_bytes", "2KiB", "1KiB - 1"), ("max_depth", "7", "513"), ("max_keys", "40", "31"),
        ("max_digits", "41", "39"), ("max_levels", "8", "0"), ("max_symbol_length", "9", "257"),
        ("max_text_bytes", "65", "2001"), ("earliest_year", "2020", "1969"), ("max_ahead", "5s", "367d"),
    ])
    func `every limit of a message has a key, and a bound of its own`(
        _ key: String,
        _ value: String,
        _ beyond: String
    ) throws {
        let limits = try scratch.load(settings: ["ingest.\(key)=\(value)"]).configuration.ingest.limits
        var expected = DecodeLimits()
        switch key {
        case "max_message_bytes": expected.messageBytes = 2_048
        case "max_depth": expected.depth = 7
        case "max_keys": expected.keys = 40
        case "max_digits": expected.digits = 41
        case "max_levels": expected.levels = 8
        case "max_symbol_length": expected.symbolLength = 9
        case "max_text_bytes": expected.textBytes = 65
        case "earliest_year": expected.earliestYear = 2020
        default: expected.maxAhead = .seconds(5)
        }
        #expect(limits == expected)
        #expect(throws: ConfigurationError.self) { try scratch.load(settings: ["ingest.\(key)=\(beyond)"]) }
    }

    @Test func `flags count over environment, over file, over defaults`() throws {
        let yaml = "hot:\n  batch:\n    rows: 1\n    bytes: 64KiB\n  retention: 1d\n"
        let loaded = try scratch.load(
            yaml,
            environment: ["THERMOCLINE_HOT_BATCH_ROWS": "2", "THERMOCLINE_HOT_BATCH_BYTES": "128KiB"],
            settings: ["hot.batch.rows=3"]
        )
        #expect(loaded.configuration.hot.batch.rows == 3)
        #expect(loaded.configuration.hot.batch.bytes == 128 << 10)
        #expect(loaded.configuration.hot.retention == .seconds(86_400))
        #expect(loaded.origins["hot.batch.rows"] == .flag("--set hot.batch.rows"))
        #expect(loaded.origins["hot.batch.bytes"] == .environment("THERMOCLINE_HOT_BATCH_BYTES"))
        #expect(loaded.origins["hot.retention"]?.description.hasSuffix("thermocline.yaml:5:3") == true)
    }

    @Test func `STORAGE_MODE and LOG_LEVEL count where nothing more specific is set`() throws {
        let shared = ["STORAGE_MODE": "hot", "LOG_LEVEL": "WARNING", "ENVIRONMENT": "production"]
        let secrets = ["hot.postgres=x", "cold.postgres=x"]
        let alone = try scratch.load(environment: shared, settings: secrets).configuration
        #expect(alone.mode == .hot && alone.log.level == .warning)
        let filed = try scratch.load("mode: cold\nlog: {level: debug}\n", environment: shared, settings: secrets)
        #expect(filed.configuration.mode == .cold && filed.configuration.log.level == .debug)
        let template = Configuration.template(.standard)
        let copied = try scratch.load(template, environment: shared, settings: secrets).configuration
        #expect(copied.mode == .hot && copied.log.level == .warning)
        let flagged = try scratch.load("mode: cold\n", environment: shared, settings: secrets, mode: .both)
        #expect(flagged.configuration.mode == .both)
    }

    @Test func `an unknown key is an error with its place and the nearest known key`() throws {
        let problems = try scratch.problems(
            """
            nats:
              urls: nats://a
            hott:
              listen: 127.0.0.1:1
            hot:
              batch: {row: 5}
              safety_lag: 1m
            types:
              trades:
                enabled: false
            xyzzy: 1
            """
        )
        #expect(
            problems == [
                "thermocline.yaml:2:3: unknown key nats.urls; did you mean nats.url?",
                "thermocline.yaml:3:1: unknown key hott; did you mean hot?",
                "thermocline.yaml:6:11: unknown key hot.batch.row; did you mean hot.batch.rows?",
                "thermocline.yaml:7:3: unknown key hot.safety_lag; did you mean archive.safety_lag?",
                "thermocline.yaml:9:3: unknown key types.trades; did you mean types.trade?",
                "thermocline.yaml:11:1: unknown key xyzzy",
            ]
        )
    }

    @Test func `every wrong value is told at once, each with what is expected`() throws {
        let problems = try scratch.problems(
            """
            mode: warm
            nats: {ack: some, url: "http://x", create_streams: [trade, order_book]}
            hot:
              retention: 3 days
              batch: {rows: 0, linger: fast}
              listen: 8085
            archive: {prune: yes, range: 90m, schedule: ["0 24 * * *"], windows: [22-6]}
            quarantine: {max_share: 0.2}
            log: [debug]
            http: {connections: {a: 1}}
            """,
            environment: ["THERMOCLINE_COLD_LISTEN": "cold", "THERMOCLINE_ARCHIVE_LEASE": "1"],
            settings: ["hot.max_partitions=many", "nonsense", "log.levl=info"]
        )
        let expected = [
            "thermocline.yaml:1:1: mode: \"warm\", expected one of hot, cold, both",
            "thermocline.yaml:2:8: nats.ack: \"some\", expected all or none",
            "thermocline.yaml:2:19: nats.url: expected nats:// or tls:// addresses",
            "thermocline.yaml:2:36: nats.create_streams: \"order_book\" is no record type; did you mean orderbook?",
            "thermocline.yaml:4:3: hot.retention: \"3 days\" has the unknown unit \" days\"",
            "thermocline.yaml:5:11: hot.batch.rows: \"0\", expected a whole number from 1 to 100000",
            "thermocline.yaml:5:20: hot.batch.linger: \"fast\" is not a duration",
            "thermocline.yaml:6:3: hot.listen: \"8085\" is not an address",
            "thermocline.yaml:7:11: archive.prune: \"yes\", expected true or false",
            "thermocline.yaml:7:35: archive.schedule: \"0 24 * * *\" is no cron expression: \"24\" is no hour",
            "thermocline.yaml:7:61: archive.windows: \"22-6\", expected a part of the day such as 22:00-06:00",
            "thermocline.yaml:8:14: quarantine.max_share: \"0.2\", expected a share from 0% to 100%",
            "thermocline.yaml:9:6: log is a section; its options go below it, indented",
            "thermocline.yaml:10:21: http.connections takes one value or a list of values",
            "environment THERMOCLINE_ARCHIVE_LEASE: archive.lease: \"1\" lacks a unit",
            "environment THERMOCLINE_COLD_LISTEN: cold.listen: \"cold\" is not an address",
            "--set hot.max_partitions: hot.max_partitions: \"many\", expected a whole number from 1 to 100000",
            "--set nonsense: expected path=value",
            "--set log.levl: unknown key log.levl; did you mean log.level?",
            "thermocline.yaml:7:23: archive.range must be a multiple of archive.bucket: 1h30m is no multiple of 1h",
        ]
        #expect(problems.count == expected.count)
        for (problem, start) in zip(problems, expected) {
            #expect(problem.hasPrefix(start), "\(problem)\nshould begin with\n\(start)")
        }
    }

    @Test(
        arguments: [
            ("hot: {a: 1\n", "2:1: did not find expected ',' or '}'"), ("hot:\n\tbatch: 1\n", "2:1: found character"),
            ("a: &x 1\n", "1:4: anchors (&name) are not supported here"), ("a: *x\n", "1:4: aliases (*name) are"),
            ("a: !!str 1\n", "1:4: tags (!name) are not"), ("a: &x [1]\n", "1:4: anchors and tags are not"),
            ("mode: hot\n---\nmode: cold\n", "2:1: a second document"),
            ("log: {level: info}\nlog: {level: debug}\n", "2:1: key \"log\" twice; the first is in line 1"),
            ("- a\n- b\n", "1:1: a configuration is a mapping"), ("just text\n", "1:1: a configuration is a mapping"),
            ("? [a]\n: b\n", "1:3: a key is expected"), ("a: \u{1}\n", "1:4: control characters are not allowed"),
        ]
    )
    func `what is not plain YAML is refused at its place`(yaml: String, problem: String) throws {
        let problems = try scratch.problems(yaml)
        #expect(problems.count == 1)
        #expect(problems.first?.hasPrefix("thermocline.yaml:\(problem)") == true, "\(problems)")
    }

    @Test func `no nesting is too deep for the reader`() throws {
        let problems = try scratch.problems(String(repeating: "[", count: 50_000))
        #expect(problems == ["thermocline.yaml:1:17: more than 16 levels"])
    }

    @Test func `a missing file is an error`() {
        let error = #expect(throws: ConfigurationError.self) {
            try ConfigurationSources(file: "/nonexistent.yaml").load(.standard)
        }
        #expect(error?.description == "/nonexistent.yaml: no such file or directory")
    }

    @Test func `what looks like an option in the environment is a warning`() throws {
        let loaded = try scratch.load(
            environment: [
                "THERMOCLINE_HOT_LISTN": "x", "THERMOCLINE_HOT_PORT": "tcp://10.0.0.1:8085", "THERMOCLINE_CONFIG": "x",
                "THERMOCLINE_TEST_DATA": "x", "THERMOCLINE_NATS_URL": "",
            ]
        )
        #expect(
            loaded.warnings == [
                "environment THERMOCLINE_HOT_LISTN is no option; did you mean THERMOCLINE_HOT_LISTEN?",
                "environment THERMOCLINE_HOT_PORT is no option; did you mean THERMOCLINE_HOT_MEMORY?",
            ]
        )
    }

    @Test func `lists come as YAML lists or separated by commas`() throws {
        #expect(try scratch.load("nats: {create_streams: all}").configuration.nats.createStreams == .all)
        #expect(try scratch.load("nats: {create_streams: []}").configuration.nats.createStreams == .only([]))
        #expect(
            try scratch.load(settings: ["nats.create_streams=lsr, trade"]).configuration.nats.createStreams
                == .only(["lsr", "trade"])
        )
        let keys = try scratch.load(environment: ["THERMOCLINE_INGEST_PROVENANCE_KEYS": "a,b"])
        #expect(keys.configuration.ingest.provenanceKeys == ["a", "b"])
    }

    @Test func `a schedule is a list of cron expressions, which have commas of their own`() throws {
        let cron = ["30 2,14 * * mon-fri", "0 5 1 * *"]
        let yaml = "archive: {schedule: [\"\(cron[0])\", \"\(cron[1])\"], windows: [\"22:00-06:00\"]}"
        let archive = try scratch.load(yaml).configuration.archive
        #expect(archive.schedule.map(\.description) == cron)
        #expect(archive.windows.map(\.description) == ["22:00-06:00"])
        let given = try scratch.load(
            environment: ["THERMOCLINE_ARCHIVE_SCHEDULE": cron.joined(separator: ";")],
            settings: ["archive.windows=22:00-06:00, 12:00-13:00"]
        ).configuration.archive
        #expect(given.schedule.map(\.description) == cron)
        #expect(given.windows.map(\.description) == ["22:00-06:00", "12:00-13:00"])
    }

    @Test(arguments: Catalog.standard.types)
    func `each record type has options of its own`(type: RecordType) throws {
        let yaml = "types:\n  \(type.name): {enabled: false, retention: 1d}\n"
        let configuration = try scratch.load(yaml).configuration
        #expect(!configuration[type.name].enabled)
        #expect(configuration.retention(of: type.name) == .seconds(86_400))
        let others = Catalog.standard.types.filter { $0 != type }
        #expect(others.allSatisfy { configuration[$0.name].enabled })
        #expect(others.allSatisfy { configuration.retention(of: $0.name) == configuration.hot.retention })
    }
}

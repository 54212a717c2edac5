import Configuration
import Platform
import Records
import Testing

@Suite struct SecretOptionTests {
    let scratch: Scratch
    init() throws { scratch = try Scratch() }

    @Test func `a connection string comes from its file`() throws {
        let secret = try scratch.write("host=h password=p\n", to: "hot")
        let loaded = try scratch.load(environment: ["THERMOCLINE_HOT_POSTGRES_FILE": secret], mode: .hot)
        #expect(loaded.configuration.hot.postgres?.reveal() == "host=h password=p")
        #expect(loaded.warnings.isEmpty)
        let open = try scratch.write("host=h password=p\n", to: "open", mode: 0o644)
        let warned = try scratch.load(settings: ["hot.postgres_file=\(open)"], mode: .hot)
        #expect(warned.warnings == ["\(open) holds a secret and others may read it; chmod go-r it"])
    }

    @Test func `string and file at once contradict each other, unless one is more specific`() throws {
        let secret = try scratch.write("from the file", to: "hot")
        #expect(
            try scratch.problems("hot:\n  postgres: a\n  postgres_file: \(secret)\n") == [
                "thermocline.yaml:3:3: hot.postgres and hot.postgres_file are both set; keep one"
            ]
        )
        let yaml = "hot:\n  postgres_file: \(secret)\n"
        let over = try scratch.load(yaml, environment: ["THERMOCLINE_HOT_POSTGRES": "from the environment"])
        #expect(over.configuration.hot.postgres?.reveal() == "from the environment")
        #expect(over.configuration.hot.postgresFile == nil)
        let under = try scratch.load("hot: {postgres: from yaml}", settings: ["hot.postgres_file=\(secret)"])
        #expect(under.configuration.hot.postgres?.reveal() == "from the file")
    }

    @Test func `a role names every connection string that it lacks`() throws {
        let hot = "hot.postgres is not set; set hot.postgres_file, or THERMOCLINE_HOT_POSTGRES_FILE in the environment"
        let cold = hot.replacing("hot.", with: "cold.").replacing("_HOT_", with: "_COLD_")
        #expect(try scratch.problems(mode: .hot) == [hot])
        #expect(try scratch.problems(mode: .cold) == [hot, cold])
        #expect(try scratch.problems("mode: both") == [hot, cold])
        #expect(try scratch.problems(for: [.cold]) == [cold])
        _ = try scratch.load(mode: .cold, for: [])
    }

    @Test func `a secret that the role does not need is not read`() throws {
        let settings = ["hot.postgres=x", "cold.postgres_file=/nonexistent"]
        #expect(try scratch.load(settings: settings, mode: .hot).configuration.cold.postgres == nil)
        #expect(
            try scratch.problems(settings: settings, mode: .cold) == [
                "--set cold.postgres_file: cold.postgres_file: /nonexistent: no such file or directory"
            ]
        )
    }

    @Test func `both roles cannot listen at the same place`() throws {
        let settings = ["hot.postgres=x", "cold.postgres=x", "cold.listen=127.0.0.1:8085"]
        #expect(
            try scratch.problems(settings: settings, mode: .both) == [
                "--set cold.listen: hot.listen and cold.listen are both 127.0.0.1:8085"
            ]
        )
        _ = try scratch.load(settings: settings, mode: .cold)
        let anywhere = ["hot.postgres=x", "cold.postgres=x", "cold.listen=127.0.0.1:0", "hot.listen=127.0.0.1:0"]
        _ = try scratch.load(settings: anywhere, mode: .both)
    }

    @Test func `the report shows every option with its origin, and no secret`() throws {
        let loaded = try scratch.load(
            "hot:\n  postgres: host=h password=hunter2\n",
            environment: ["THERMOCLINE_NATS_URL": "nats://me:hunter2@a:4222,tls://b:4222"],
            settings: ["archive.prune=false"]
        )
        let report = loaded.report(.standard)
        #expect(!report.contains("hunter2"))
        #expect(!"\(loaded)".contains("password=hunter2"))
        let lines = report.split(separator: "\n").map { $0.split(separator: "  # ").map { $0.trimmed } }
        #expect(lines.count == Option.table(.standard).count)
        #expect(lines.contains(["hot.postgres: <redacted>", "\(scratch.directory)/thermocline.yaml:2:3"]))
        #expect(
            lines.contains([
                "nats.url: nats://<redacted>@a:4222,tls://b:4222", "environment THERMOCLINE_NATS_URL",
            ])
        )
        #expect(lines.contains(["archive.prune: false", "--set archive.prune"]))
        #expect(lines.contains(["cold.postgres: null", "default"]))
    }
}

extension Substring {
    fileprivate var trimmed: String { String(reversed().drop { $0 == " " }.reversed()) }
}

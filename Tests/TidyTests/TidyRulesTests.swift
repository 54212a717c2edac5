import Testing

/// The rules seen failing, on sources made up for it.
@Suite struct TidyRulesTests {
    static func findings(_ text: String, path: String = "Sources/Records/Bad.swift") -> [String] {
        TidyRules.findings(in: SourceFile(path: path, text: text), pureTargets: ["Records"])
    }

    @Test(arguments: [
        "let a = try! read()", "let a = try? read()", "let a = b as! Int", "fatalError(\"no\")", "print(1)",
        "Task { await go() }", "Task.detached { }", "usleep(5)", "import Foundation", "// fine\nimport Foundation",
        "let s = DispatchSemaphore(value: 0)", "let rows = unsafe pointer.pointee", "posix_spawn(&pid, path)",
        "let sql = \"SELECT ts FROM thermocline.trade\"", "let sql = \"DELETE FROM \\(table)\"",
        "final class Box: @unchecked Sendable {}", "print(1)  // tidy:allow",
    ])
    func `a banned spelling is found`(_ text: String) {
        #expect(!Self.findings(text).isEmpty)
    }

    @Test(arguments: [
        "// print(1) is banned", "let fingerprint(of: a)", "let address = \"nats://127.0.0.1\"",
        "let a = try? close()  // tidy:allow cleanup: nothing can be done about it",
        "let sql = \"SELECT 1 FROM pg_stat_activity\"", "let sql = \"COPY t FROM STDIN\"",
        "/// Never `unsafe` here.", "// @unchecked: libpq says so\nfinal class Box: @unchecked Sendable {}",
    ])
    func `what only looks like it is not`(_ text: String) {
        #expect(Self.findings(text) == [])
    }

    @Test func `the one place that may, may`() {
        let sql = "let sql = \"SELECT ts FROM thermocline.trade\""
        #expect(Self.findings(sql, path: "Sources/Adapters/HotSQLIngest.swift") == [])
        #expect(Self.findings(sql, path: "Sources/Postgres/Copy.swift").count == 1)
        #expect(Self.findings("let a = unsafe b", path: "Sources/Postgres/Copy.swift") == [])
        #expect(Self.findings("posix_spawn(&pid)", path: "Sources/PrivateServers/Child.swift") == [])
    }

    @Test func `a test that sleeps is found, one that polls in the support is not`() {
        let sleep = "try await Task.sleep(for: .seconds(1))"
        #expect(Self.findings(sleep, path: "Tests/RecordsTests/SlowTests.swift").count == 1)
        #expect(Self.findings(sleep, path: "Tests/TestSupport/Polling.swift") == [])
    }

    @Test func `what is too long is found, at its length and one more`() {
        #expect(Self.findings(String(repeating: "a\n", count: 400)) == [])
        #expect(Self.findings(String(repeating: "a\n", count: 401)).count == 1)
        #expect(Self.findings(String(repeating: "a", count: 120)) == [])
        #expect(Self.findings(String(repeating: "a", count: 121)).count == 1)
        func function(of lines: Int) -> String {
            let body = String(repeating: "        go()\n", count: lines - 4)
            return "struct A {\n    package func go(\n        a: Int\n    ) {\n\(body)    }\n}\n"
        }
        #expect(Self.findings(function(of: 70)) == [])
        #expect(Self.findings(function(of: 71)).count == 1)
        #expect(Self.findings("protocol P {\n    func a()\n}\n" + function(of: 70)) == [])
    }

    @Test func `a second importer of a C library is found`() {
        let files = ["Postgres", "Adapters"].map {
            SourceFile(path: "Sources/\($0)/File.swift", text: "internal import CPostgres\nimport Records\n")
        }
        #expect(TidyRules.importers(of: ["CPostgres"], in: files) == ["CPostgres": ["Postgres", "Adapters"]])
    }

    @Test func `a path of the workplace and a second title are found`() {
        let file = SourceFile(path: "docs/a.md", text: "# A\n```\n# code\n```\n# B\nsee ../shared/data and /work/x\n")
        #expect(TidyRules.workplace(in: file).count == 1)
        #expect(TidyRules.titles(in: file).count == 1)
        #expect(TidyRules.titles(in: SourceFile(path: "docs/a.md", text: "# A\n```\n# code\n```\n")) == [])
    }
}

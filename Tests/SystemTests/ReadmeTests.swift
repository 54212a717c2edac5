import Configuration
import Foundation
import Records
import Testing

/// What the README promises is there: its commands, its tests, its links.
@Suite struct ReadmeTests {
    let text: String

    init() throws { text = try DeployFiles.text("README.md") }

    /// The commands of the blocks marked `sh`, one a line.
    var commands: [String] {
        text.components(separatedBy: "```sh\n").dropFirst().flatMap {
            $0.components(separatedBy: "```")[0].components(separatedBy: "\n").filter { !$0.isEmpty }
        }
    }

    @Test func `every command is one that the program or make knows`() throws {
        let makefile = try DeployFiles.text("Makefile")
        #expect(commands.contains("make demo") && commands.contains("make test"))
        for command in commands {
            let words = command.split(separator: " ").map(String.init)
            switch words[0] {
            case "make": #expect(makefile.contains("\n\(words[1]): "), "\(command)")
            case "thermocline": #expect(throws: Never.self) { try Invocation(parsing: Array(words.dropFirst())) }
            case "curl": #expect(command.contains("127.0.0.1:8086/transfers"))
            default: Issue.record("an unknown command: \(command)")
            }
        }
    }

    @Test(arguments: ["README.md", "docs/semantics.md"])
    func `every guarantee names a test that exists`(file: String) throws {
        let text = try String(contentsOf: DeployFiles.root.appending(path: file), encoding: .utf8)
        let table = text.components(separatedBy: "## Guarantees")[1].components(separatedBy: "\n## ")[0]
        let rows = table.components(separatedBy: "\n").filter { $0.hasPrefix("| ") && $0.contains("`") }
        // The last column: names of tests, or what make runs.
        let names = rows.flatMap { row in
            row.split(separator: "|").last?.matches(of: /`([^`]+)`/).map { String($0.1) } ?? []
        }
        #expect(rows.count >= 10)
        let tests = try DeployFiles.sources(below: "Tests")
        for name in names where !name.hasPrefix("make ") {
            #expect(tests.contains { $0.contains("func `\(name)`") }, "no test is called: \(name)")
        }
    }

    @Test func `every file that it links to exists`() throws {
        for link in text.matches(of: /\]\(([A-Za-z.][^):]*)\)/).map({ String($0.1) }) {
            #expect(FileManager.default.fileExists(atPath: DeployFiles.root.appending(path: link).path), "\(link)")
        }
    }

    @Test func `every option that it names exists`() {
        let paths = Option.table(.standard).map(\.path)
        for word in text.matches(of: /`((?:hot|cold|nats|archive)\.[a-z_.]+)`/).map({ String($0.1) }) {
            #expect(paths.contains(word), "\(word)")
        }
    }
}

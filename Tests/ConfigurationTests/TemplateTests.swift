import Configuration
import Foundation
import Platform
import Records
import Testing

@Suite struct TemplateTests {
    static let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "config/thermocline.yaml")

    /// `THERMOCLINE_TEST_UPDATE=1` writes the file instead.
    @Test func `config/thermocline.yaml is what the table of options says`() throws {
        let text = Configuration.template(.standard)
        if Environment.process["THERMOCLINE_TEST_UPDATE"] == "1" {
            try Data(text.utf8).write(to: Self.path)
        }
        #expect(try String(contentsOf: Self.path, encoding: .utf8) == text)
    }

    @Test func `the template loads, and sets every option to its default`() throws {
        let scratch = try Scratch()
        let loaded = try scratch.load(Configuration.template(.standard))
        let defaults = try scratch.load()
        func values(_ loaded: LoadedConfiguration) -> [Substring?] {
            loaded.report(.standard).split(separator: "\n").map { $0.split(separator: "  #").first }
        }
        #expect(values(loaded) == values(defaults))
        let unset = Option.table(.standard).map(\.path).filter { loaded.origins[$0] == nil }
        // Those whose default is to say nothing.
        #expect(unset.allSatisfy { loaded.report(.standard).contains("\n\($0): null") || $0 == "mode" })
    }

    @Test func `paths and variables are unique, comments are one sentence, lines fit`() {
        let table = Option.table(.standard)
        #expect(Set(table.map(\.path)).count == table.count)
        #expect(Set(table.map(\.environmentName)).count == table.count)
        #expect(table.first { $0.path == "hot.batch.rows" }?.environmentName == "THERMOCLINE_HOT_BATCH_ROWS")
        for option in table { #expect(option.comment.hasSuffix("."), "\(option.path)") }
        for line in Configuration.template(.standard).split(separator: "\n") { #expect(line.count <= 120, "\(line)") }
    }

    @Test func `another type of the catalogue brings its own options`() throws {
        let more = Catalog(types: Catalog.standard.types + [RecordType("eighth", subjects: [], columns: [])])
        #expect(Configuration.template(more).contains("  eighth:\n    # Whether eighth is read and archived.\n"))
        #expect(Option.table(more).contains { $0.path == "types.eighth.enabled" })
    }

    @Test(arguments: [
        ("rows", "rows", 0), ("rows", "row", 1), ("abcd", "abdc", 1), ("", "abc", 3), ("kitten", "sitting", 3),
    ])
    func `the distance counts letters, and a swap as one`(a: String, b: String, distance: Int) {
        let match = Nearest.match(for: a, among: [b])
        #expect((match != nil) == (distance <= max(2, a.count / 3)))
    }
}

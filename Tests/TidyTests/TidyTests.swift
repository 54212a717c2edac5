import Testing

/// Properties of the source tree itself, so that no review has to look for them.
@Suite struct TidyTests {
    @Test(arguments: SourceTree.swift) func `a Swift file is tidy`(_ file: SourceFile) {
        for finding in TidyRules.findings(in: file, pureTargets: SourceTree.pureTargets) {
            Issue.record("\(finding)")
        }
    }

    @Test func `the tree was found, with its pure targets`() {
        #expect(SourceTree.sources.count > 10)
        #expect(SourceTree.pureTargets.isSuperset(of: ["Records", "Tiering", "Simulation", "Adapters", "ControlAPI"]))
    }

    @Test func `each C library has at most one importer`() {
        let modules = Set(SourceTree.files.filter { $0.path.hasSuffix("/module.modulemap") }.map(\.target))
        #expect(modules.count >= 6)
        for (module, targets) in TidyRules.importers(of: modules, in: SourceTree.sources) {
            #expect(targets.count == 1, "\(module) is imported by \(targets.sorted())")
        }
    }

    /// Five: each one is a promise that only C documentation backs.
    @Test func `at most five types are Sendable on our word`() {
        let lines = SourceTree.sources.flatMap(\.code).filter { $0.text.contains("@unchecked Sendable") }
        #expect(lines.count <= 5)
    }

    @Test func `a document has one title`() {
        for finding in SourceTree.documents.flatMap(TidyRules.titles) { Issue.record("\(finding)") }
    }

    @Test func `the product knows no path of the place it was made in`() {
        for finding in SourceTree.files.flatMap(TidyRules.workplace) { Issue.record("\(finding)") }
    }

    @Test func `the top level is what the project promises, and no more`() {
        let promised: Set = [
            "README.md", "config", ".ci", ".gitignore", ".swift-format", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE",
            "Makefile",
            "Package.swift", "Sources", "Tests", "deploy", "docker-compose.yml",
        ]
        let possible: Set = [
            ".dockerignore", ".editorconfig", "Benchmarks", "Package.resolved", "docs",
        ]
        let found = Set(SourceTree.topLevel)
        #expect(promised.subtracting(found) == [], "missing")
        #expect(found.subtracting(promised).subtracting(possible) == [], "not in the layout")
    }
}

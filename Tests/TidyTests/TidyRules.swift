import Foundation

/// What a file of the project may not contain; each finding is a line for a person to act on.
enum TidyRules {
    /// A spelling that is banned, what to use instead, and the one place that may use it.
    struct Ban: Sendable {
        let text: String
        let instead: String
        var except: String?

        /// Whether `code` has the spelling as a word of its own: `print(`, but not `fingerprint(`.
        func isIn(_ code: String) -> Bool {
            var rest = code[...]
            while let found = rest.range(of: text) {
                let before = rest[..<found.lowerBound].last ?? code[..<found.lowerBound].last
                let startsWord = text.first?.isLetter == true
                if !startsWord || !(before.map { $0.isLetter || $0.isNumber || $0 == "_" } ?? false) { return true }
                rest = rest[found.upperBound...]
            }
            return false
        }
    }

    static let bansInSources: [Ban] = [
        Ban(text: "try!", instead: "a typed throw"),
        Ban(text: "try?", instead: "a typed throw"),
        Ban(text: "as!", instead: "as?"),
        Ban(text: "fatalError(", instead: "precondition, or throw"),
        Ban(text: "print(", instead: "the log"),
        Ban(text: "debugPrint(", instead: "the log"),
        Ban(text: "Task {", instead: "a task group"),
        Ban(text: "Task.detached", instead: "a task group"),
        Ban(text: "AsyncStream", instead: "pulling: it drops or grows"),
        Ban(text: "DispatchSemaphore", instead: "await"),
        Ban(text: "usleep(", instead: "clock.sleep"),
        Ban(text: "Thread.sleep", instead: "clock.sleep"),
        Ban(text: "import Foundation", instead: "the standard library: the product links none"),
        Ban(text: "import FoundationEssentials", instead: "the standard library: the product links none"),
        Ban(text: "import FoundationNetworking", instead: "nothing: it makes no HTTP requests"),
        Ban(text: "getenv(", instead: "the environment as Platform reads it, once", except: "Sources/Platform/"),
        Ban(text: "setenv(", instead: "an argument: it races with every reader"),
        Ban(text: "posix_spawn", instead: "PrivateServers", except: "Sources/PrivateServers/"),
        Ban(text: "FIXME", instead: "the fix"),
        Ban(text: "TODO", instead: "an issue"),
        Ban(text: "XXX", instead: "an issue"),
    ]
    static let bansInTests: [Ban] = [
        Ban(text: "import XCTest", instead: "Testing"),
        Ban(text: "Thread.sleep", instead: "a poll with a deadline"),
        Ban(text: "usleep(", instead: "a poll with a deadline"),
        Ban(text: "Task.sleep", instead: "a poll with a deadline", except: "Tests/TestSupport/"),
    ]

    /// Everything that is wrong with a Swift file by itself.
    static func findings(in file: SourceFile, pureTargets: Set<String>) -> [String] {
        // These rules have to spell what they ban.
        let spellings = file.path.hasPrefix("Tests/TidyTests/") ? [] : spellings(in: file, pureTargets: pureTargets)
        return (lengths(in: file) + spellings).map { "\(file.path):\($0.line): \($0.text)" }
    }

    private static func lengths(in file: SourceFile) -> [(line: Int, text: String)] {
        var findings: [(line: Int, text: String)] = []
        // The text after the last line break counts as a line, and is empty.
        if file.lines.count > 401 { findings.append((401, "more than 400 lines: probably two things")) }
        for (index, line) in file.lines.enumerated()
        where line.utf8.count > 120 && line.count > 120 {
            findings.append((index + 1, "longer than 120 columns"))
        }
        for (start, length) in functions(in: file) where length > 70 {
            findings.append((start, "a function of \(length) lines; 70 are enough"))
        }
        return findings
    }

    private static let tableWords = ["FROM", "JOIN", "INTO", "UPDATE", "TABLE"]

    private static func spellings(in file: SourceFile, pureTargets: Set<String>) -> [(line: Int, text: String)] {
        var findings: [(line: Int, text: String)] = []
        for (index, line) in file.lines.enumerated() where file.mentions("tidy:allow") || file.mentions("@unchecked") {
            if line.contains("// tidy:allow"), !line.contains(/\/\/ tidy:allow \S/) {
                findings.append((index + 1, "say why it is allowed"))
            }
            if line.contains("@unchecked Sendable"), !isExplained(file, index) {
                findings.append((index + 1, "needs a line `// @unchecked:` that names what permits it"))
            }
        }
        let bans = (file.isSource ? bansInSources : bansInTests).filter { ban in
            file.mentions(ban.text) && !(ban.except.map(file.path.hasPrefix) ?? false)
        }
        let mayBeUnsafe = pureTargets.contains(file.target) && file.mentions("unsafe")
        let mayBeSQL = !mayNameTables(file.path) && tableWords.contains { file.mentions("\($0) ") }
        guard !bans.isEmpty || mayBeUnsafe || mayBeSQL else { return findings }
        for (number, text) in file.code {
            for ban in bans where ban.isIn(text) {
                findings.append((number, "\(ban.text) is banned, use \(ban.instead)"))
            }
            guard file.isSource else { continue }
            if mayBeUnsafe, text.contains(/\bunsafe\b/) {
                findings.append((number, "unsafe in a pure target; wrap it in one that may"))
            }
            if mayBeSQL, text.contains(/\b(FROM|JOIN|INTO|UPDATE|TABLE) +(?!pg_)["\\a-z]/) {
                findings.append((number, "SQL that names a table stands in Adapters/HotSQL, ColdSQL or TierSQL"))
            }
        }
        return findings
    }

    /// C modules and the targets that import each.
    static func importers(of modules: Set<String>, in files: [SourceFile]) -> [String: Set<String>] {
        var importers: [String: Set<String>] = [:]
        for file in files {
            for module in file.imports where modules.contains(module) {
                importers[module, default: []].insert(file.target)
            }
        }
        return importers
    }

    /// Names of this workplace and of files beside the project; only tests, CI and the Makefile may look there.
    static func workplace(in file: SourceFile) -> [String] {
        let exempt = ["Tests/", "Benchmarks/", ".ci/", "Makefile"]
        guard !exempt.contains(where: file.path.hasPrefix),
            ["/" + "work/", ".library", "shared/"].contains(where: file.mentions)
        else { return [] }
        return file.lines.enumerated().compactMap { index, line in
            line.contains(/\/work\/|\.library\b|\bshared\//)
                ? "\(file.path):\(index + 1): a path of this workplace" : nil
        }
    }

    /// What is wrong with the titles of a Markdown file.
    static func titles(in file: SourceFile) -> [String] {
        var isCode = false
        var titles: [Int] = []
        for (index, line) in file.lines.enumerated() {
            if line.hasPrefix("```") { isCode.toggle() }
            if !isCode, line.hasPrefix("# ") { titles.append(index + 1) }
        }
        if titles == [1] { return [] }
        return ["\(file.path): one title, on the first line; found on lines \(titles)"]
    }

    private static func mayNameTables(_ path: String) -> Bool {
        ["Sources/Adapters/HotSQL", "Sources/Adapters/ColdSQL", "Sources/Adapters/TierSQL"].contains(
            where: path.hasPrefix
        )
    }

    private static func isExplained(_ file: SourceFile, _ index: Int) -> Bool {
        (max(0, index - 1)...min(file.lines.count - 1, index + 1)).contains {
            file.lines[$0].contains(/\/\/ @unchecked: \S/)
        }
    }

    /// Where functions start, and how many lines they have.
    ///
    /// The formatter indents, so a function ends at the first line that closes a brace at its own indentation.
    private static func functions(in file: SourceFile) -> [(start: Int, length: Int)] {
        var functions: [(start: Int, length: Int)] = []
        for (index, line) in file.lines.enumerated()
        where line.contains(/^ *[a-z@()_ ]*\b(func|init|subscript)\b[^=]*[({]/) {
            let indentation = line.prefix { $0 == " " }
            if line.contains("{"), line.hasSuffix("}") { continue }
            for (offset, later) in file.lines[(index + 1)...].enumerated() {
                if later.hasPrefix(indentation + "}") {
                    functions.append((index + 1, offset + 2))
                    break
                }
                // Out of the scope it is declared in: a requirement of a protocol, without a body.
                if !later.isEmpty, !later.hasPrefix(indentation) { break }
            }
        }
        return functions
    }
}

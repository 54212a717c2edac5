import Foundation
import Testing

/// One text file of the project, by its path from the package root.
struct SourceFile: CustomTestStringConvertible, Sendable {
    let path: String
    let lines: [String]
    private let text: String

    init(path: String, text: String) {
        self.path = path
        self.text = text
        lines = text.components(separatedBy: "\n")
    }

    var testDescription: String { path }
    var isSource: Bool { path.hasPrefix("Sources/") }
    /// The target it belongs to, for a path in `Sources`.
    var target: String { path.split(separator: "/").dropFirst().first.map(String.init) ?? "" }

    /// Whether it has `spelling` anywhere: one fast look by bytes, before any pattern is tried line by line.
    func mentions(_ spelling: String) -> Bool {
        text.withCString { text in spelling.withCString { strstr(text, $0) != nil } }
    }

    /// Each line without its comment, numbered from 1; a line that is allowed by name is left out.
    var code: [(number: Int, text: String)] {
        lines.enumerated().compactMap { index, line in
            guard !line.contains(/\/\/ tidy:allow \S/) else { return nil }
            return (index + 1, Self.withoutComment(line))
        }
    }

    /// The names after `import`.
    var imports: [String] {
        lines.compactMap { line in
            guard line.utf8.count < 80, line.contains("import ") else { return nil }
            return line.firstMatch(of: /^(?:@\w+ )*(?:(?:package|internal|public|private|fileprivate) )?import (\w+)/)
                .map { String($0.1) }
        }
    }

    private static func withoutComment(_ line: String) -> String {
        // An address in a text has `//` too, after a colon.
        guard let comment = line.firstMatch(of: /(?:^|[^:])\/\//) else { return line }
        return String(line[..<comment.range.lowerBound])
    }
}

/// The project's files as they lie on disk.
enum SourceTree {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// What tools and editors leave at the top, and nobody commits.
    static let left: Set<String> = [".build", ".git", ".swiftpm", ".DS_Store", ".vscode", ".index-build"]

    static let topLevel: [String] = names(in: root).filter { !left.contains($0) && !$0.hasSuffix(".swp") }.sorted()

    /// Every file of text, without build products.
    static let files: [SourceFile] = topLevel.flatMap(read)

    static let swift: [SourceFile] = files.filter { $0.path.hasSuffix(".swift") }
    static let sources: [SourceFile] = swift.filter(\.isSource)
    static let documents: [SourceFile] = files.filter { $0.path.hasSuffix(".md") }

    /// Targets that `Package.swift` declares with `swiftSettings: pure`.
    static let pureTargets: Set<String> = {
        let package = files.first { $0.path == "Package.swift" }?.lines.joined(separator: "\n") ?? ""
        let declarations = package.components(separatedBy: "arget(").dropFirst()
        return Set(
            declarations.filter { $0.contains("swiftSettings: pure") }
                .compactMap { $0.firstMatch(of: /name: "(\w+)"/).map { String($0.1) } }
        )
    }()

    private static func names(in folder: URL) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    }

    private static func read(_ path: String) -> [SourceFile] {
        let url = root.appending(path: path)
        let inside = names(in: url)
        guard inside.isEmpty else { return inside.sorted().flatMap { read("\(path)/\($0)") } }
        guard let text = try? String(contentsOf: url, encoding: .utf8) else { return [] }
        return [SourceFile(path: path, text: text)]
    }
}

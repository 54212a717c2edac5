import Foundation

/// The files that put Thermocline onto a machine, read as far as the tests need.
enum DeployFiles {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    /// The texts of the Swift files below a folder.
    static func sources(below folder: String) throws -> [String] {
        let files = FileManager.default.enumerator(at: root.appending(path: folder), includingPropertiesForKeys: nil)
        return try (files?.allObjects as? [URL] ?? []).filter { $0.pathExtension == "swift" }
            .map { try String(contentsOf: $0, encoding: .utf8) }
    }

    /// Words of the first line of a Dockerfile or unit that starts with `prefix`.
    static func words(after prefix: String, in text: String) -> [String] {
        let line = text.components(separatedBy: "\n").first { $0.hasPrefix(prefix) } ?? prefix
        return line.dropFirst(prefix.count).split(separator: " ").map(String.init)
    }

    /// Debian packages whose name ends in `-dev`, wherever `text` names them.
    static func developmentPackages(in text: String) -> Set<String> {
        Set(text.matches(of: /lib[a-z0-9]+-dev/).map { String($0.0) })
    }
}

/// Indented YAML as paths to scalars: `services/hot/ports/0` to `127.0.0.1:8085:8085`.
///
/// Mappings, sequences of scalars, comments, quotes and one-line flow sequences; anchors and merges stay text.
struct IndentedYAML {
    private(set) var values: [String: String] = [:]

    init(_ text: String) {
        var open: [(indentation: Int, path: String)] = []
        var items: [String: Int] = [:]
        for line in text.components(separatedBy: "\n") {
            let content = line.drop { $0 == " " }
            guard !content.isEmpty, !content.hasPrefix("#") else { continue }
            let indentation = line.count - content.count
            while let last = open.last, last.indentation >= indentation { open.removeLast() }
            let parent = open.last?.path ?? ""
            if content.hasPrefix("- ") {
                values["\(parent)/\(items[parent, default: 0])"] = Self.scalar(content.dropFirst(2))
                items[parent, default: 0] += 1
                continue
            }
            guard let colon = content.firstMatch(of: /: |:$/) else { continue }
            let key = content[..<colon.range.lowerBound]
            let path = parent.isEmpty ? String(key) : "\(parent)/\(key)"
            values[path] = Self.scalar(content[colon.range.upperBound...])
            open.append((indentation, path))
        }
    }

    subscript(path: String) -> String? { values[path] }

    /// The keys directly below `path`.
    func keys(below path: String) -> Set<String> {
        Set(
            values.keys.filter { $0.hasPrefix(path + "/") }.compactMap { key in
                key.dropFirst(path.count + 1).split(separator: "/").first.map(String.init)
            }
        )
    }

    /// The items of a block or flow sequence at `path`.
    func list(_ path: String) -> [String] {
        if let flow = values[path], flow.hasPrefix("[") {
            let items = try? JSONSerialization.jsonObject(with: Data(flow.utf8))
            return items as? [String] ?? []
        }
        return (0...).lazy.map { values["\(path)/\($0)"] }.prefix { $0 != nil }.compactMap(\.self)
    }

    private static func scalar(_ text: Substring) -> String {
        var text = text[...]
        if !text.hasPrefix("\""), let comment = text.firstMatch(of: /(^| )#/) {
            text = text[..<comment.range.lowerBound]
        }
        let trimmed = text.trimmingCharacters(in: .whitespaces)
        return trimmed.hasPrefix("\"") && trimmed.hasSuffix("\"") ? String(trimmed.dropFirst().dropLast()) : trimmed
    }
}

import Platform

/// The document whose figures the program writes itself, between two marks.
struct Document: Sendable {
    static let begin = "<!-- figures: written by `make bench-docs` -->"
    static let end = "<!-- end of figures -->"

    /// Replaces what stands between the marks of the file at `path`.
    ///
    /// Throws: `BenchError` where it has no marks, or cannot be read or written.
    static func update(_ path: String, with report: Report) throws {
        let text = String(decoding: try File(reading: path).bytes, as: UTF8.self)
        guard let begin = text.firstRange(of: Self.begin), let end = text.firstRange(of: Self.end),
            begin.upperBound <= end.lowerBound
        else { throw BenchError("\(path) lacks the marks between which figures stand") }
        let before = text[..<begin.upperBound]
        try Files.write("\(before)\n\n\(report.markdown)\n\(text[end.lowerBound...])", to: path)
    }
}

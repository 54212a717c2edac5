/// One value of a YAML file, and where it stands.
struct YAMLNode: Sendable {
    /// A place in the file; both numbers start at 1.
    struct Mark: Sendable, Equatable {
        let line: Int
        let column: Int
    }
    struct Entry: Sendable {
        let key: String
        let mark: Mark
        let value: YAMLNode
    }
    enum Content: Sendable {
        /// `isPlain` is false where the text is quoted, which makes `"null"` a word.
        case scalar(String, isPlain: Bool)
        case sequence([YAMLNode])
        case mapping([Entry])
    }

    let content: Content
    let mark: Mark

    /// Whether it says "nothing": left empty, `null` or `~`.
    var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = content else { return false }
        return ["", "null", "Null", "NULL", "~"].contains(text)
    }
}

/// Where a file stops being the YAML that we read, and why.
struct YAMLError: Error {
    let mark: YAMLNode.Mark
    let detail: String
}

/// A NATS subject or subject filter: tokens between dots, `*` for any one token, `>` at the end for one or more.
///
/// Source: https://docs.nats.io/nats-concepts/subjects
package struct SubjectFilter: Sendable, Hashable, CustomStringConvertible {
    package let description: String
    private let tokens: [Substring]

    /// Makes a pattern; nil if a token is empty or holds white space, or `>` is not the last one.
    package init?(_ text: String) {
        let tokens = text.split(separator: ".", omittingEmptySubsequences: false)
        guard tokens.allSatisfy({ !$0.isEmpty && !$0.utf8.contains { $0 <= 0x20 } }) else { return nil }
        guard !tokens.dropLast().contains(">") else { return nil }
        description = text
        self.tokens = tokens
    }

    /// True if it names one subject.
    package var isLiteral: Bool { !tokens.contains { $0 == "*" || $0 == ">" } }

    /// True if some subject matches both.
    package func overlaps(_ other: SubjectFilter) -> Bool {
        var index = 0
        while index < tokens.count, index < other.tokens.count {
            let (mine, theirs) = (tokens[index], other.tokens[index])
            if mine == ">" || theirs == ">" { return true }
            guard mine == theirs || mine == "*" || theirs == "*" else { return false }
            index += 1
        }
        return tokens.count == other.tokens.count
    }

    /// True if every subject that matches `other` matches this one: a stream with this subject captures all of `other`.
    package func covers(_ other: SubjectFilter) -> Bool {
        for (index, mine) in tokens.enumerated() {
            guard index < other.tokens.count else { return false }
            if mine == ">" { return true }
            let theirs = other.tokens[index]
            guard theirs != ">" && (mine == "*" || mine == theirs) else { return false }
        }
        return tokens.count == other.tokens.count
    }
}

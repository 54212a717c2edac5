package import Records

/// What keeps the rows of a range in hot until it expires, whatever is proved and however old they are.
package struct Pin: Sendable, Equatable {
    package var id: String
    package var type: String
    package var range: TimeRange
    package var reason: String
    package var expiresAt: Timestamp

    package init(id: String, type: String, range: TimeRange, reason: String, expiresAt: Timestamp) {
        self.id = id
        self.type = type
        self.range = range
        self.reason = reason
        self.expiresAt = expiresAt
    }

    /// Why nothing that it covers is pruned.
    package var refusal: String { "pinned until \(expiresAt): \(reason)" }
}

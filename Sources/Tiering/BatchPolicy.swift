/// When a batch closes: at so many rows, so many bytes, or so long after its first message.
package struct BatchPolicy: Sendable, Equatable {
    /// Messages in one transaction.
    package var rows: Int
    /// Bytes of messages in one transaction; one message alone may be larger.
    package var bytes: Int
    /// How long a batch that is not full waits for more.
    package var linger: Duration

    package init(rows: Int = 10_000, bytes: Int = 4 << 20, linger: Duration = .milliseconds(20)) {
        precondition(rows > 0 && bytes > 0 && linger >= .zero, "a batch has limits")
        self.rows = rows
        self.bytes = bytes
        self.linger = linger
    }

    /// Why a batch was closed; a counter each.
    package enum Reason: String, Sendable, CaseIterable { case rows, bytes, linger, memory }

    /// The reason to close now, or nil to gather on.
    ///
    /// While the batch before is still being committed only a full one closes: committing crumbs costs a flush each.
    /// One that cannot grow for want of memory closes too: only then is what it holds given back.
    package func reasonToClose(
        rows: Int,
        bytes: Int,
        age: Duration,
        committing: Bool,
        starved: Bool = false
    ) -> Reason? {
        if rows >= self.rows { return .rows }
        if bytes >= self.bytes { return .bytes }
        if rows > 0 && starved { return .memory }
        if rows > 0 && age >= linger && !committing { return .linger }
        return nil
    }
}

/// Compares what was published with what the tiers hold, message by message.
///
/// It knows no database: the caller says one identity for each message it published and for each row it found. An
/// identity may be anything that tells two different messages apart, and is the same for a message and its row.
package struct SetChecker<Identity: Hashable & Sendable>: Sendable {
    private var attempted: Set<Identity> = []
    private var published: [Identity: Int] = [:]
    private var stored: [Identity: Int] = [:]
    private var quarantined: [Identity: Int] = [:]

    package init() {}

    /// Notes a message that is about to be sent: without the server's answer it may be somewhere or nowhere.
    package mutating func attempt(_ identity: Identity) { attempted.insert(identity) }

    /// Notes a message that the server took; the same identity again is a message published again.
    package mutating func publish(_ identity: Identity) { published[identity, default: 0] += 1 }

    /// Notes a row that was found in the union of the tiers.
    package mutating func store(_ identity: Identity) { stored[identity, default: 0] += 1 }

    /// Notes a message that was found in quarantine.
    package mutating func quarantine(_ identity: Identity) { quarantined[identity, default: 0] += 1 }

    /// The figures as they stand now.
    package var report: SetReport {
        var report = SetReport()
        for (identity, times) in published {
            report.published += times
            report.repeated += times - 1
            if stored[identity] != nil {
                report.stored += 1
            } else if quarantined[identity] != nil {
                report.quarantined += 1
            } else {
                report.lost += 1
            }
        }
        for found in [stored, quarantined] {
            for (identity, times) in found {
                report.duplicated += times - 1
                if isUnexpected(identity) { report.unexpected += 1 }
            }
        }
        return report
    }

    /// Up to `limit` identities that were published and are nowhere.
    package func lost(atMost limit: Int) -> [Identity] {
        Array(published.keys.lazy.filter { stored[$0] == nil && quarantined[$0] == nil }.prefix(limit))
    }

    /// Up to `limit` identities of which more than one row or quarantined message was found.
    package func duplicated(atMost limit: Int) -> [Identity] {
        Array([stored, quarantined].lazy.flatMap { $0 }.filter { $0.value > 1 }.map(\.key).prefix(limit))
    }

    /// Up to `limit` identities that were found and never published.
    package func unexpected(atMost limit: Int) -> [Identity] {
        Array([stored, quarantined].lazy.flatMap(\.keys).filter { isUnexpected($0) }.prefix(limit))
    }

    private func isUnexpected(_ identity: Identity) -> Bool {
        published[identity] == nil && !attempted.contains(identity)
    }
}

/// What became of the published messages: `published = stored + quarantined + repeated + lost`.
package struct SetReport: Hashable, Sendable, CustomStringConvertible {
    /// Messages that were published, repeats included.
    package var published = 0
    /// Distinct messages that are a row.
    package var stored = 0
    /// Distinct messages that are no row but in quarantine.
    package var quarantined = 0
    /// Messages published again after the first.
    package var repeated = 0
    /// Rows beyond the first of an identity.
    package var duplicated = 0
    /// Distinct messages that are nowhere.
    package var lost = 0
    /// Identities found that nobody published.
    package var unexpected = 0

    package init() {}

    /// Whether every message is in exactly one place, and nothing else is there.
    package var isExact: Bool { lost == 0 && duplicated == 0 && unexpected == 0 }

    /// One line; `unexpected` stands in it only where it is not 0.
    package var description: String {
        "published=\(published) stored=\(stored) quarantined=\(quarantined) repeated=\(repeated)"
            + " duplicated=\(duplicated) lost=\(lost)" + (unexpected == 0 ? "" : " unexpected=\(unexpected)")
    }
}

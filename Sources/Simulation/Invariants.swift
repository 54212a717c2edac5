package import Digest
package import Records

/// Rows as an invariant looks at them: the name of each and a digest of its content.
package struct RowSet: Sendable, Equatable {
    /// Content by identity.
    package private(set) var rows: [String: Digest128] = [:]
    /// Identities that were found more than once.
    package private(set) var duplicated: Set<String> = []

    package init() {}

    package var count: Int { rows.count }

    package mutating func add(_ identity: String, _ content: Digest128) {
        if rows.updateValue(content, forKey: identity) != nil { duplicated.insert(identity) }
    }

    package mutating func remove(_ identity: String) { rows[identity] = nil }
}

/// Everything that is known about one record type: what was published and what the tiers hold.
///
/// Plain sets, so that the same check judges tiers in memory and rows read from PostgreSQL.
package struct Evidence: Sendable {
    /// Names a proof of the ledger or of hot's prune log.
    package struct Proof: Hashable, Sendable {
        package var number: Int64
        package var range: TimeRange
        package var sha256: String

        package init(number: Int64, range: TimeRange, sha256: String) {
            self.number = number
            self.range = range
            self.sha256 = sha256
        }
    }

    /// One row as a message says it.
    package struct Content: Hashable, Sendable {
        package var identity: String
        package var digest: Digest128

        package init(identity: String, digest: Digest128) {
            self.identity = identity
            self.digest = digest
        }
    }

    package var type: String
    /// Every content that was published, by the identity of its row.
    package var published: [String: Set<Digest128>] = [:]
    /// Identities of everything published that is no row.
    package var poison: Set<String> = []
    /// Identities of the messages at or below a committed position.
    package var settled: Set<String> = []
    package var hot = RowSet()
    package var cold = RowSet()
    /// Rows whose key cold holds with other content.
    package var conflicts: [String: Set<Digest128>] = [:]
    /// Rows that cold's own retention took out, and which ranges it took when.
    package var expired: [String: Set<Digest128>] = [:]
    package var expiries: [(range: TimeRange, at: Timestamp)] = []
    /// How long cold keeps rows, microseconds; nil is for ever.
    package var coldRetentionMicros: Int64?
    package var quarantined: Set<String> = []
    /// Every good message by what quarantine would call it: the row it makes.
    package var messages: [String: Content] = [:]
    /// Rows that left hot and are not dropped yet.
    package var resting: Set<String> = []
    /// Rows that prunes took out of hot; empty where nobody watched.
    package var deleted: [(identity: String, content: Digest128)] = []
    /// What hot says was pruned on the strength of what.
    package var prunes: [Proof] = []
    package var manifests: Set<Proof> = []

    package init(type: String) { self.type = type }

    /// Whether a message may be kept aside: it is no row, or its key was published with several contents.
    func mayBeQuarantined(_ name: String) -> Bool {
        if poison.contains(name) { return true }
        guard let content = messages[name] else { return false }
        return (published[content.identity]?.count ?? 0) > 1
    }

    /// Whether a tier holds what a message says.
    func holds(_ content: Content) -> Bool {
        [hot, cold].contains { $0.rows[content.identity] == content.digest }
            || conflicts[content.identity]?.contains(content.digest) == true
            || hasExpired(content.identity, content.digest)
    }

    /// Whether cold's own retention took this row out.
    func hasExpired(_ identity: String, _ content: Digest128) -> Bool { expired[identity]?.contains(content) == true }
}

/// What must be true of the tiers at every instant, whatever failed.
package enum Invariants {
    /// The rules, as `rules.md` numbers them.
    package enum Rule: String, Sendable {
        /// I1: what lies at or below a position is a row, or in quarantine.
        case nothingLost
        /// I2: nothing left hot without a verified proof of exactly that range, and what left is in cold.
        case provedBeforePruned
        /// I3: no key twice in a tier.
        case noDuplicates
        /// I5: the tiers hold what was published, and nothing else.
        case nothingInvented
        /// I6: cold neither shrinks nor changes what it holds.
        case coldNeverShrinks
    }

    package struct Violation: Error, Sendable, Equatable, CustomStringConvertible {
        package let rule: Rule
        package let type: String
        package let detail: String

        package var description: String { "\(rule.rawValue): \(type): \(detail)" }
    }

    /// Judges one record type; `before` is the cold tier as it was at the check before.
    package static func check(_ now: Evidence, coldBefore before: RowSet? = nil) throws(Violation) {
        for (tier, rows) in [("hot", now.hot), ("cold", now.cold)] {
            if let twice = rows.duplicated.min() { throw Violation(.noDuplicates, now, "\(tier) holds \(twice) twice") }
            for (identity, content) in rows.rows where now.published[identity]?.contains(content) != true {
                throw Violation(.nothingInvented, now, "\(tier) holds \(identity), which nobody published so")
            }
        }
        if let stranger = now.quarantined.first(where: { !now.mayBeQuarantined($0) }) {
            throw Violation(.nothingInvented, now, "quarantine holds \(stranger), neither poison nor contested")
        }
        for identity in now.settled
        where now.hot.rows[identity] == nil && now.cold.rows[identity] == nil && !now.quarantined.contains(identity)
            && !now.resting.contains(identity)
            && now.expired[identity] == nil
        {
            throw Violation(.nothingLost, now, "\(identity) lies below the position and is nowhere")
        }
        try checkPrunes(now)
        for (range, at) in now.expiries
        where now.coldRetentionMicros.map({ range.end.advanced(byMicros: $0) > at }) ?? true {
            throw Violation(.coldNeverShrinks, now, "\(range) left cold before its retention was over")
        }
        for (identity, content) in before?.rows ?? [:]
        where now.cold.rows[identity] != content && !now.hasExpired(identity, content) {
            let what = now.cold.rows[identity] == nil ? "lost" : "replaced"
            throw Violation(.coldNeverShrinks, now, "cold \(what) \(identity)")
        }
    }

    private static func checkPrunes(_ now: Evidence) throws(Violation) {
        for prune in now.prunes where !now.manifests.contains(prune) {
            throw Violation(.provedBeforePruned, now, "\(prune.range) was pruned without manifest \(prune.number)")
        }
        for (identity, content) in now.deleted
        where now.cold.rows[identity] != content && now.conflicts[identity]?.contains(content) != true
            && !now.hasExpired(identity, content)
        {
            throw Violation(.provedBeforePruned, now, "\(identity) was deleted from hot and is not in cold")
        }
    }

    /// Judges the end, when everything was read and moved: every published row is there.
    package static func checkConverged(_ now: Evidence, except gone: Set<String> = []) throws(Violation) {
        try check(now)
        for identity in now.published.keys
        where now.hot.rows[identity] == nil && now.cold.rows[identity] == nil && !gone.contains(identity)
            && now.expired[identity] == nil
        {
            throw Violation(.nothingLost, now, "\(identity) was published and is nowhere")
        }
        for (name, content) in now.messages where !now.quarantined.contains(name) && !now.holds(content) {
            guard !gone.contains(content.identity) else { continue }
            throw Violation(.nothingLost, now, "\(content.identity) came with a content that is nowhere")
        }
        for identity in now.poison where !now.quarantined.contains(identity) && !gone.contains(identity) {
            throw Violation(.nothingLost, now, "\(identity) was published and is not in quarantine")
        }
    }
}

extension Invariants.Violation {
    init(_ rule: Invariants.Rule, _ evidence: Evidence, _ detail: String) {
        self.init(rule: rule, type: evidence.type, detail: detail)
    }
}

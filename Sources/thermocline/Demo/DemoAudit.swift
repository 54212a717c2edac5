import Adapters
import Platform
import Postgres
import PrivateServers
import Records
import Simulation
import Tiering

/// What the audit found.
struct DemoVerdict: Sendable {
    var report = SetReport()
    var rangesVerified = 0
    var rangesPruned = 0
    /// What a person should know, one line each; not all of it is bad.
    var findings: [String] = []
    /// Something other than the figures is wrong.
    var isBroken = false

    var isGood: Bool { report.isExact && !isBroken }
    var line: String { "demo: \(report) ranges_verified=\(rangesVerified) ranges_pruned=\(rangesPruned)" }
}

/// Compares the databases, once nothing writes to them any more, with what was published.
struct DemoAudit: Sendable {
    private let servers: DemoServers
    private let published: SetChecker<String>
    private let end: DemoEnd
    private let types: [RecordType]
    /// Of each kind of finding, so many are named.
    private static let named = 5

    init(_ servers: DemoServers, _ published: SetChecker<String>, _ end: DemoEnd, types: [RecordType]) {
        self.servers = servers
        self.published = published
        self.end = end
        self.types = types
    }

    func run() async throws -> DemoVerdict {
        let name = "thermocline demo audit"
        let hot = try await PostgresConnection(servers.hot.conninfo(), applicationName: name)
        let cold = try await PostgresConnection(servers.cold.conninfo(), applicationName: name)
        let verdict = try await read(TierInventory(.hot, on: hot), TierInventory(.cold, on: cold))
        await hot.close()
        await cold.close()
        return verdict
    }

    private func read(_ hot: TierInventory, _ cold: TierInventory) async throws -> DemoVerdict {
        let ledger = try await cold.ledger()
        var audit = FeedAudit(published: published)
        var left = PrunedRanges(ledger)
        for type in types {
            try await hot.forEachKey(of: type) { key in
                audit.foundInHot(key.identity(of: type))
                left.found(type.name, at: key.ts)
            }
            try await cold.forEachKey(of: type) { key in audit.foundInCold(key.identity(of: type)) }
        }
        try await hot.forEachQuarantined { subject, payload in
            audit.foundInQuarantine(FeedMessage.quarantinedIdentity(subject: subject, payload: payload))
        }
        return verdict(audit, ledger, left)
    }

    private func verdict(_ audit: FeedAudit, _ ledger: [Transfer], _ left: PrunedRanges) -> DemoVerdict {
        let checked = audit.checked
        var verdict = DemoVerdict(report: checked.report)
        verdict.rangesPruned = ledger.count { $0.state == .pruned }
        verdict.rangesVerified = verdict.rangesPruned + ledger.count { $0.state == .verified }
        for (what, identities) in [
            ("lost", checked.lost(atMost: Self.named)), ("duplicated", checked.duplicated(atMost: Self.named)),
            ("never published", checked.unexpected(atMost: Self.named)),
        ] {
            verdict.findings += identities.map { "\(what): \($0)" }
        }
        for transfer in ledger where [.mismatched, .unaccounted, .failed].contains(transfer.state) {
            verdict.isBroken = true
            verdict.findings.append(
                "\(transfer.state): \(transfer.type) \(transfer.range.start): \(transfer.error ?? "")"
            )
        }
        if !end.hasDrained {
            verdict.findings.append("what was published was not all settled when nothing moved any more")
        }
        if !end.hasSettled { verdict.findings.append("the archive had not caught up when it was stopped") }
        // A range that the archive had no time to look at again may have got late rows since.
        if left.rows > 0, end.hasSettled {
            verdict.isBroken = true
            verdict.findings.append("\(left.rows) rows are in hot, in ranges that the ledger calls pruned")
        }
        return verdict
    }
}

/// Counts the rows of hot that lie in ranges which the ledger calls pruned: none, once the archive has caught up.
struct PrunedRanges {
    private var ranges: [String: [Int64: Set<TimeRange>]] = [:]
    private(set) var rows = 0

    init(_ ledger: [Transfer]) {
        for transfer in ledger where transfer.state == .pruned {
            let width = transfer.range.end.micros - transfer.range.start.micros
            ranges[transfer.type, default: [:]][width, default: []].insert(transfer.range)
        }
    }

    mutating func found(_ type: String, at ts: Timestamp) {
        let isPruned = ranges[type]?.contains { width, ranges in
            ranges.contains(TimeRange(containing: ts, width: width))
        }
        if isPruned == true { rows += 1 }
    }
}

extension TierInventory.Key {
    /// As the feed names the message that became this row.
    func identity(of type: RecordType) -> String {
        FeedMessage.storedIdentity(
            of: type,
            exchange: exchange,
            marketType: marketType,
            symbol: symbol,
            ts: ts,
            own: own
        )
    }
}

import Digest
import Postgres
package import Records
package import Tiering

/// What of the archive is looked at again.
package struct VerifySelection: Sendable {
    package var type: String?
    package var from: Timestamp?
    /// Exclusive.
    package var to: Timestamp?
    /// Reads the rows, too; else only chain, ledger and log.
    package var isDeep = false

    package init() {}

    func contains(_ type: String?, _ range: TimeRange?) -> Bool {
        if let wanted = self.type, let type, wanted != type { return false }
        guard let range else { return true }
        return (from.map { $0 < range.end } ?? true) && (to.map { range.start < $0 } ?? true)
    }
}

/// What looking at the archive again found.
package struct VerifyReport: Sendable {
    package var manifests = 0
    /// Ranges whose rows were read, their rows, and those that were being moved meanwhile.
    package var ranges = 0
    package var rows = 0
    package var moving = 0
    package var findings: [ChainFinding] = []
}

/// `thermocline verify`: reads both databases, whether or not a service runs, and changes nothing.
package struct VerifyDesk: Sendable {
    private let tiers: PostgresTiers
    private let types: [RecordType]
    private let namedRows: Int

    package init(tiers: PostgresTiers, types: [RecordType], namedRows: Int) {
        self.tiers = tiers
        self.types = types
        self.namedRows = namedRows
    }

    package func run(_ selection: VerifySelection) async throws(StoreError) -> VerifyReport {
        try await PostgresTiers.closing(try await tiers.openReaders()) { source, target throws(StoreError) in
            try await run(selection, source, target)
        }
    }

    private func run(
        _ selection: VerifySelection,
        _ source: PostgresSource,
        _ target: PostgresTarget
    ) async throws(StoreError) -> VerifyReport {
        // Hot's log first: what it names then was in the chain before.
        let prunes = try await source.pruneRecords()
        var (check, ledger) = try await target.chain()
        check.compare(ledger)
        check.compare(prunes)
        var report = VerifyReport()
        report.manifests = check.manifests
        // Every manifest has its place in one chain: what is wrong with it concerns every selection.
        report.findings = check.findings.filter { $0.kind == .manifest || selection.contains($0.type, $0.range) }
        guard selection.isDeep else { return report }
        let order = ledger.filter { $0.isProved && selection.contains($0.type, $0.range) }
            .sorted { ($0.range.start, $0.type) < ($1.range.start, $1.type) }
        for transfer in order {
            guard let type = types.first(where: { $0.name == transfer.type }) else { continue }
            guard let found = try await target.reprove(transfer, type: type, pace: { _ throws(StoreError) in }) else {
                report.moving += 1
                continue
            }
            report.ranges += 1
            report.rows += found.found?.rows ?? 0
            guard let finding = found.finding else { continue }
            let rows = await target.differingRows(of: found.transfer, type, source, limit: namedRows)
            report.findings.append(
                ChainFinding(kind: .content, type: type.name, range: transfer.range, detail: "\(finding): \(rows)")
            )
        }
        return report
    }
}

extension PostgresTarget {
    /// The chain, recomputed, and the ledger as of the same instant.
    func chain() async throws(StoreError) -> (ChainCheck, [Transfer]) {
        let operation = "read the chain"
        try await session.begin(operation, .snapshot)
        do throws(StoreError) {
            var (check, after) = (ChainCheck(), Int64.min)
            while true {
                let found = try await at("cold", operation) { () throws(PostgresError) in
                    try await connection.execute(ColdSQL.readChain, ["\(after)"])
                }
                guard !found.rows.isEmpty else { break }
                for row in found.rows {
                    let manifest = try Manifest(row)
                    check.add(manifest)
                    after = manifest.number
                }
            }
            let rows = try await at("cold", operation) { () throws(PostgresError) in
                try await connection.execute(ColdSQL.readTransfers).rows
            }
            await connection.rollback()
            return (check, try rows.map { row throws(StoreError) in try LedgerRow.transfer(row) })
        } catch {
            await connection.rollback()
            throw error
        }
    }
}

import Digest
import Platform
import Postgres
package import Records
package import Tiering

extension PostgresSource {
    package func isGone(_ type: RecordType, in range: TimeRange) async throws(StoreError) -> Bool {
        try await session.transaction("look for \(type.name) \(range)") { connection throws(PostgresError) in
            let key = ["\(range.start)", "\(range.end)", type.name]
            return try await connection.execute(HotSQL.isGone(type, range), key).scalar == "t"
        }
    }
}

extension PostgresTarget {
    package func expire(_ transfers: [Transfer], type: RecordType) async throws(StoreError) -> [Transfer] {
        var settled: [Transfer] = []
        let groups = Dictionary(grouping: transfers) { Partition(of: type, containing: $0.range.start) }
        for (_, group) in groups.sorted(by: { $0.key.range.start < $1.key.range.start }) {
            do throws(StoreError) {
                settled += try await expire(partitionOf: group, type)
            } catch {
                // Somebody reads or locks the table: nothing was taken, and the next pass looks again.
                guard error.sqlState == "55P03" else { throw error }
            }
        }
        return settled
    }

    /// Takes out the ranges of one partition, and the partition with them where it holds nothing else.
    ///
    /// A range that holds another number of rows than was proved is mismatched instead, and nothing is taken out.
    private func expire(partitionOf group: [Transfer], _ type: RecordType) async throws(StoreError) -> [Transfer] {
        try await session.transaction("expire \(type.name)") { connection throws(PostgresError) in
            _ = try await connection.execute("SET LOCAL lock_timeout = \(settings.lockTimeout.milliseconds)")
            let ids = SQLText.array(group.map(\.id))
            let held = Set(try await connection.execute(ColdSQL.lockPruned, [ids]).rows.compactMap { $0[0] })
            // What an operator asked for meanwhile is due no more, nor is what it overlaps.
            let wanted = group.filter { !held.contains($0.id) }
            var due = group.filter { transfer in !wanted.contains { $0.range.overlaps(transfer.range) } }
            var altered: [Transfer] = []
            for var transfer in due {
                // What overlaps has rows of the other, which its own sum does not count.
                if due.contains(where: { $0 != transfer && $0.range.overlaps(transfer.range) }) { continue }
                let count = try await connection.execute(ColdSQL.countRows(type, transfer.range, layout)).scalar
                guard let rows = transfer.cold?.rows, count != "\(rows)" else { continue }
                transfer.state = .mismatched
                transfer.error = "cold holds \(count ?? "no") rows, must be \(rows); nothing was taken out of it"
                altered.append(transfer)
            }
            if altered.isEmpty { try await take(due, type) } else { due = altered }
            for index in due.indices {
                if altered.isEmpty {
                    due[index].state = .expired
                    due[index].error = nil
                }
                _ = try await connection.execute(ColdSQL.record, LedgerRow.parameters(due[index]))
            }
            return due
        }
    }

    private func take(_ due: [Transfer], _ type: RecordType) async throws(PostgresError) {
        let existing = try await session.connection.execute(TierSQL.partitions(of: type)).rows.compactMap { $0[0] }
        for range in due.map(\.range) {
            _ = try await session.connection.execute(ColdSQL.deleteConflicts(type, range))
        }
        let partitions = Set(due.flatMap { Partition.covering($0.range, of: type) })
        if layout == .segments {
            try await session.connection.lock(partitions.filter { existing.contains($0.name) })
            for range in due.map(\.range) {
                _ = try await session.connection.execute(ColdSQL.unpackCrossing(type, range))
                _ = try await session.connection.execute(ColdSQL.deleteSegments(type, range))
            }
        }
        for partition in partitions where existing.contains(partition.name) {
            if try await holdsMore(partition, than: due, type) {
                for range in due.map(\.range) where range.overlaps(partition.range) {
                    _ = try await session.connection.execute(ColdSQL.deleteRows(type, range))
                }
                if settings.format == .segments { try await session.connection.markUnpacked([partition], of: type) }
            } else {
                if layout == .segments {
                    let key = [type.name, "\(partition.range.start)"]
                    _ = try await session.connection.execute(ColdSQL.forgetUnpacked, key)
                }
                _ = try await session.connection.execute(ColdSQL.detach(partition, of: type))
                _ = try await session.connection.execute(ColdSQL.drop(partition))
            }
        }
    }

    /// Whether a partition holds rows outside of these ranges, looked up gap by gap.
    private func holdsMore(
        _ partition: Partition,
        than due: [Transfer],
        _ type: RecordType
    ) async throws(PostgresError) -> Bool {
        var start = partition.range.start
        var gaps: [TimeRange] = []
        for range in due.map(\.range).sorted(by: { $0.start < $1.start }) where range.overlaps(partition.range) {
            if start < range.start { gaps.append(TimeRange(start: start, end: range.start)) }
            start = max(start, range.end)
        }
        if start < partition.range.end { gaps.append(TimeRange(start: start, end: partition.range.end)) }
        let connection = session.connection
        for gap in gaps where try await connection.execute(ColdSQL.holdsAny(type, gap, session.layout)).scalar == "t" {
            return true
        }
        return false
    }
}

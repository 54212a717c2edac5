import Postgres
import Records
import Tiering

/// Knows which partitions of one type's table exist, and makes those that rows need.
///
/// Making one is a transaction of its own with `lock_timeout`, never part of a batch and never with a drop: the two
/// together deadlock at midnight.
struct PartitionKeeper: Sendable {
    let type: RecordType
    let tier: String
    /// Partitions a type may have; beyond it rows of the past for a new one have no place.
    let limit: Int
    private var known: Set<String> = []

    init(type: RecordType, tier: String, limit: Int) {
        self.type = type
        self.tier = tier
        self.limit = limit
    }

    /// Looks again at what exists: after an error that says that a partition is missing.
    mutating func forget() { known = [] }

    /// Makes the missing ones of `partitions`; returns those that the limit refuses.
    ///
    /// One that ends after `present` is never refused: time goes on, whatever room messages of the past have taken.
    mutating func ensure(
        _ partitions: Set<Partition>,
        at present: Timestamp?,
        on connection: PostgresConnection
    ) async throws(StoreError) -> Set<Partition> {
        let (missing, refused) = try await plan(partitions, at: present, on: connection)
        for partition in missing {
            try await make(partition, on: connection)
            known.insert(partition.name)
        }
        return refused
    }

    /// What `ensure` would make, and what the limit refuses.
    mutating func plan(
        _ partitions: Set<Partition>,
        at present: Timestamp?,
        on connection: PostgresConnection
    ) async throws(StoreError) -> (missing: [Partition], refused: Set<Partition>) {
        if partitions.allSatisfy({ known.contains($0.name) }) { return ([], []) }
        let type = self.type
        let listed = try await at(tier, "list partitions of \(type.name)") { () throws(PostgresError) in
            try await connection.execute(TierSQL.partitions(of: type))
        }
        known = Set(listed.rows.compactMap { $0[0] })
        let missing = partitions.filter { !known.contains($0.name) }.sorted { $0.range.start > $1.range.start }
        let room = max(limit - known.count, 0)
        let refused = missing.dropFirst(room).filter { partition in present.map { partition.range.end <= $0 } ?? true }
        return (missing.filter { !refused.contains($0) }, Set(refused))
    }

    private func make(_ partition: Partition, on connection: PostgresConnection) async throws(StoreError) {
        let (type, isKeyed) = (self.type, tier == "cold" || self.type.dedupe == .key)
        do throws(StoreError) {
            try await at(tier, "make partition \(partition.name)") { () throws(PostgresError) in
                try await connection.begin()
                _ = try await connection.execute("SET LOCAL lock_timeout = '2s'")
                _ = try await connection.execute(TierSQL.lockForPartitions(type))
                // Another lane of the type may have made it while we waited for the lock.
                let listed = try await connection.execute(TierSQL.partitions(of: type))
                if !listed.rows.contains(where: { $0[0] == partition.name }) {
                    for statement in TierSQL.makePartition(partition, of: type, isKeyed: isKeyed) {
                        _ = try await connection.execute(statement)
                    }
                }
                try await connection.commit()
            }
        } catch {
            await connection.rollback()
            throw error
        }
    }
}

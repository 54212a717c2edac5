import Platform
import Postgres
package import Records
package import Tiering

/// Bringing what cold holds into `cold.format`.
extension PostgresTarget {
    package func unpacked(of types: [RecordType], at now: Timestamp) async throws(StoreError) -> [UnpackedPartition] {
        guard layout == .segments else { return [] }
        let names = SQLText.array(types.map { Optional($0.name) })
        let rows = try await session.transaction("look for what is to be packed") { connection throws(PostgresError) in
            for type in types {
                let choice = [type.name, settings.format.rawValue]
                guard try await connection.execute(ColdSQL.changeFormat, choice).affected == 1 else { continue }
                let existing = try await connection.execute(TierSQL.partitions(of: type)).rows.compactMap { $0[0] }
                try await connection.markUnpacked(existing.compactMap { Partition(named: $0, of: type) }, of: type)
            }
            return try await connection.execute(ColdSQL.unpacked, [names, "\(now)"]).rows
        }
        return rows.compactMap { row in
            guard let type = row[0], let start = row[1].flatMap(Int64.init), let end = row[2].flatMap(Int64.init)
            else { return nil }
            let range = TimeRange(start: Timestamp(micros: start), end: Timestamp(micros: end))
            return UnpackedPartition(type: type, range: range)
        }
    }

    package func pack(
        _ waiting: UnpackedPartition,
        type: RecordType,
        atMost rows: Int,
        at now: Timestamp,
        unless isStopping: @Sendable () -> Bool
    ) async throws(StoreError) -> Packed {
        let partition = Partition(of: type, containing: waiting.range.start)
        let isGrowing = partition.range.end > now
        var pack = PartitionPack(
            partition,
            of: type,
            connection,
            "pack \(partition.name)",
            settings,
            isGrowing: isGrowing
        )
        var sum = Packed()
        while sum.partitions == 0, sum.rows < rows, !isStopping() {
            do throws(StoreError) {
                sum += try await step(&pack, atMost: rows - sum.rows, at: now, unless: isStopping)
            } catch {
                await connection.rollback()
                // Somebody else works at it: the next pass looks again.
                guard error.sqlState == "55P03" else { throw error }
                return sum
            }
        }
        if pack.takesRoom { try await giveRoomBack(partition, of: type) }
        return sum
    }

    /// Makes the table of a partition small again whose rows are all in segments.
    ///
    /// Where somebody may still see the rows that were in it, it waits for the next time that it is looked at.
    private func giveRoomBack(_ partition: Partition, of type: RecordType) async throws(StoreError) {
        let operation = "give back the room of \(partition.name)"
        let connection = connection
        try await at("cold", operation) { () throws(PostgresError) in
            _ = try await connection.execute(ColdSQL.vacuum(partition))
        }
        do throws(StoreError) {
            try await session.transaction(operation) { connection throws(PostgresError) in
                _ = try await connection.execute("SET LOCAL lock_timeout = \(settings.lockTimeout.milliseconds)")
                _ = try await connection.execute(ColdSQL.lockWholly(partition))
                guard try await connection.execute(ColdSQL.hasNoPages(partition)).scalar == "t" else { return }
                _ = try await connection.execute(ColdSQL.truncate(partition))
                let key = [type.name, "\(partition.range.start)"]
                _ = try await connection.execute(ColdSQL.forgetPacked, key)
            }
        } catch {
            guard error.sqlState == "55P03" else { throw error }
        }
    }

    /// One transaction; the last one of a partition notes that nothing waits any more.
    private func step(
        _ pack: inout PartitionPack,
        atMost rows: Int,
        at now: Timestamp,
        unless isStopping: () -> Bool
    ) async throws(StoreError) -> Packed {
        let (partition, operation) = (pack.partition, pack.operation)
        try await session.begin(operation)
        try await at("cold", operation) { () throws(PostgresError) in
            _ = try await connection.execute("SET LOCAL lock_timeout = \(settings.lockTimeout.milliseconds)")
            try await connection.lock([partition])
        }
        let packed = try await pack.step(atMost: rows, unless: isStopping)
        let key = [pack.type.name, "\(partition.range.start)"]
        let again = pack.again(after: now)
        try await at("cold", operation) { () throws(PostgresError) in
            if packed.partitions == 1 {
                if let again {
                    _ = try await connection.execute(ColdSQL.postponeUnpacked, key + ["\(again)"])
                } else {
                    _ = try await connection.execute(ColdSQL.forgetUnpacked, key)
                }
            }
            try await connection.commit()
        }
        return packed
    }

    package func postpone(_ partition: UnpackedPartition, until time: Timestamp) async throws(StoreError) {
        let parameters = [partition.type, "\(partition.range.start)", "\(time)"]
        try await session.transaction("postpone packing") { connection throws(PostgresError) in
            _ = try await connection.execute(ColdSQL.postponeUnpacked, parameters)
        }
    }
}

extension PostgresConnection {
    /// Notes that partitions hold something that is to be packed; in the transaction that gave it to them.
    func markUnpacked(_ partitions: [Partition], of type: RecordType) async throws(PostgresError) {
        let bounds = [partitions.map { "\($0.range.start)" }, partitions.map { "\($0.range.end)" }]
        _ = try await execute(ColdSQL.markUnpacked, [type.name] + bounds.map { SQLText.array($0) })
    }
}

import Digest
import Platform
import Postgres
package import Records
import Tiering

/// One range that came back to hot.
package struct Restored: Sendable, Equatable {
    package var range: TimeRange
    /// What cold holds of it, equal to its proof.
    package var rows: Int
    /// Rows that hot holds under their key with other content: hot keeps its own.
    package var differing: Int
}

/// Brings proved ranges of one type back from cold: in one transaction of hot, committed only once hot was read back.
struct Restore {
    let type: RecordType
    let source: PostgresSource
    let target: PostgresTarget
    let bucketMicros: Int64

    private var hot: PostgresConnection { source.session.connection }

    /// Straight into the table where hot holds nothing of the range, else beside what it holds, by key.
    func run(_ transfer: Transfer) async throws(StoreError) -> Restored {
        let range = transfer.range
        var keeper = PartitionKeeper(type: type, tier: "hot", limit: .max)
        _ = try await keeper.ensure(Set(Partition.covering(range, of: type)), at: nil, on: hot)
        let isHeld = try await source.session.transaction("look for rows of \(range)") {
            connection throws(PostgresError) in
            try await connection.execute(TierSQL.holdsAny(type, range)).scalar == "t"
        }
        guard !isHeld || type.dedupe == .key else {
            throw StoreError(
                .rejected,
                .halt,
                tier: "hot",
                operation: operation(range),
                detail: "hot holds rows of the range, and types.\(type.name).dedupe = position cannot tell which; "
                    + "nothing was restored. Set it to key, or read the range from cold"
            )
        }
        if !isHeld {
            do throws(StoreError) {
                if let restored = try await attempt(transfer, merges: false) { return restored }
            } catch {
                // A lane stored one of its keys meanwhile.
                guard error.sqlState == "23505", type.dedupe == .key else { throw error }
            }
        }
        guard let restored = try await attempt(transfer, merges: true) else {
            throw changing(range)
        }
        return restored
    }

    private func operation(_ range: TimeRange) -> String { "restore \(type.name) \(range)" }

    private func changing(_ range: TimeRange) -> StoreError {
        StoreError(
            .failed,
            .retry,
            tier: "hot",
            operation: operation(range),
            detail: "the range is being moved or written; nothing of it was restored. Ask again"
        )
    }

    /// One transaction in hot; nil, and nothing done, where rows that came straight in are not all that hot then holds.
    private func attempt(_ transfer: Transfer, merges: Bool) async throws(StoreError) -> Restored? {
        let operation = operation(transfer.range)
        let (rows, expected) = try await target.openProved(transfer, type: type)
        do throws(StoreError) {
            try await source.session.begin(operation)
            let sums = try await pump(rows, merges: merges, operation)
            let found = sums.values.reduce(Summary.zero, +)
            guard found == expected else {
                throw StoreError(
                    .corrupt,
                    .halt,
                    tier: "cold",
                    operation: operation,
                    detail: "cold holds \(found), its proof says \(expected); nothing of the range was restored. "
                        + "`thermocline verify --deep` names the rows"
                )
            }
            let differing = merges ? try await merge(operation) : try await count(sums, operation)
            let restored = Restored(range: transfer.range, rows: found.rows, differing: differing)
            guard try await holds(expected, transfer.range, merged: merges, operation) else {
                await hot.rollback()
                return nil
            }
            try await at("hot", operation) { () throws(PostgresError) in try await hot.commit() }
            return restored
        } catch {
            await hot.rollback()
            await target.session.connection.rollback()
            throw error
        }
    }

    /// Copies what cold sends, digested by bucket as it passes.
    private func pump(
        _ rows: PostgresRows,
        merges: Bool,
        _ operation: String
    ) async throws(StoreError) -> [Timestamp: Summary] {
        try await at("hot", operation) { () throws(PostgresError) in
            if merges { _ = try await hot.execute(HotSQL.makeStaging(type)) }
            try await hot.beginCopyIn(merges ? HotSQL.copyToStaging(type) : HotSQL.copy(type))
        }
        var sums = BucketSums(type: type, bucketMicros: bucketMicros)
        // Cold is read, the rows are digested and hot takes them at the same time.
        try await rows.forEach { chunk throws(StoreError) in
            let before = sums
            async let added = Result { () throws(StoreError) in try before.adding(chunk, tier: "cold") }
            try await at("hot", operation) { () throws(PostgresError) in try await hot.writeCopy(chunk) }
            sums = try await added.get()
        }
        _ = try await at("hot", operation) { () throws(PostgresError) in try await hot.endCopyIn() }
        return sums.buckets
    }

    /// Appends the staged rows whose key hot lacks; returns how many it holds with other content.
    private func merge(_ operation: String) async throws(StoreError) -> Int {
        let left = try await at("hot", operation) { () throws(PostgresError) in
            _ = try await hot.execute(HotSQL.mergeRestored(type), [type.name, "\(bucketMicros)"])
            return try await hot.execute(HotSQL.countNotRestored(type)).scalar
        }
        return left.flatMap(Int.init) ?? 0
    }

    private func count(_ sums: [Timestamp: Summary], _ operation: String) async throws(StoreError) -> Int {
        let buckets = sums.sorted { $0.key < $1.key }
        let arrays = [buckets.map { $0.key.description }, buckets.map { "\($0.value.rows)" }]
        _ = try await at("hot", operation) { () throws(PostgresError) in
            try await hot.execute(
                HotSQL.countRestored(type),
                [type.name] + arrays.map { SQLText.array($0) } + ["\(bucketMicros)"]
            )
        }
        return 0
    }

    /// Whether hot, read back as readers would, holds what cold does.
    ///
    /// Of what was merged this was asked row by row: hot may rightly hold more.
    private func holds(
        _ expected: Summary,
        _ range: TimeRange,
        merged: Bool,
        _ operation: String
    ) async throws(StoreError) -> Bool {
        if merged { return true }
        try await at("hot", operation) { () throws(PostgresError) in
            try await hot.beginCopyOut(TierSQL.readContent(type, range))
        }
        let back = PostgresRows(
            tier: "hot",
            connection: hot,
            operation: operation,
            chunkBytes: source.settings.chunkBytes
        )
        return try await back.summary(of: type, tier: "hot") == expected
    }
}

extension PostgresTarget {
    /// The rows of a proved range, every column, and what they must be, as of the same instant.
    ///
    /// Throws: `.failed` (retry) where the range is not proved any more: it is being moved.
    func openProved(_ transfer: Transfer, type: RecordType) async throws(StoreError) -> (PostgresRows, Summary) {
        let operation = "read \(type.name) \(transfer.range)"
        try await session.begin(operation, .repeatableRead)
        do throws(StoreError) {
            let row = try await at("cold", operation) { () throws(PostgresError) in
                try await session.connection.execute(ColdSQL.readTransferOrRequest, [transfer.id]).rows.first
            }
            guard let found = try row.map({ row throws(StoreError) in try LedgerRow.transfer(row) }), found.isProved,
                let sum = found.cold
            else {
                throw StoreError(
                    .failed,
                    .retry,
                    tier: "cold",
                    operation: operation,
                    detail: "the range is being moved; nothing of it was restored. Ask again"
                )
            }
            try await at("cold", operation) { () throws(PostgresError) in
                try await session.connection.beginCopyOut(ColdSQL.readWhole(type, transfer.range, layout))
            }
            let rows = PostgresRows(
                connection: session.connection,
                operation: operation,
                chunkBytes: settings.chunkBytes,
                endsTransaction: true
            )
            return (rows, sum)
        } catch {
            await session.connection.rollback()
            throw error
        }
    }
}

import Platform
import Digest
import Postgres
package import Records
package import Tiering

/// The cold tier as the archiver sees it, in one fenced session.
package struct PostgresTarget: ArchiveTarget {
    let session: FencedSession
    let settings: ArchiveSettings

    var connection: PostgresConnection { session.connection }
    var layout: ColdFormat { session.layout }

    /// All of it, settled or not.
    package func ledger() async throws(StoreError) -> [Transfer] {
        try await transfers(ColdSQL.readLedger)
    }

    func transfers(_ sql: String) async throws(StoreError) -> [Transfer] {
        let found = try await session.transaction("read the ledger") { connection throws(PostgresError) in
            try await connection.execute(sql)
        }
        return try found.rows.map { row throws(StoreError) in try LedgerRow.transfer(row) }
    }

    package func record(_ transfer: Transfer) async throws(StoreError) {
        try await session.transaction("record \(transfer.type) \(transfer.range)") { connection throws(PostgresError) in
            _ = try await connection.execute(ColdSQL.record, LedgerRow.parameters(transfer))
        }
    }

    package func recordFailure(of transfer: Transfer, detail: String) async throws(StoreError) {
        let key = LedgerRow.key(transfer)
        try await session.transaction("record \(transfer.type) \(transfer.range)") { connection throws(PostgresError) in
            _ = try await connection.execute(ColdSQL.recordFailure, key + [detail])
        }
    }

    // MARK: Copy

    package func beginCopy(
        _ transfer: Transfer,
        type: RecordType,
        merges: Bool
    ) async throws(StoreError) -> PostgresCopy {
        try await makePartitions(for: transfer.range, of: type)
        let operation = "copy \(type.name) \(transfer.range)"
        try await session.begin(operation)
        do throws(StoreError) {
            let isPart = transfer.filter != nil
            let isHeld = try await at("cold", operation) { () throws(PostgresError) in
                try await connection.execute(ColdSQL.holdsAny(type, transfer.range, layout)).scalar == "t"
            }
            // Straight in only where no copy was ever recorded and nothing is there to merge with.
            let isDirect = transfer.cold == nil && !isHeld && !merges && !isPart
            let staging = isDirect ? nil : "staging_" + transfer.id.filter { $0 != "-" }
            var base = transfer.cold ?? .zero
            if transfer.cold == nil && isHeld && !isPart { base = try await summarize(type, transfer.range, operation) }
            let encoder = settings.format == .segments ? SegmentWriter(type: type, limits: settings.segments) : nil
            try await at("cold", operation) { () throws(PostgresError) in
                guard let staging else {
                    let copy = encoder == nil ? ColdSQL.copy(type) : ColdSQL.copySegments(type)
                    return try await connection.beginCopyIn(copy)
                }
                _ = try await connection.execute(ColdSQL.dropStaging(staging))
                _ = try await connection.execute(ColdSQL.makeStaging(type, staging))
                try await connection.beginCopyIn(ColdSQL.copyToStaging(type, staging))
            }
            return PostgresCopy(
                transfer: transfer,
                type: type,
                staging: staging,
                base: base,
                connection: connection,
                operation: operation,
                settings: settings,
                layout: layout,
                segments: encoder
            )
        } catch {
            await connection.rollback()
            throw error
        }
    }

    private func makePartitions(for range: TimeRange, of type: RecordType) async throws(StoreError) {
        var keeper = PartitionKeeper(type: type, tier: "cold", limit: .max)
        let wanted = Set(Partition.covering(range, of: type))
        let isNew = try await !keeper.plan(wanted, at: nil, on: connection).missing.isEmpty
        _ = try await keeper.ensure(wanted, at: nil, on: connection)
        if isNew, layout == .segments { try await listMonths(type) }
    }

    /// Lets the view know the months that there are; where a reader is in the way it stays as it is, and right.
    private func listMonths(_ type: RecordType) async throws(StoreError) {
        do throws(StoreError) {
            try await session.transaction("list the months of \(type.name)") { connection throws(PostgresError) in
                _ = try await connection.execute("SET LOCAL lock_timeout = \(settings.lockTimeout.milliseconds)")
                try await connection.makeView(type)
            }
        } catch {
            guard error.sqlState == "55P03" else { throw error }
        }
    }

    private func summarize(
        _ type: RecordType,
        _ range: TimeRange,
        _ operation: String
    ) async throws(StoreError) -> Summary {
        try await at("cold", operation) { () throws(PostgresError) in
            try await connection.beginCopyOut(ColdSQL.readContent(type, range, layout))
        }
        return try await PostgresRows(connection: connection, operation: operation, chunkBytes: settings.chunkBytes)
            .summary(of: type, tier: "cold")
    }

    // MARK: Read back

    package func read(_ type: RecordType, in range: TimeRange) async throws(StoreError) -> PostgresRows {
        try await read(ColdSQL.readContent(type, range, layout), "read \(type.name) \(range) back")
    }

    package func readStaging(_ name: String, type: RecordType) async throws(StoreError) -> PostgresRows {
        try await read(ColdSQL.readStaging(type, name), "read the staged rows of \(type.name)")
    }

    func read(_ sql: String, _ operation: String) async throws(StoreError) -> PostgresRows {
        try await session.begin(operation)
        do throws(StoreError) {
            try await at("cold", operation) { () throws(PostgresError) in try await connection.beginCopyOut(sql) }
        } catch {
            await connection.rollback()
            throw error
        }
        return rows(operation)
    }

    /// The rows of the COPY that has begun in a transaction of its own.
    func rows(_ operation: String) -> PostgresRows {
        PostgresRows(
            connection: connection,
            operation: operation,
            chunkBytes: settings.chunkBytes,
            endsTransaction: true
        )
    }

    package func missingRows(
        ofStaging name: String,
        type: RecordType,
        in range: TimeRange
    ) async throws(StoreError) -> Int {
        let operation = "look for the staged rows of \(type.name) \(range)"
        let count = try await session.transaction(operation) { connection throws(PostgresError) in
            try await connection.execute(ColdSQL.countMissing(type, name, in: range, layout)).scalar.flatMap(Int.init)
        }
        guard let count else { throw noCount(operation) }
        return count
    }

    package func missing(
        _ rows: some RowStream,
        type: RecordType,
        in range: TimeRange
    ) async throws(StoreError) -> Int {
        let operation = "look for rows of \(type.name) \(range)"
        let staging = "staging_" + RandomID.uuid().filter { $0 != "-" }
        try await session.begin(operation)
        do throws(StoreError) {
            try await at("cold", operation) { () throws(PostgresError) in
                _ = try await connection.execute(ColdSQL.makeStaging(type, staging))
                try await connection.beginCopyIn(ColdSQL.copyToStaging(type, staging))
            }
            try await rows.forEach { chunk throws(StoreError) in
                try await at("cold", operation) { () throws(PostgresError) in try await connection.writeCopy(chunk) }
            }
            let count = try await at("cold", operation) { () throws(PostgresError) in
                _ = try await connection.endCopyIn()
                return try await connection.execute(ColdSQL.countMissing(type, staging, in: range, layout)).scalar
                    .flatMap(Int.init)
            }
            await connection.rollback()
            guard let count else { throw noCount(operation) }
            return count
        } catch {
            await connection.rollback()
            throw error
        }
    }

    private func noCount(_ operation: String) -> StoreError {
        StoreError(.corrupt, .halt, tier: "cold", operation: operation, detail: "no count came back")
    }

    // MARK: Manifests

    package func recordVerified(_ transfer: Transfer, type: RecordType) async throws(StoreError) -> Transfer {
        try await session.transaction("record the manifest of \(type.name)") {
            connection throws(PostgresError) in
            _ = try await connection.execute(ColdSQL.lockManifests)
            let last = try await connection.execute(ColdSQL.lastManifest).rows.first
            let manifest = Manifest(
                number: (last?[0].flatMap(Int64.init) ?? 0) + 1,
                transfer: transfer,
                schemaHash: Manifest.schemaHash(type),
                previous: last?[1] ?? Manifest.genesis
            )
            var recorded = transfer
            recorded.staging = nil
            var isNew = true
            if transfer.filter != nil {
                let whole = [transfer.type, "\(transfer.range.start)", "\(transfer.range.end)", transfer.staging]
                let proof = ["\(manifest.number)", transfer.verifiedAt?.description]
                isNew = try await connection.execute(ColdSQL.proveWhole, whole + proof).affected == 1
            }
            if isNew {
                recorded.manifest = manifest.number
                _ = try await connection.execute(ColdSQL.addManifest, manifest.parameters)
            }
            _ = try await connection.execute(ColdSQL.record, LedgerRow.parameters(recorded))
            if let staging = transfer.staging { _ = try await connection.execute(ColdSQL.dropStaging(staging)) }
            return recorded
        }
    }

    package func manifests(_ numbers: [Int64]) async throws(StoreError) -> [Int64: String] {
        guard !numbers.isEmpty else { return [:] }
        let found = try await session.transaction("read manifests") { connection throws(PostgresError) in
            try await connection.execute(ColdSQL.readManifests, [SQLText.array(numbers.map { "\($0)" })])
        }
        var manifests: [Int64: String] = [:]
        for row in found.rows { if let number = row[0].flatMap(Int64.init) { manifests[number] = row[1] } }
        return manifests
    }

    package func close() async { await connection.close() }
}

/// Rows of a COPY TO STDOUT that has begun.
package struct PostgresRows: RowStream {
    var tier = "cold"
    let connection: PostgresConnection
    let operation: String
    let chunkBytes: Int
    /// The transaction was opened for this read alone and ends with it.
    var endsTransaction = false

    package func next() async throws(StoreError) -> [UInt8]? {
        do throws(StoreError) {
            let chunk = try await at(tier, operation) { () throws(PostgresError) in
                try await connection.nextCopyChunk(atMost: chunkBytes)
            }
            if chunk == nil && endsTransaction { await connection.rollback() }
            return chunk
        } catch {
            if endsTransaction { await connection.rollback() }
            throw error
        }
    }
}

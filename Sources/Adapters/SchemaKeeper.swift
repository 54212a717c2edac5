import Platform
package import Postgres
package import Records
package import Tiering

/// The tiers that a database can be.
package enum Tier: String, Sendable, CaseIterable { case hot, cold }

/// Makes and checks the schema of a tier.
package struct SchemaKeeper: Sendable {
    package let tier: Tier
    package let catalog: Catalog
    /// Of cold: whether it gets the tables of segments; those that are there stay.
    package let format: ColdFormat

    package init(tier: Tier, catalog: Catalog, format: ColdFormat = .rows) {
        self.tier = tier
        self.catalog = catalog
        self.format = format
    }

    /// The statements of `schema apply`, in order; each may run again.
    package func statements(bucketMicros: Int64) -> [String] { statements(bucketMicros: bucketMicros, format) }

    private func statements(bucketMicros: Int64, _ format: ColdFormat) -> [String] {
        switch tier {
        case .hot: HotSQL.schema(catalog.types, bucketMicros: bucketMicros)
        case .cold:
            ColdSQL.schema(catalog.types, bucketMicros: bucketMicros)
                + (format == .segments ? ColdSQL.segmentSchema(catalog.types) : [])
        }
    }

    /// Makes what is missing, in one transaction, and makes or drops the unique keys of hot as the catalogue says.
    ///
    /// Throws: `.schema` (halt) where the database is the other tier, holds another version or bucket width, or holds a
    /// key twice that is to be unique.
    package func apply(on connection: PostgresConnection, bucketMicros: Int64) async throws(StoreError) {
        var chosen: [String: Deduplication]?
        var format = format
        if try await hasSchema(connection) {
            try await checkVersion(on: connection, bucketMicros: bucketMicros)
            if tier == .hot { chosen = try await deduplication(connection) }
            if tier == .cold, try await hasSegments(connection) { format = .segments }
        }
        let statements = statements(bucketMicros: bucketMicros, format)
        let changed = catalog.types.filter { type in chosen.map { ($0[type.name] ?? .key) != type.dedupe } ?? false }
        do throws(StoreError) {
            try await at(tier.rawValue, "apply the schema") { () throws(PostgresError) in try await connection.begin() }
            try await change(changed, on: connection)
            try await at(tier.rawValue, "apply the schema") { () throws(PostgresError) in
                for statement in statements { _ = try await connection.execute(statement) }
                if tier == .cold, format == .segments {
                    for type in catalog.types { try await connection.makeView(type) }
                }
                for type in changed {
                    let choice = [type.name, type.dedupe.rawValue]
                    _ = try await connection.execute(HotSQL.changeDeduplication, choice)
                }
                try await connection.commit()
            }
        } catch {
            await connection.rollback()
            throw error
        }
    }

    /// Makes the keys of partitions, under the names that a lane knows, or drops those of a whole table.
    private func change(_ types: [RecordType], on connection: PostgresConnection) async throws(StoreError) {
        guard !types.isEmpty else { return }
        // First the positions, as a lane locks them: what runs commits before its table is touched.
        try await at(tier.rawValue, "apply the schema") { () throws(PostgresError) in
            _ = try await connection.execute(HotSQL.releaseLanes)
        }
        for type in types {
            let partitions = try await at(tier.rawValue, "apply the schema") { () throws(PostgresError) in
                if type.dedupe == .position { _ = try await connection.execute(HotSQL.dropKey(type)) }
                return try await connection.execute(TierSQL.partitions(of: type)).rows.compactMap { $0[0] }
            }
            guard type.dedupe == .key else { continue }
            for partition in partitions.sorted() { try await makeKey(type, of: partition, on: connection) }
        }
    }

    private func makeKey(
        _ type: RecordType,
        of partition: String,
        on connection: PostgresConnection
    ) async throws(StoreError) {
        do throws(StoreError) {
            try await at(tier.rawValue, "make the key of \(partition)") { () throws(PostgresError) in
                _ = try await connection.execute(HotSQL.makeKey(type, ofPartition: partition))
            }
        } catch {
            guard error.sqlState == "23505" else { throw error }
            await connection.rollback()
            let found = try await at(tier.rawValue, "look for a key twice") { () throws(PostgresError) in
                try await connection.execute(HotSQL.findRepeat(type, in: partition)).rows.first
            }
            throw refusal(
                "types.\(type.name).dedupe cannot become key: \(partition) holds \(found?[1] ?? "several") rows of one "
                    + "key, for example \(found?[0] ?? "unknown"). Nothing was changed. Let the archive move that "
                    + "partition (cold keeps one of each), then run again: thermocline schema apply hot"
            )
        }
    }

    /// Refuses a database that is not this tier in this version with this bucket width and, for a role that writes
    /// rows, this deduplication.
    package func check(on connection: PostgresConnection, bucketMicros: Int64) async throws(StoreError) {
        try await checkVersion(on: connection, bucketMicros: bucketMicros)
        guard tier == .hot else { return }
        let chosen = try await deduplication(connection)
        for type in catalog.types {
            let stored = chosen[type.name] ?? .key
            guard stored != type.dedupe else { continue }
            throw refusal(
                "the schema was applied with types.\(type.name).dedupe = \(stored.rawValue), the configuration says "
                    + "\(type.dedupe.rawValue); set it as in the schema, or change the schema: thermocline schema "
                    + "apply hot"
            )
        }
    }

    /// Where the tables and views of the catalogue's types are not as it says; only reads.
    ///
    /// Throws: `.schema` as `checkVersion` does.
    package func drift(on connection: PostgresConnection, bucketMicros: Int64) async throws(StoreError) -> [SchemaDrift]
    {
        try await checkVersion(on: connection, bucketMicros: bucketMicros)
        return try await FencedSession(connection: connection, tier: tier, token: nil).drift(of: catalog.types)
    }

    private func deduplication(_ connection: PostgresConnection) async throws(StoreError) -> [String: Deduplication] {
        let found = try await at(tier.rawValue, "read the deduplication") { () throws(PostgresError) in
            guard try await connection.execute(HotSQL.hasDeduplication).scalar == "t" else { return [[String?]]() }
            return try await connection.execute(HotSQL.readDeduplication).rows
        }
        return Dictionary(
            found.compactMap { row in row[0].map { ($0, row[1].flatMap(Deduplication.init) ?? .key) } },
            uniquingKeysWith: { $1 }
        )
    }

    /// Refuses a database that is not this tier in this version with this bucket width.
    package func checkVersion(on connection: PostgresConnection, bucketMicros: Int64) async throws(StoreError) {
        guard try await hasSchema(connection) else {
            throw refusal("the database has no Thermocline schema; run: thermocline schema apply \(tier.rawValue)")
        }
        let found = try await at(tier.rawValue, "read the schema's version") { () throws(PostgresError) in
            try await connection.execute(TierSQL.readVersion)
        }
        guard let row = found.rows.first(where: { $0[0] == tier.rawValue }) else {
            let other = found.rows.first?[0] ?? "unknown"
            throw refusal(
                "the database is the \(other) tier; \(tier.rawValue).postgres must name another database"
            )
        }
        guard found.rows.count == 1 else {
            throw refusal("the database is both tiers; each tier needs a database of its own")
        }
        guard row[1] == "\(TierSQL.version)" else {
            throw refusal(
                "the schema has version \(row[1] ?? "?"), this program needs \(TierSQL.version): use the program that "
                    + "made it, or an empty database and: thermocline schema apply \(tier.rawValue)"
            )
        }
        guard row[2] == "\(bucketMicros)" else {
            throw refusal(
                "the schema was applied with archive.bucket = \(row[2] ?? "?") µs, the configuration says "
                    + "\(bucketMicros) µs; the width of a bucket cannot change: set archive.bucket as in the schema"
            )
        }
    }

    private func hasSchema(_ connection: PostgresConnection) async throws(StoreError) -> Bool {
        try await at(tier.rawValue, "look for the schema") { () throws(PostgresError) in
            try await connection.execute(TierSQL.hasSchema).scalar == "t"
        }
    }

    /// Whether cold has the tables of segments.
    func hasSegments(_ connection: PostgresConnection) async throws(StoreError) -> Bool {
        try await at(tier.rawValue, "look for segments") { () throws(PostgresError) in
            try await connection.execute(ColdSQL.hasSegments).scalar == "t"
        }
    }

    /// Refuses a cold that has no tables for what `cold.format` wants written.
    func checkFormat(on connection: PostgresConnection) async throws(StoreError) -> ColdFormat {
        let found: ColdFormat = try await hasSegments(connection) ? .segments : .rows
        guard found == .rows, format == .segments else { return found }
        throw refusal("cold.format is segments and cold has no tables for them; run: thermocline schema apply cold")
    }

    private func refusal(_ detail: String) -> StoreError {
        StoreError(.schema, .halt, tier: tier.rawValue, operation: "check the schema", detail: detail)
    }
}

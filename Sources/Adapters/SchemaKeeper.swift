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

    package init(tier: Tier, catalog: Catalog) {
        self.tier = tier
        self.catalog = catalog
    }

    /// The statements of `schema apply`, in order; each may run again.
    package func statements(bucketMicros: Int64) -> [String] {
        switch tier {
        case .hot: HotSQL.schema(catalog.types, bucketMicros: bucketMicros)
        case .cold: ColdSQL.schema(catalog.types, bucketMicros: bucketMicros)
        }
    }

    /// Makes what is missing, in one transaction.
    ///
    /// Throws: `.schema` (halt) where the database is the other tier, or holds another version or bucket width.
    package func apply(on connection: PostgresConnection, bucketMicros: Int64) async throws(StoreError) {
        if try await hasSchema(connection) { try await check(on: connection, bucketMicros: bucketMicros) }
        do throws(StoreError) {
            try await at(tier.rawValue, "apply the schema") { () throws(PostgresError) in
                try await connection.begin()
                for statement in statements(bucketMicros: bucketMicros) { _ = try await connection.execute(statement) }
                try await connection.commit()
            }
        } catch {
            await connection.rollback()
            throw error
        }
    }

    /// Refuses a database that is not this tier in this version with this bucket width.
    package func check(on connection: PostgresConnection, bucketMicros: Int64) async throws(StoreError) {
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
                "the schema has version \(row[1] ?? "?"), this program needs \(TierSQL.version); run: "
                    + "thermocline schema apply \(tier.rawValue)"
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

    private func refusal(_ detail: String) -> StoreError {
        StoreError(.schema, .halt, tier: tier.rawValue, operation: "check the schema", detail: detail)
    }
}

import Platform
package import Postgres
package import Records
package import Tiering

/// How the hot database is reached and what its lanes may do.
package struct HotSettings: Sendable {
    package var conninfo: String
    /// How long a lane's owner counts as alive after it was last seen.
    package var takeover: Duration
    package var bucketMicros: Int64
    package var maxPartitions: Int
    /// Share of a batch that may be rejected row by row before the lane stops instead.
    package var maxRejectedShare: Double
    package var maxQuarantineBytes: Int

    package init(
        conninfo: String,
        takeover: Duration = .seconds(15),
        bucketMicros: Int64,
        maxPartitions: Int = 4_000,
        maxRejectedShare: Double = 0.2,
        maxQuarantineBytes: Int = 1 << 30
    ) {
        self.conninfo = conninfo
        self.takeover = takeover
        self.bucketMicros = bucketMicros
        self.maxPartitions = maxPartitions
        self.maxRejectedShare = maxRejectedShare
        self.maxQuarantineBytes = maxQuarantineBytes
    }
}

/// The hot tier on PostgreSQL: gives out lanes, one database session each.
package struct PostgresHot: HotTier {
    private let settings: HotSettings
    private let schema: SchemaKeeper

    package init(settings: HotSettings, catalog: Catalog) {
        self.settings = settings
        schema = SchemaKeeper(tier: .hot, catalog: catalog)
    }

    package func claim(
        _ source: SourceID,
        type: RecordType,
        previous: String?
    ) async throws(StoreError) -> ClaimOutcome<PostgresLane> {
        let connection = try await connect("thermocline \(type.name)")
        do throws(StoreError) {
            try await schema.check(on: connection, bucketMicros: settings.bucketMicros)
            let claim = LaneClaim(source: source, connection: connection, takeover: settings.takeover)
            switch try await claim.take(over: previous) {
            case .held(let owner):
                await connection.close()
                return .held(owner: owner)
            case .taken(let owner, let position):
                let lane = PostgresLane(
                    owner: owner,
                    source: source,
                    type: type,
                    connection: connection,
                    settings: settings
                )
                return .claimed(lane, position)
            }
        } catch {
            await connection.close()
            throw error
        }
    }

    /// A session for the hot database whose schema is the one we need.
    ///
    /// Throws: `.schema` (halt) with the command that mends it; as `connect` does.
    package func connectChecked(_ name: String) async throws(StoreError) -> PostgresConnection {
        let connection = try await connect(name)
        do throws(StoreError) {
            try await schema.check(on: connection, bucketMicros: settings.bucketMicros)
            return connection
        } catch {
            await connection.close()
            throw error
        }
    }

    /// A session for the hot database; its commits are on disk when they return.
    package func connect(_ name: String) async throws(StoreError) -> PostgresConnection {
        try await at("hot", "connect") { () throws(PostgresError) in
            try await PostgresConnection(
                settings.conninfo,
                applicationName: name,
                // 1 s: a session that waits for a lock would otherwise outlive a killed owner and look alive.
                settings: ["synchronous_commit": "on", "client_connection_check_interval": "1s"]
            )
        }
    }
}

/// Takes a lane: waits for a live owner, ends the session of a dead one, writes its own token, reads the position.
private struct LaneClaim {
    let source: SourceID
    let connection: PostgresConnection
    let takeover: Duration

    enum Outcome {
        case held(String)
        case taken(owner: String, Position)
    }

    func take(over previous: String?) async throws(StoreError) -> Outcome {
        let key: [String?] = [source.stream, source.filter]
        // Each turn either ends or lost a race against another instance; who wins the race holds the lane.
        for _ in 0..<10 {
            let found = try await run("read the owner", HotSQL.readOwner, key + ["\(takeover.milliseconds)"])
            guard let row = found.rows.first else {
                // Only where there is none: over a row that a stopped owner has in hand, even this would wait for it.
                _ = try await run("insert the position", HotSQL.insertPosition, key)
                continue
            }
            let recorded = row[0]
            if let recorded, recorded != previous, row[4] == "t" {
                return .held("\(recorded) on \(row[1] ?? "an unknown host"), backend \(row[2] ?? "?")")
            }
            // It may hold this very row, and no timeout reaches a stalled COPY FROM STDIN.
            try await connection.endSessions(
                HotSQL.terminateOwner,
                count: HotSQL.countOwner,
                key + [recorded],
                whose: "the former owner's",
                of: .hot,
                to: "claim \(source)"
            )
            let owner = RandomID.uuid()
            let claimed: QueryResult
            do throws(StoreError) {
                claimed = try await claim(key + [owner, HostName.current, recorded])
            } catch {
                await connection.rollback()
                guard error.code == .timeout else { throw error }
                continue
            }
            if claimed.affected == 1 { return .taken(owner: owner, try await position(key)) }
        }
        throw StoreError(
            .timeout,
            .retry,
            tier: "hot",
            operation: "claim \(source)",
            detail: "other instances kept claiming it"
        )
    }

    private func claim(_ parameters: [String?]) async throws(StoreError) -> QueryResult {
        try await at("hot", "claim \(source)") { () throws(PostgresError) in
            try await connection.begin()
            _ = try await connection.execute("SET LOCAL lock_timeout = '2s'")
            let claimed = try await connection.execute(HotSQL.claim, parameters)
            try await connection.commit()
            return claimed
        }
    }

    private func position(_ key: [String?]) async throws(StoreError) -> Position {
        let found = try await run("read the position", HotSQL.readPosition, key)
        guard let row = found.rows.first, let epoch = row[1].flatMap(Int64.init), let last = row[2].flatMap(UInt64.init)
        else {
            throw StoreError(.corrupt, .halt, tier: "hot", operation: "claim \(source)", detail: "no position row")
        }
        return Position(
            streamCreated: row[0].flatMap(Int64.init).map(Timestamp.init(micros:)),
            epoch: epoch,
            sequence: last,
            messageTime: row[3].flatMap(Int64.init).map(Timestamp.init(micros:)),
            consumer: row[4]
        )
    }

    private func run(_ operation: String, _ sql: String, _ key: [String?]) async throws(StoreError) -> QueryResult {
        try await at("hot", "\(operation) of \(source)") { () throws(PostgresError) in
            try await connection.execute(sql, key)
        }
    }
}

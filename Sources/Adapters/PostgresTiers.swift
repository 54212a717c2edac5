import Platform
import Postgres
package import Records
package import Segments
package import Tiering

/// How the archiver reaches both tiers and holds its lease.
package struct ArchiveSettings: Sendable {
    package var hotConninfo: String
    package var coldConninfo: String
    package var bucketMicros: Int64
    /// How long the lease lasts without being renewed.
    package var lease: Duration
    /// How long a prune or a take-over waits for a lock before it gives way.
    package var lockTimeout: Duration
    package var chunkBytes: Int
    /// How cold keeps what is copied from now on.
    package var format: ColdFormat
    package var segments: SegmentEncoder.Limits

    package init(
        hotConninfo: String,
        coldConninfo: String,
        bucketMicros: Int64,
        lease: Duration = .seconds(30),
        lockTimeout: Duration = .seconds(2),
        chunkBytes: Int = 256 << 10,
        format: ColdFormat = .rows,
        segments: SegmentEncoder.Limits = .init()
    ) {
        self.hotConninfo = hotConninfo
        self.coldConninfo = coldConninfo
        self.bucketMicros = bucketMicros
        self.lease = lease
        self.lockTimeout = lockTimeout
        self.chunkBytes = chunkBytes
        (self.format, self.segments) = (format, segments)
    }
}

/// Both tiers on PostgreSQL, under one lease in the cold database.
///
/// The lease says who may archive; the fence, written into both databases by a take-over, makes it true: every
/// transaction of the archiver begins by finding its token there.
package struct PostgresTiers: ArchiveTiers {
    private let settings: ArchiveSettings
    private let hotSchema: SchemaKeeper
    private let coldSchema: SchemaKeeper
    /// This instance, in the lease: random, so that a restarted one is another.
    private let holder: String

    package init(settings: ArchiveSettings, catalog: Catalog) {
        self.settings = settings
        hotSchema = SchemaKeeper(tier: .hot, catalog: catalog)
        coldSchema = SchemaKeeper(tier: .cold, catalog: catalog, format: settings.format)
        holder = RandomID.uuid()
    }

    // MARK: Lease

    package func acquireLease() async throws(StoreError) -> LeaseOutcome {
        try await withCold("acquire the lease") { connection throws(PostgresError) in
            let parameters = [holder, HostName.current, "\(settings.lease.milliseconds)"]
            let taken = try await connection.execute(ColdSQL.acquireLease, parameters)
            if let token = taken.scalar.flatMap(Int64.init) {
                let fence = try await connection.execute(TierSQL.readFence).scalar.flatMap(Int64.init)
                return .held(token: token, isNew: fence != token)
            }
            let other = try await connection.execute(ColdSQL.readLease).rows.first
            return .heldBy("\(other?[0] ?? "nobody") on \(other?[1] ?? "an unknown host")")
        }
    }

    package func renewLease(_ token: Int64) async throws(StoreError) -> Bool {
        try await withCold("renew the lease") { connection throws(PostgresError) in
            let parameters = ["\(token)", holder, "\(settings.lease.milliseconds)"]
            return try await connection.execute(ColdSQL.renewLease, parameters).affected == 1
        }
    }

    package func releaseLease(_ token: Int64) async throws(StoreError) {
        try await withCold("release the lease") { connection throws(PostgresError) in
            _ = try await connection.execute(ColdSQL.releaseLease, ["\(token)", holder])
        }
    }

    private func withCold<R>(
        _ operation: String,
        _ body: (PostgresConnection) async throws(PostgresError) -> R
    ) async throws(StoreError) -> R {
        let connection = try await connect(.cold)
        do throws(StoreError) {
            let answer = try await at("cold", operation) { () throws(PostgresError) in try await body(connection) }
            await connection.close()
            return answer
        } catch {
            await connection.close()
            throw error
        }
    }

    /// Ledger rows for the control plane, read without lease or fence: looking is free.
    func transfers(_ sql: String, _ parameters: [String?]) async throws(StoreError) -> [Transfer] {
        let found = try await withCold("read the ledger") { connection throws(PostgresError) in
            try await connection.execute(sql, parameters)
        }
        return try found.rows.map { row throws(StoreError) in try LedgerRow.transfer(row) }
    }

    // MARK: Schedule

    package func recordedPass() async throws(StoreError) -> Timestamp? {
        try await withCold("read the last pass") { connection throws(PostgresError) in
            try await connection.execute(ColdSQL.recordedPass).scalar.flatMap(Int64.init).map(Timestamp.init(micros:))
        }
    }

    package func recordPass(_ token: Int64, at time: Timestamp) async throws(StoreError) {
        try await withCold("record a pass") { connection throws(PostgresError) in
            _ = try await connection.execute(ColdSQL.recordPass, ["\(token)", holder, "\(time)"])
        }
    }

    package func localTime(of timeZone: String, at time: Timestamp) async throws(StoreError) -> LocalTime {
        let operation = "read archive.time_zone"
        let found: QueryResult
        do throws(StoreError) {
            found = try await withCold(operation) { connection throws(PostgresError) in
                try await connection.execute(ColdSQL.offsets, [timeZone, "\(time)"])
            }
        } catch {
            guard error.sqlState == "22023" else { throw error }
            let detail = "PostgreSQL knows no time zone \(timeZone); pg_timezone_names lists those that it does"
            throw StoreError(.failed, .halt, tier: "cold", operation: operation, detail: detail)
        }
        return LocalTime(
            changes: found.rows.compactMap { row in
                guard let at = row[0].flatMap(Int64.init), let ahead = row[1].flatMap(Int64.init) else { return nil }
                return LocalTime.Change(at: Timestamp(micros: at), offsetMicros: ahead)
            }
        )
    }

    // MARK: Take-over

    package func takeOver(_ token: Int64) async throws(StoreError) {
        for tier in Tier.allCases {
            let connection = try await connect(tier)
            do throws(StoreError) {
                try await raiseFence(token, on: connection, of: tier)
                await connection.close()
            } catch {
                await connection.close()
                throw error
            }
        }
    }

    /// Ends the sessions of earlier tokens, waits until they are gone, then writes the token.
    private func raiseFence(_ token: Int64, on connection: PostgresConnection, of tier: Tier) async throws(StoreError) {
        let operation = "take the archive over"
        try await connection.endSessions(
            TierSQL.terminateEarlierSessions,
            count: TierSQL.countEarlierSessions,
            ["\(token)"],
            whose: "an earlier archiver's",
            of: tier,
            to: operation
        )
        var found = token
        do throws(StoreError) {
            try await at(tier.rawValue, operation) { () throws(PostgresError) in
                try await connection.begin()
                _ = try await connection.execute("SET LOCAL lock_timeout = \(settings.lockTimeout.milliseconds)")
                _ = try await connection.execute(TierSQL.raiseFence, ["\(token)"])
                found = try await connection.execute(TierSQL.readFence).scalar.flatMap(Int64.init) ?? token
                _ = try await connection.execute(TierSQL.forgetEarlierSessions, ["\(token)"])
                try await connection.commit()
            }
        } catch {
            await connection.rollback()
            throw error
        }
        if found > token { try await overtake(found, from: token, on: tier) }
    }

    /// Takes a token above a fence that is ahead of the lease, as where cold is new or was restored.
    ///
    /// Throws: always (retry): the take-over starts again under the new token.
    private func overtake(_ fence: Int64, from token: Int64, on tier: Tier) async throws(StoreError) {
        try await withCold("raise the lease's token") { connection throws(PostgresError) in
            _ = try await connection.execute(ColdSQL.raiseLease, ["\(token)", holder, "\(fence + 1)"])
        }
        throw StoreError(
            .timeout,
            .retry,
            tier: tier.rawValue,
            operation: "take the archive over",
            detail: "the fence there is at \(fence), ahead of the lease at \(token): cold is older, new or another "
                + "database; going on with a higher token"
        )
    }

    // MARK: Sessions

    package func openSource(_ token: Int64) async throws(StoreError) -> PostgresSource {
        PostgresSource(session: try await open(.hot, token), settings: settings)
    }

    package func openTarget(_ token: Int64) async throws(StoreError) -> PostgresTarget {
        PostgresTarget(session: try await open(.cold, token), settings: settings)
    }

    /// Sessions with both tiers that only read, under no lease and no token: whoever archives goes on.
    package func openReaders() async throws(StoreError) -> (PostgresSource, PostgresTarget) {
        try await openBoth(nil)
    }

    /// Sessions under the token that both fences hold, beside those of the archiver that took it.
    ///
    /// Throws: `.fenced` (retry) while another archiver is taking over.
    package func openBeside() async throws(StoreError) -> (PostgresSource, PostgresTarget) {
        let (hot, cold) = (try await fence(of: .hot), try await fence(of: .cold))
        guard hot == cold else {
            throw StoreError(
                .fenced,
                .retry,
                tier: "cold",
                operation: "join the archiver",
                detail: "hot's fence is at \(hot), cold's at \(cold): an archiver is taking over, or the two databases "
                    + "have never been archived together; nothing was changed. Start `thermocline cold`, and ask again"
            )
        }
        return try await openBoth(hot)
    }

    private func fence(of tier: Tier) async throws(StoreError) -> Int64 {
        let connection = try await connect(tier)
        let found = await Result { () async throws(StoreError) in
            let schema = tier == .hot ? hotSchema : coldSchema
            try await schema.checkVersion(on: connection, bucketMicros: settings.bucketMicros)
            return try await at(tier.rawValue, "read the fence") { () throws(PostgresError) in
                try await connection.execute(TierSQL.readFence).scalar.flatMap(Int64.init) ?? 0
            }
        }
        await connection.close()
        return try found.get()
    }

    /// Runs `body` in a pair of sessions, which end with it whatever becomes of it.
    static func closing<R>(
        _ sessions: (source: PostgresSource, target: PostgresTarget),
        _ body: (PostgresSource, PostgresTarget) async throws(StoreError) -> R
    ) async throws(StoreError) -> R {
        do throws(StoreError) {
            let answer = try await body(sessions.source, sessions.target)
            await sessions.source.close()
            await sessions.target.close()
            return answer
        } catch {
            await sessions.source.close()
            await sessions.target.close()
            throw error
        }
    }

    private func openBoth(_ token: Int64?) async throws(StoreError) -> (PostgresSource, PostgresTarget) {
        let source = PostgresSource(session: try await open(.hot, token), settings: settings)
        do throws(StoreError) {
            return (source, PostgresTarget(session: try await open(.cold, token), settings: settings))
        } catch {
            await source.close()
            throw error
        }
    }

    /// A session that recorded itself under the token before it does anything else.
    private func open(_ tier: Tier, _ token: Int64?) async throws(StoreError) -> FencedSession {
        let connection = try await connect(tier)
        do throws(StoreError) {
            let schema = tier == .hot ? hotSchema : coldSchema
            try await schema.checkVersion(on: connection, bucketMicros: settings.bucketMicros)
            let layout = tier == .hot ? .rows : try await schema.checkFormat(on: connection)
            let session = FencedSession(connection: connection, tier: tier, token: token, layout: layout)
            guard let token else { return session }
            try await session.transaction("record the session") { connection throws(PostgresError) in
                _ = try await connection.execute(TierSQL.recordSession, ["\(token)"])
            }
            return session
        } catch {
            await connection.close()
            throw error
        }
    }

    private func connect(_ tier: Tier) async throws(StoreError) -> PostgresConnection {
        let conninfo = tier == .hot ? settings.hotConninfo : settings.coldConninfo
        return try await at(tier.rawValue, "connect") { () throws(PostgresError) in
            try await PostgresConnection(
                conninfo,
                applicationName: "thermocline archive",
                settings: ["synchronous_commit": "on"]
            )
        }
    }
}

/// One session of the archiver, every transaction of which begins by finding its token in the fence.
struct FencedSession: Sendable {
    let connection: PostgresConnection
    let tier: Tier
    /// Nil where the session only reads: it needs no fence then, and cannot write.
    let token: Int64?
    /// Whether the tables of segments are there; plain rows may stand beside them.
    var layout = ColdFormat.rows

    func transaction<R>(
        _ operation: String,
        _ isolation: PostgresConnection.Isolation = .readCommitted,
        _ body: (PostgresConnection) async throws(PostgresError) -> R
    ) async throws(StoreError) -> R {
        do throws(StoreError) {
            try await begin(operation, isolation)
            return try await at(tier.rawValue, operation) { () throws(PostgresError) in
                let answer = try await body(connection)
                try await connection.commit()
                return answer
            }
        } catch {
            await connection.rollback()
            throw error
        }
    }

    /// Opens a transaction that its owner ends; the fence is its first statement.
    func begin(
        _ operation: String,
        _ isolation: PostgresConnection.Isolation = .readCommitted
    ) async throws(StoreError) {
        guard let token else {
            return try await at(tier.rawValue, operation) { () throws(PostgresError) in
                try await connection.begin(.snapshot)
            }
        }
        let held = try await at(tier.rawValue, operation) { () throws(PostgresError) in
            try await connection.begin(isolation)
            return try await connection.execute(TierSQL.fence, ["\(token)"]).rows.count
        }
        guard held == 1 else {
            await connection.rollback()
            throw StoreError(
                .fenced,
                .halt,
                tier: tier.rawValue,
                operation: operation,
                detail: "another archiver has taken over; token \(token) is past and nothing was changed"
            )
        }
    }
}

import Platform
import Postgres
import PrivateServers
import TestSupport
import Testing

/// A database that stops, refuses or stalls: the lane waits, says why, and goes on by itself.
@Suite(
    .serialized,
    .slow,
    .privatePostgres(.init(listensOnTCP: true, parameters: ["max_connections": "20"])),
    .privateNATS,
    .timeLimit(.minutes(5))
)
struct DatabaseFaultTests {
    /// On every finding: what is not affected, and what happens next.
    private static let reassurance = ["nothing is lost", "tries again by itself"]

    enum End: String, CaseIterable { case fast, immediate, crash }

    @Test(arguments: End.allCases)
    func `a server that ends during the load, however it ends, costs nothing`(_ end: End) async throws {
        let server = PrivatePostgres.current
        let run = try await FaultRun()
        let hot = try await run.startReading()
        run.hold(at: .copyHalfSent)
        try await run.publish(200)
        try await run.awaitHeld()
        switch end {
        case .fast: await server.stop()
        case .immediate: await server.stop(immediately: true)
        case .crash: await server.kill()
        }
        run.postgres.release()
        try await hot.awaitTrouble(["hot"] + Self.reassurance)
        try await run.publish(100)
        try await server.start()
        try await run.expectExact()
        try await hot.awaitHealthy()
    }

    @Test func `a database that turns read-only is waited for`() async throws {
        let run = try await FaultRun()
        let hot = try await run.startReading()
        try await alterSystem("SET default_transaction_read_only = on", run)
        try await run.publish(100)
        try await hot.awaitTrouble(["25006", "promote it"] + Self.reassurance)
        try await alterSystem("RESET default_transaction_read_only", run)
        try await run.expectExact()
        try await hot.awaitHealthy()
    }

    private func alterSystem(_ change: String, _ run: FaultRun) async throws {
        for sql in ["ALTER SYSTEM \(change)", "SELECT pg_reload_conf()"] {
            _ = try await run.stage.rows(run.stage.hot, sql)
        }
    }

    @Test func `a standby is waited for, and once promoted gets from the stream what it had not received`() async throws
    {
        let run = try await FaultRun()
        let hot = try await run.startReading()
        let standby = try await PrivatePostgres(.init(listensOnTCP: true), standbyOf: .current)
        let database = try #require(try await run.stage.scalar(run.stage.hot, "SELECT current_database()"))
        let successor = standby.conninfo(database)
        try await run.publish(100)
        try await run.settle(in: successor)

        // It stops following; what the primary stores from here on is lost with it.
        try await run.stopFollowing(successor)
        try await run.publish(100)
        try await run.expectExact()
        #expect(try #require(await run.position(in: successor)) < (try #require(await run.position())))

        run.postgres.redirect(to: standby.port)
        run.postgres.cut()
        try await hot.awaitTrouble(["25006", "promote it"] + Self.reassurance)
        #expect(try await run.stage.scalar(successor, "SELECT pg_promote()") == "t")
        try await run.publish(100)
        try await run.expectExact(in: successor)
        try await hot.awaitHealthy()
        await standby.remove()
    }

    @Test func `a server without a connection left is waited for`() async throws {
        let run = try await FaultRun()
        let hot = try await run.startReading()
        var taken: [PostgresConnection] = []
        do throws(PostgresError) {
            while true { taken.append(try await PostgresConnection(run.stage.hot, applicationName: "crowd")) }
        } catch {
            #expect(error.code == .connectionFailed)
        }
        // The lane's own place is the last; it must not be quicker than we are.
        run.postgres.refuse()
        taken.append(
            try await poll("the last place") {
                try? await PostgresConnection(run.stage.hot, applicationName: "crowd")
            }
        )
        run.postgres.accept()
        try await run.publish(100)
        try await hot.awaitTrouble(["too many clients"] + Self.reassurance)
        for connection in taken { await connection.close() }
        try await run.expectExact()
        try await hot.awaitHealthy()
    }

    @Test(arguments: [("lock_timeout", "55P03", "pg_stat_activity"), ("statement_timeout", "57014", "raise it")])
    func `a table locked for longer than a timeout allows is waited for`(
        _ setting: String,
        _ sqlState: String,
        _ remedy: String
    ) async throws {
        let run = try await FaultRun()
        try await run.alterDatabase("SET \(setting) = '200ms'")
        let hot = try await run.startReading()
        try await run.stage.holding(CrashTests.lockTrades, on: run.stage.hot) {
            try await run.publish(100)
            try await hot.awaitTrouble([sqlState, remedy] + Self.reassurance)
        }
        try await run.expectExact()
        try await hot.awaitHealthy()
    }

    @Test func `a batch that is the victim of a deadlock is stored at the next attempt`() async throws {
        let run = try await FaultRun()
        try await run.alterDatabase("SET deadlock_timeout = '3s'")
        let hot = try await run.startReading()
        let other = try await PostgresConnection(run.stage.hot, applicationName: "deadlock")
        try await other.begin()
        // The lane looks for a deadlock after 3 s, we only long after that: it is the victim.
        for sql in ["SET LOCAL deadlock_timeout = '1min'", CrashTests.lockTrades] { _ = try await other.execute(sql) }
        try await run.publish(100)
        try await run.stage.awaitBlockedCopy(of: "trade")
        _ = try await other.execute("UPDATE thermocline_store.ingest_position SET seen_at = seen_at")
        await other.close()
        try await run.expectExact()
        #expect(hot.hasWaited(for: "40P01"))
        try await hot.awaitHealthy()
    }

    /// SQLSTATE, what `/health` says of it, and the words an operator goes by.
    private static let refusals = [
        ("40001", "degraded", "nothing is lost"), ("42501", "unhealthy", "give the role"),
        ("53200", "degraded", "raise it"), ("58030", "degraded", "server's log"),
    ]

    @Test func `a refusal of any class is waited for, says what to do, and quarantines nothing`() async throws {
        let run = try await FaultRun()
        let hot = try await run.startReading()
        try await run.stage.script(
            run.stage.hot,
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                + "RAISE EXCEPTION 'refused by a test' USING ERRCODE = TG_ARGV[0]; END $$"
        )
        for (sqlState, status, words) in Self.refusals {
            try await run.stage.script(
                run.stage.hot,
                "CREATE TRIGGER refuse BEFORE INSERT ON thermocline_store.trade EXECUTE FUNCTION refuse('\(sqlState)')"
            )
            try await run.publish(50)
            try await hot.awaitTrouble([sqlState, words] + Self.reassurance, status: status)
            try await run.stage.script(run.stage.hot, "DROP TRIGGER refuse ON thermocline_store.trade")
            try await run.expectExact()
        }
        try await hot.awaitHealthy()
    }
}

import PrivateServers
import TestSupport
import Testing

/// Databases that go back to what they were.
extension FaultRun {
    /// Publishes trades of the older range while an instance stores them.
    func publishWhileHotRuns(_ trades: Int) async throws {
        let hot = try await start()
        try await publish(trades)
        try await settle()
        #expect(await hot.stop() == .exited(0))
    }

    func drop(_ conninfo: String) async throws {
        let sql = "DROP DATABASE \(try await stage.database(conninfo)) WITH (FORCE)"
        _ = try await stage.rows(PrivatePostgres.current.conninfo(), sql)
    }

    /// Copies the files of a database that nobody uses; returns the name of the copy.
    func backUp(_ conninfo: String) async throws -> String {
        try await PrivatePostgres.current.freshDatabase(copying: try await stage.database(conninfo))
    }

    /// Puts a copy in the place of the database.
    func restore(_ backup: String, to conninfo: String) async throws {
        let name = try await stage.database(conninfo)
        try await drop(conninfo)
        _ = try await stage.rows(PrivatePostgres.current.conninfo(), "ALTER DATABASE \(backup) RENAME TO \(name)")
    }

    /// Ends a standby's following: what the primary commits from now on is lost with it.
    func stopFollowing(_ standby: String) async throws {
        for sql in ["ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()"] {
            _ = try await stage.rows(standby, sql)
        }
        try await poll("no replication") {
            try await stage.scalar(stage.hot, "SELECT count(*) FROM pg_stat_replication") == "0"
        }
    }
}

import Foundation
import PrivateServers
import Testing
import TestSupport

@Suite(.privatePostgres(.init(listensOnTCP: true, parameters: ["work_mem": "5MB"])), .timeLimit(.minutes(2)))
struct PrivatePostgresTests {
    /// Runs one statement through psql; nil if it failed.
    private func psql(_ sql: String, _ conninfo: String) async throws -> String? {
        let directory = try PrivateDirectory("psql")
        let psql = try await ChildProcess(
            "/usr/bin/psql",
            ["-X", "-A", "-t", "-d", conninfo, "-c", sql],
            logFile: "\(directory.path)/log"
        )
        guard await psql.waitForExit(within: .seconds(30)) == .exited(0) else { return nil }
        return directory.tail(of: "log").trimmingCharacters(in: .newlines)
    }

    @Test func `it answers on its socket and on loopback, with the settings asked for`() async throws {
        let server = PrivatePostgres.current
        #expect(try await psql("SHOW work_mem", server.conninfo()) == "5MB")
        #expect(try await psql("SHOW fsync", server.conninfoTCP()) == "off")
    }

    @Test func `each test gets an empty database of its own`() async throws {
        let server = PrivatePostgres.current
        let first = try await server.freshDatabase()
        let second = try await server.freshDatabase()
        #expect(first != second)
        #expect(try await psql("CREATE TABLE t ()", server.conninfo(first)) == "CREATE TABLE")
        #expect(try await psql("SELECT to_regclass('t') IS NULL", server.conninfo(second)) == "t")
    }
}

@Suite(.timeLimit(.minutes(2)))
struct PrivateServerLifeTests {
    @Test func `a killed PostgreSQL starts again and all is gone at the end`() async throws {
        let server = try await PrivatePostgres()
        let pid = try #require(await server.pid)
        let session = try await ChildProcess(
            "/usr/bin/psql",
            ["-X", "-d", server.conninfo(), "-c", "SELECT pg_sleep(60)"]
        )
        await server.kill()
        #expect(await server.pid == nil)
        #expect(await session.waitForExit(within: .seconds(10)) != nil)
        try await server.start()
        #expect(await server.pid != pid)
        _ = try await server.freshDatabase()
        await server.remove()
        #expect(!FileManager.default.fileExists(atPath: server.socketDirectory))
    }

    @Test func `a PostgreSQL that cannot start says why`() async throws {
        let settings = PrivatePostgres.Settings(parameters: ["no_such_setting": "1"])
        let error = await #expect(throws: ServerError.self) { try await PrivatePostgres(settings) }
        #expect(error?.code == .ended)
        #expect(error?.detail.contains("no_such_setting") == true)
    }

    @Test func `a nats-server keeps its port over kill and restart and is gone at the end`() async throws {
        let server = try await PrivateNATS()
        let pid = try #require(await server.pid)
        await server.kill()
        #expect(await server.pid == nil)
        try await server.start()
        #expect(await server.pid != pid)
        try await server.restart()
        #expect(server.url == "nats://127.0.0.1:\(server.port)")
        await server.remove()
        #expect(!FileManager.default.fileExists(atPath: server.logFile))
    }

    @Test func `a nats-server that cannot start says why`() async throws {
        let error = await #expect(throws: ServerError.self) { try await PrivateNATS(configuration: "nonsense: {") }
        #expect(error?.code == .ended)
        #expect(error?.detail.isEmpty == false)
    }
}

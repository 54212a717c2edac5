import Adapters
import JetStream
import PrivateServers
import TestSupport
import Testing
import Tiering

@Suite(.privateNATS, .timeLimit(.minutes(2))) struct ConnectionTests {
    /// A server of its own, which asks for a password.
    func server(port: UInt16, password: String) async throws -> ChildProcess {
        let server = try await ChildProcess(
            Program.nats.path(),
            ["-a", "127.0.0.1", "-p", "\(port)", "--user", "u", "--pass", password]
        )
        return server
    }

    @Test func `a password that is wrong for a while closes nothing for good`() async throws {
        let port = try LoopbackPort.free()
        var running = try await server(port: port, password: "right")
        let streams = JetStreamStreams(
            ConnectionOptions(url: "nats://u:right@127.0.0.1:\(port)", name: "test"),
            acknowledges: true
        )
        let first = try await poll("connected") { try? await streams.connected() }
        _ = await running.stop()
        running = try await server(port: port, password: "wrong")
        try await poll("the library gives up", within: .seconds(30)) { first.isClosed }
        _ = await running.stop()
        running = try await server(port: port, password: "right")
        try await poll("a new connection", within: .seconds(30)) {
            _ = try? await streams.connected(); return streams.isReachable
        }
        await streams.close()
        _ = await running.stop()
    }
}

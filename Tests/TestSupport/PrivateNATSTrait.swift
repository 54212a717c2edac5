package import PrivateServers
package import Testing

/// Gives a suite a nats-server with JetStream of its own: `PrivateNATS.current`, gone at the end.
package struct PrivateNATSTrait: SuiteTrait, TestScoping {
    let configuration: String

    package func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing body: @concurrent @Sendable () async throws -> Void
    ) async throws {
        guard try areInstalled(PrivateNATS.programs) else { return }
        let server = try await PrivateNATS(configuration: configuration)
        let result = await Result { try await PrivateNATS.$running.withValue(server) { try await body() } }
        await server.remove()
        try result.get()
    }
}

extension Trait where Self == PrivateNATSTrait {
    /// A private nats-server.
    package static var privateNATS: Self { privateNATS() }
    /// A private nats-server with more lines in its configuration file.
    package static func privateNATS(configuration: String = "") -> Self { .init(configuration: configuration) }
}

extension PrivateNATS {
    @TaskLocal static var running: PrivateNATS?

    /// The server of the suite that this test belongs to.
    package static var current: PrivateNATS {
        guard let running else { preconditionFailure("the suite lacks the trait .privateNATS") }
        return running
    }
}

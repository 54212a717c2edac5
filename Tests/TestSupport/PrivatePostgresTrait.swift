package import PrivateServers
package import Testing

/// Gives a suite a PostgreSQL server of its own: `PrivatePostgres.current`, gone at the end.
///
/// Each test takes a database of its own, `try await PrivatePostgres.current.freshDatabase()`.
package struct PrivatePostgresTrait: SuiteTrait, TestScoping {
    let settings: PrivatePostgres.Settings

    package func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing body: @concurrent @Sendable () async throws -> Void
    ) async throws {
        guard try areInstalled(PrivatePostgres.programs) else { return }
        let server = try await PrivatePostgres(settings)
        let result = await Result { try await PrivatePostgres.$running.withValue(server) { try await body() } }
        await server.remove()
        try result.get()
    }
}

extension Trait where Self == PrivatePostgresTrait {
    /// A private PostgreSQL on a Unix socket.
    package static var privatePostgres: Self { privatePostgres() }
    /// A private PostgreSQL with settings.
    package static func privatePostgres(_ settings: PrivatePostgres.Settings = .init()) -> Self {
        .init(settings: settings)
    }
}

extension PrivatePostgres {
    @TaskLocal static var running: PrivatePostgres?

    /// The server of the suite that this test belongs to.
    package static var current: PrivatePostgres {
        guard let running else { preconditionFailure("the suite lacks the trait .privatePostgres") }
        return running
    }
}

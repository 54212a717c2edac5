import Adapters
import Configuration
import Platform
import Postgres
import Records
import Tiering

/// `thermocline check`: the configuration in effect, or every problem with it; and how the schemas have drifted.
struct CheckCommand {
    private let invocation: Invocation

    init(_ invocation: Invocation) { self.invocation = invocation }

    func run() async throws -> Int32 {
        let loaded = try invocation.load()
        StandardOutput.write(loaded.report(.standard))
        for warning in loaded.warnings { StandardOutput.errorLine("warning: \(warning)") }
        var drifts: [SchemaDrift] = []
        for tier in Tier.allCases { drifts += await drift(of: tier, loaded.configuration) }
        for drift in drifts { StandardOutput.errorLine(QuarantineText.visible("error: \(drift.type): \(drift)")) }
        return drifts.isEmpty ? 0 : 1
    }

    /// A database that cannot be asked is no mistake of the configuration.
    private func drift(of tier: Tier, _ configuration: Configuration) async -> [SchemaDrift] {
        guard let conninfo = tier == .hot ? configuration.hot.postgres : configuration.cold.postgres else { return [] }
        let keeper = SchemaKeeper(tier: tier, catalog: configuration.catalog(.standard))
        do {
            let connection = try await PostgresConnection(conninfo.reveal(), applicationName: "thermocline check")
            let found = await Result { () async throws(StoreError) in
                try await keeper.drift(on: connection, bucketMicros: configuration.archive.bucket.micros)
            }
            await connection.close()
            return try found.get()
        } catch {
            StandardOutput.errorLine("warning: the schema of \(tier) was not compared: \(error)")
            return []
        }
    }
}

import Adapters
import Configuration
import Platform
import Postgres
import Records

/// `thermocline schema print|apply hot|cold`.
struct SchemaCommand {
    private let invocation: Invocation

    init(_ invocation: Invocation) { self.invocation = invocation }

    private var tier: Tier { invocation.arguments.first == "cold" ? .cold : .hot }

    private func keeper(_ configuration: Configuration) -> SchemaKeeper {
        SchemaKeeper(tier: tier, catalog: configuration.catalog(.standard), format: configuration.cold.format)
    }

    func show() async throws -> Int32 {
        let configuration = try invocation.load(for: []).configuration
        for statement in keeper(configuration).statements(bucketMicros: configuration.archive.bucket.micros) {
            StandardOutput.line(statement + ";\n")
        }
        return 0
    }

    func apply() async throws -> Int32 {
        let configuration = try invocation.load(for: [tier == .hot ? .hot : .cold]).configuration
        guard let conninfo = tier == .hot ? configuration.hot.postgres : configuration.cold.postgres else {
            throw UsageError("\(tier.rawValue).postgres is not set")
        }
        let connection = try await PostgresConnection(conninfo.reveal(), applicationName: "thermocline schema")
        try await keeper(configuration).apply(on: connection, bucketMicros: configuration.archive.bucket.micros)
        await connection.close()
        StandardOutput.line("the \(tier.rawValue) schema is in place")
        return 0
    }
}

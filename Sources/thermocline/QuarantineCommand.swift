import Adapters
import Configuration
import Platform
import Postgres
import Records

/// `thermocline quarantine list|show|replay|drop`.
struct QuarantineCommand {
    private let invocation: Invocation
    private let catalog = Catalog.standard

    init(_ invocation: Invocation) { self.invocation = invocation }

    func list() async throws -> Int32 {
        let filter = try filter()
        return try await withHot { connection, _ in
            let desk = QuarantineDesk(catalog: catalog, connection: connection)
            let messages = try await desk.list(filter, limit: invocation.number("--limit") ?? 50)
            let (count, bytes) = try await desk.count(filter)
            for line in QuarantineText.table(messages, catalog) { StandardOutput.line(line) }
            StandardOutput.line("\(messages.count) of \(count) messages, \(bytes) bytes of payload in all")
            return 0
        }
    }

    func show() async throws -> Int32 {
        let (stream, text) = (invocation.arguments[0], invocation.arguments[1])
        guard let sequence = UInt64(text), sequence <= UInt64(Int64.max) else {
            throw UsageError("\"\(text)\" is no stream sequence; `thermocline quarantine list` shows them")
        }
        return try await withHot { connection, _ in
            let found = try await QuarantineDesk(catalog: catalog, connection: connection).show(stream, sequence)
            guard let newest = found.last else {
                StandardOutput.errorLine(
                    "no message \(sequence) of \(stream) is in quarantine; "
                        + "`thermocline quarantine list --stream \(stream)` shows what is"
                )
                return 1
            }
            guard invocation.flags["--raw"] == nil else {
                StandardOutput.write(newest.payload)
                return 0
            }
            for (message, headers, payload) in found {
                for line in QuarantineText.whole(message, headers, payload, catalog) { StandardOutput.line(line) }
            }
            return 0
        }
    }

    func replay() async throws -> Int32 {
        let (filter, isDryRun) = (try filter(), invocation.flags["--dry-run"] != nil)
        return try await withHot { connection, configuration in
            let catalog = configuration.catalog(catalog)
            let replay = QuarantineReplay(
                catalog: catalog,
                connection: connection,
                settings: try configuration.hotSettings(),
                decoder: { type in
                    RecordDecoder(
                        type: type,
                        catalog: catalog,
                        limits: configuration.ingest.limits,
                        keepProvenance: configuration.ingest.keepProvenance,
                        provenanceKeys: configuration.ingest.provenanceKeys
                    )
                },
                isDryRun: isDryRun,
                now: Timestamp(micros: WallClock.now())
            )
            let outcome = try await replay.run(filter, limit: invocation.number("--limit") ?? .max)
            for line in QuarantineText.replayed(outcome, isDryRun) { StandardOutput.line(line) }
            return 0
        }
    }

    func drop() async throws -> Int32 {
        let (filter, isDryRun) = (try filter(), invocation.flags["--dry-run"] != nil)
        guard (filter == QuarantineFilter()) == (invocation.flags["--all"] != nil) else {
            throw UsageError(
                "quarantine drop deletes for good: say what by --type, --reason, --stream or --since, or say --all"
            )
        }
        return try await withHot { connection, _ in
            let desk = QuarantineDesk(catalog: catalog, connection: connection)
            let count = isDryRun ? try await desk.count(filter).messages : try await desk.drop(filter)
            StandardOutput.line("\(count) messages \(isDryRun ? "would be dropped" : "dropped")")
            return 0
        }
    }

    private func filter() throws(UsageError) -> QuarantineFilter {
        var filter = QuarantineFilter()
        if let name = invocation.text("--type") {
            let names = catalog.types.map(\.name)
            guard name == "unknown" || names.contains(name) else {
                throw UsageError("--type: \"\(name)\", expected one of \(names.joined(separator: ", ")), unknown")
            }
            filter.type = name == "unknown" ? .unknown : .known(name)
        }
        filter.reason = invocation.text("--reason")
        filter.stream = invocation.text("--stream")
        filter.since = try invocation.time("--since")
        return filter
    }

    /// Runs `body` in a session with a hot database whose schema is ours.
    private func withHot(
        _ body: (PostgresConnection, Configuration) async throws -> Int32
    ) async throws -> Int32 {
        let configuration = try invocation.load(for: [.hot]).configuration
        let hot = PostgresHot(settings: try configuration.hotSettings(), catalog: configuration.catalog(catalog))
        let connection = try await hot.connectChecked("thermocline quarantine")
        do {
            let code = try await body(connection, configuration)
            await connection.close()
            return code
        } catch {
            await connection.close()
            throw error
        }
    }
}

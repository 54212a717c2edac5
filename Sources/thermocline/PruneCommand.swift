import Adapters
import Configuration
import Platform
import Records

/// `thermocline prune --dry-run`: says what would leave hot now, and changes nothing.
struct PruneCommand {
    private let invocation: Invocation

    init(_ invocation: Invocation) { self.invocation = invocation }

    func run() async throws -> Int32 {
        guard invocation.flags["--dry-run"] != nil else {
            throw UsageError(
                "prune only says what would leave hot: add --dry-run. The cold service prunes by itself what is due; "
                    + "POST /transfers with \"prune\": true prunes ranges before that"
            )
        }
        let configuration = try invocation.load(for: [.hot, .cold]).configuration
        let catalog = configuration.catalog(.standard)
        var types = catalog.types.filter { configuration[$0.name].enabled }
        if let name = invocation.text("--type") {
            let names = types.map(\.name)
            guard names.contains(name) else {
                throw UsageError("--type: \"\(name)\", expected one of \(names.joined(separator: ", "))")
            }
            types = types.filter { $0.name == name }
        }
        let desk = PruneDesk(
            tiers: try configuration.archiveTiers(catalog),
            types: types,
            policy: configuration.archivePolicy(types),
            now: { Timestamp(micros: WallClock.now()) }
        )
        for line in Self.text(try await desk.forecast()) { StandardOutput.line(QuarantineText.visible(line)) }
        return 0
    }

    /// What leaves with its SQL, what stays with its reason, then a summary.
    private static func text(_ forecast: PruneForecast) -> [String] {
        let leaving = forecast.leaving.flatMap { leaving in
            ["\(leaving.type) \(leaving.range): \(leaving.ranges) ranges, \(leaving.rows) rows, \(leaving.bytes) bytes"]
                + leaving.statements.map { "    \($0)" }
        }
        let staying = forecast.staying.map { "\($0.type) \($0.range): \($0.rows) rows stay: \($0.reason)" }
        let rows = forecast.leaving.reduce(0) { $0 + $1.rows }
        let bytes = forecast.leaving.reduce(0) { $0 + $1.bytes }
        return leaving + staying + ["\(rows) rows, \(bytes) bytes would leave hot now; nothing was changed"]
    }
}

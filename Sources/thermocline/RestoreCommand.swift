import Adapters
import Configuration
import Platform
import Records
import Tiering

/// `thermocline pin|undo|restore`: keeps rows in hot, or brings them back, beside whatever service runs.
struct RestoreCommand {
    private static let defaultSpan = Duration.seconds(7 * 86_400)
    private let invocation: Invocation

    init(_ invocation: Invocation) { self.invocation = invocation }

    func pin() async throws -> Int32 {
        let (type, range) = try selection()
        let pin = try await desk().pin(
            type,
            range,
            reason: invocation.text("--reason") ?? "none given",
            for: try span("--for")
        )
        line("\(pin.id): \(type.name) \(range) is pinned until \(pin.expiresAt)")
        return 0
    }

    func pins() async throws -> Int32 {
        let pins = try await desk().pins()
        for pin in pins.sorted(by: { ($0.range.start, $0.type) < ($1.range.start, $1.type) }) {
            line("\(pin.id): \(pin.type) \(pin.range) \(pin.refusal)")
        }
        if pins.isEmpty { line("nothing is pinned") }
        return 0
    }

    func unpin() async throws -> Int32 {
        let id = invocation.arguments[0]
        guard try await desk().unpin(id) else {
            line("there is no pin \(id); `thermocline pin list` shows those there are")
            return 1
        }
        line("\(id) is removed: what it kept may be pruned again")
        return 0
    }

    func undo() async throws -> Int32 {
        let (type, range) = try selection()
        let undone = try await desk().undo(type, range, keeping: try span("--keep"))
        for partition in undone {
            line(
                partition.isBack
                    ? "\(partition.name): \(partition.rows) rows are back in hot, and pinned"
                    : "\(partition.name): hot holds other rows under keys of it; what was missing is back, and "
                        + "it rests on beside hot as thermocline_pruned.\(partition.name)"
            )
        }
        if undone.isEmpty {
            line("nothing of \(type.name) \(range) rests in hot; `thermocline restore` brings it back from cold")
        }
        return undone.isEmpty || undone.contains { !$0.isBack } ? 1 : 0
    }

    func restore() async throws -> Int32 {
        let (type, range) = try selection()
        let done = Locked<[Restored]>([])
        try await desk().restore(type, range, keeping: try span("--keep")) { one in
            done.withLock { $0.append(one) }
            let differing =
                one.differing > 0 ? "; of \(one.differing) keys hot holds other content, and keeps its own" : ""
            line("\(type.name) \(one.range): \(one.rows) rows are in hot, proved\(differing)")
        }
        let restored = done.withLock { $0 }
        guard !restored.isEmpty else {
            line("cold holds no proved range of \(type.name) \(range): nothing was restored")
            return 1
        }
        line("\(restored.reduce(0) { $0 + $1.rows }) rows of \(restored.count) ranges are back, and pinned")
        return 0
    }

    private func desk() throws -> RestoreDesk {
        let configuration = try invocation.load(for: [.hot, .cold]).configuration
        return RestoreDesk(
            tiers: try configuration.archiveTiers(configuration.catalog(.standard)),
            bucketMicros: configuration.archive.bucket.micros,
            concurrency: configuration.archive.concurrency
        )
    }

    private func selection() throws(UsageError) -> (RecordType, TimeRange) {
        let names = Catalog.standard.types.map(\.name)
        guard let name = invocation.text("--type"), let type = Catalog.standard.types.first(where: { $0.name == name })
        else { throw UsageError("--type: expected one of \(names.joined(separator: ", "))") }
        guard let from = try invocation.time("--from") else { throw UsageError("--from: where does it start?") }
        let to = try invocation.time("--to") ?? Timestamp(micros: WallClock.now())
        guard from < to else { throw UsageError("--from \(from) is not before --to \(to)") }
        return (type, TimeRange(start: from, end: to))
    }

    private func span(_ flag: String) throws(UsageError) -> Duration {
        guard let text = invocation.text(flag) else { return Self.defaultSpan }
        do throws(UnitError) {
            let span = try HumanUnits.duration(text)
            if span > .zero { return span }
        } catch {}
        throw UsageError("\(flag): \"\(text)\", expected a duration such as 12h or 7d")
    }

    private func line(_ text: String) { StandardOutput.line(QuarantineText.visible(text)) }
}

import Digest
import Platform
import Records
import Tiering

/// Reading cold again in a simulated world, and rows of it that change behind everybody's back.
extension World {
    /// Age of a proof at which a range is read again.
    private static let every = Duration.seconds(600)

    /// Reads cold again, now and then after a row of it was damaged: that is found, and halts its type alone.
    func scrub() async throws(Invariants.Violation) {
        guard options.faultShare > 0, await cold.fence > 0 else { return }
        trace.count("scrub")
        let victim = draw(2) == 0 ? await damage() : nil
        await readAgain()
        guard let victim else { return try await check() }
        try await expectHalted(victim)
        // The other types go on meanwhile.
        for process in archive { await process.step(.work) }
        try await expectHalted(victim)
        trace.add("  cold is mended")
        await cold.mend()
        await cold.request("request-of-mended", type: victim.type, range: victim.range, prunes: false)
        try await check()
    }

    /// Damages a row of a range that is proved; nil where there is none.
    private func damage() async -> Transfer? {
        let limit = clock.timestamp.advanced(byMicros: -Self.every.micros)
        let due = await cold.ledger.filter { transfer in
            transfer.isProved && (transfer.cold?.rows ?? 0) > 0 && transfer.provedAt.map { $0 <= limit } == true
        }
        guard !due.isEmpty else { return nil }
        let victim = due[draw(due.count)]
        if draw(2) == 0 {
            await cold.loseRow(of: victim.type, in: victim.range)
        } else {
            await cold.flipBit(of: victim.type, in: victim.range)
        }
        guard await cold.isDamaged else { return nil }
        trace.add("  a row of \(victim.type) \(victim.range.start.micros) is damaged in cold")
        trace.count("cold damaged")
        return victim
    }

    /// The scrub itself, in sessions that do not fail, under the token that archives.
    private func readAgain() async {
        let (token, clock, trace) = (await cold.fence, clock, trace)
        let board = ArchiveBoard()
        board.update { $0.token = token }
        let scrub = ScrubService(
            tiers: MemoryTiers(hot: hot, cold: cold, holder: "scrub"),
            types: options.catalog.types,
            settings: ScrubSettings(bytesPerSecond: .max, every: Self.every, namedRows: 3),
            clock: ContinuousClock(),
            now: { clock.timestamp },
            board: board,
            report: { ArchiveProcess.report($0, by: "scrub", to: trace) }
        )
        do throws(StoreError) { _ = try await scrub.scrub(token, until: Latch()) } catch {
            // A take-over raised hot's fence and not cold's yet.
            trace.add("  the scrub stopped: \(error)")
        }
    }

    private func expectHalted(_ victim: Transfer) async throws(Invariants.Violation) {
        let halted = await cold.ledger.filter { $0.state == .mismatched }
        let error = halted.first?.error ?? ""
        let isTold = error.contains("scrub: cold holds") && error.contains("to go on")
        guard halted.map(\.range) == [victim.range], halted.map(\.type) == [victim.type], isTold else {
            let detail = "\(victim.range) was damaged in cold, and the scrub says \(halted.map(\.range)): \(error)"
            throw Invariants.Violation(rule: .coldNeverShrinks, type: victim.type, detail: detail)
        }
    }
}

import Records
import Tiering

/// The end of a simulated world: everything is read and moved, and the audit must be exact.
extension World {
    /// Ends all faults, lets everything be read and moved, and compares the tiers with what was published.
    package nonisolated func converge() async throws(Invariants.Violation) -> SetReport {
        try await onOneThread { () throws(Invariants.Violation) in try await self.end() }
    }

    private func end() async throws(Invariants.Violation) -> SetReport {
        await start()
        await endFaults()
        for round in 0..<40 {
            trace.add("round \(round) at \(clock.timestamp.micros)")
            if await settleOnce() { break }
            try await check()
        }
        try await check()
        let before = await cold.ledger + cold.parts
        _ = await settleOnce()
        let after = await cold.ledger + cold.parts
        guard before.map(\.state) == after.map(\.state), before.map(\.manifest) == after.map(\.manifest) else {
            throw Invariants.Violation(rule: .provedBeforePruned, type: "all", detail: "a second pass moved something")
        }
        return try await audit()
    }

    private func endFaults() async {
        trace.add("no more faults")
        await server.setClock(aheadBy: 0)
        await hot.setEndsSessions(true)
        await cold.setEndsSessions(true)
        for index in 0..<2 {
            await ingest[index].die(sessionsLinger: false)
            archive[index].faults.kill()
            ingest[index] = newIngest(index)
            archive[index] = newArchive(index)
            ingest[index].faults.stop()
            archive[index].faults.stop()
            archive[index].faults.interrupt(with: nil)
        }
        clock.advance(by: .seconds(3_600))
    }

    /// Drains every lane and archives once; true where nothing is left to do.
    private func settleOnce() async -> Bool {
        let before = await states()
        for lane in lanes.indices {
            for _ in 0..<2_000 {
                await ingest[0].step(lane, prefersCommit: true)
                if await ingest[0].isDrained(lane) { break }
            }
            await followPosition(of: lanes[lane].source)
        }
        await archive[0].step(.work)
        await archive[0].step(.work)
        let (after, ledger) = await (states(), cold.ledger)
        let gone = Set(ledger.lazy.filter { $0.state == .expired }.map { HotPartition(type: $0.type, range: $0.range) })
        let rest = await cold.parts.filter { !gone.contains(HotPartition(type: $0.type, range: $0.range)) }
        return before == after && rest.allSatisfy { $0.state == .verified }
            && ledger.allSatisfy { [.verified, .pruned, .expired].contains($0.state) }
    }

    private func states() async -> [Transfer.State] { await cold.ledger.map(\.state) + cold.parts.map(\.state) }

    private func audit() async throws(Invariants.Violation) -> SetReport {
        let excused = publications.excused(by: await hot.gaps)
        var checker = SetChecker<String>()
        var found: Set<String> = []
        for type in options.catalog.types {
            let evidence = await evidence(of: type.name)
            try Invariants.checkConverged(evidence, except: excused)
            let rows = Set(evidence.hot.rows.keys).union(evidence.cold.rows.keys).union(evidence.expired.keys)
            for identity in rows { checker.store(identity) }
            for identity in evidence.quarantined { checker.quarantine(identity) }
            found.formUnion(rows)
            found.formUnion(evidence.quarantined)
        }
        for entry in publications.entries {
            // A conflict is found by its own name, the first under its key by the name of its row; a message that was
            // read again when another had taken its place in hot, by both.
            let isAside = entry.identity != entry.quarantined && found.contains(entry.quarantined)
            if isAside { checker.publish(entry.quarantined) }
            if found.contains(entry.identity) || !(isAside || excused.contains(entry.identity)) {
                checker.publish(entry.identity)
            }
        }
        return checker.report
    }
}

import Digest
package import Platform
package import Records

/// How the background scrub reads.
package struct ScrubSettings: Sendable {
    /// Bytes a second; 0 reads nothing.
    package var bytesPerSecond: Int
    /// Age of a range's last proof from which it is read again.
    package var every: Duration
    /// Rows of a mismatch that are named with both versions.
    package var namedRows: Int

    package init(bytesPerSecond: Int, every: Duration, namedRows: Int) {
        self.bytesPerSecond = bytesPerSecond
        self.every = every
        self.namedRows = namedRows
    }
}

/// Reads cold again, for ever and slowly: the range whose proof is the oldest first, in a session of its own.
///
/// It works under the archiver's token and only while that is held; ranges and their proofs are compared as of one
/// instant, so that a copy in hand is no difference.
package struct ScrubService<Tiers: ArchiveTiers, C: Clock>: Service where C.Duration == Duration {
    package let name = "scrub"
    private let tiers: Tiers
    private let types: [RecordType]
    private let settings: ScrubSettings
    private let clock: C
    private let now: @Sendable () -> Timestamp
    private let board: ArchiveBoard
    private let report: @Sendable (ArchiveEvent) -> Void

    package init(
        tiers: Tiers,
        types: [RecordType],
        settings: ScrubSettings,
        clock: C,
        now: @escaping @Sendable () -> Timestamp,
        board: ArchiveBoard,
        report: @escaping @Sendable (ArchiveEvent) -> Void
    ) {
        self.tiers = tiers
        self.types = types
        self.settings = settings
        self.clock = clock
        self.now = now
        self.board = board
        self.report = report
    }

    package func run(until stop: Latch) async throws {
        guard settings.bytesPerSecond > 0 else { return await stop.wait() }
        var retry = Backoff(first: .seconds(1), limit: .seconds(60))
        while !stop.isOpen && !Task.isCancelled {
            guard let token = board.current.token else {
                try await stop.wait(for: .seconds(1), clock: clock)
                continue
            }
            do throws(StoreError) {
                let rest = try await scrub(token, until: stop)
                retry.reset()
                try await wait(rest, stop)
            } catch {
                if stop.isOpen || Task.isCancelled { break }
                report(.scrubFailed(detail: "\(error)", error.disposition))
                try await stop.wait(for: retry.next(), clock: clock)
            }
        }
    }

    private func wait(_ span: Duration, _ stop: Latch) async throws(StoreError) {
        do { try await stop.wait(for: span, clock: clock) } catch { throw Self.stopped }
    }

    private static var stopped: StoreError {
        StoreError(.timeout, .retry, tier: "cold", operation: "scrub", detail: "stopped")
    }

    /// Reads every range that is due; returns how long to wait before looking again.
    package func scrub(_ token: Int64, until stop: Latch) async throws(StoreError) -> Duration {
        let target = try await tiers.openTarget(token)
        do throws(StoreError) {
            let rest = try await scrub(target, token, until: stop)
            await target.close()
            return rest
        } catch {
            await target.close()
            throw error
        }
    }

    private func scrub(_ target: Tiers.Target, _ token: Int64, until stop: Latch) async throws(StoreError) -> Duration {
        // A minute: ranges that are proved meanwhile are not due before `every`, but a range may be asked for.
        let longest = Duration.seconds(60)
        while !stop.isOpen, board.current.token == token {
            guard let oldest = try await target.oldestProved(of: types),
                let type = types.first(where: { $0.name == oldest.type })
            else { return min(longest, settings.every) }
            let due = (oldest.provedAt ?? now()).advanced(byMicros: settings.every.micros)
            if due > now() { return min(longest, .microseconds(due.micros - now().micros)) }
            let began = clock.now
            var read = 0
            let found = try await target.reprove(oldest, type: type) { bytes throws(StoreError) in
                read += bytes
                let span = Duration.seconds(Double(read) / Double(settings.bytesPerSecond))
                let ahead = clock.now.duration(to: began.advanced(by: span))
                // Shorter waits add up to one.
                if ahead > .milliseconds(10) { try await wait(ahead, stop) }
                if stop.isOpen { throw Self.stopped }
            }
            // Copied meanwhile: it is proved by the archiver, and looked at again in a moment.
            guard let found else { return min(.seconds(1), settings.every) }
            try await record(found, type, target, token)
        }
        return .zero
    }

    private func record(
        _ found: Reproof,
        _ type: RecordType,
        _ target: Tiers.Target,
        _ token: Int64
    ) async throws(StoreError) {
        var transfer = found.transfer
        let before = transfer.state
        if let finding = found.finding { transfer.mismatched("scrub: \(finding)") } else { transfer.scrubbedAt = now() }
        guard try await target.recordScrubbed(transfer) else { return }
        board.update { status in
            status.types[type.name, default: .init()].scrubbed.add(rows: found.found?.rows ?? 0, bytes: found.bytes)
        }
        guard found.finding != nil else { return }
        transfer.explain(await rows(of: transfer, type, target, token))
        // The halt stands already: what is added are the rows.
        try await target.record(transfer)
        let named = transfer
        board.update { $0.moved(named, from: before) }
        report(.moved(named, from: before))
    }

    private func rows(
        of transfer: Transfer,
        _ type: RecordType,
        _ target: Tiers.Target,
        _ token: Int64
    ) async -> String {
        do throws(StoreError) {
            let source = try await tiers.openSource(token)
            let rows = await target.differingRows(of: transfer, type, source, limit: settings.namedRows)
            await source.close()
            return rows
        } catch {
            return "which rows cannot be told: \(error)"
        }
    }
}

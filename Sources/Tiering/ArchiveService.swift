package import Platform

/// Keeps the archive going for ever: takes the lease, renews it, and runs a pass every interval or when asked.
package struct ArchiveService<Tiers: ArchiveTiers, C: Clock>: Service where C.Duration == Duration {
    package let name = "archive"
    private let archiver: Archiver<Tiers>
    private let tiers: Tiers
    private let clock: C
    /// Between the starts of two passes.
    private let interval: Duration
    /// How long the lease lasts; it is renewed three times as often.
    private let lease: Duration
    private let bell: Bell
    private let board: ArchiveBoard
    private let report: @Sendable (ArchiveEvent) -> Void

    package init(
        _ archiver: Archiver<Tiers>,
        tiers: Tiers,
        clock: C,
        interval: Duration,
        lease: Duration,
        bell: Bell,
        board: ArchiveBoard,
        report: @escaping @Sendable (ArchiveEvent) -> Void
    ) {
        self.archiver = archiver
        self.tiers = tiers
        self.clock = clock
        self.interval = interval
        self.lease = lease
        self.bell = bell
        self.board = board
        self.report = report
    }

    package func run(until stop: Latch) async throws {
        var retry = Backoff(first: .milliseconds(200), limit: .seconds(10))
        var halt = Backoff(first: .seconds(1), limit: .seconds(60))
        while !stop.isOpen && !Task.isCancelled {
            let begun = clock.now
            var held: Int64?
            do {
                switch try await tiers.acquireLease() {
                case .heldBy(let holder):
                    report(.leaseHeld(by: holder))
                    board.update {
                        $0.state = .waiting
                        $0.trouble = "another archiver, \(holder), holds the lease; waiting for it to stop"
                    }
                    try await stop.wait(for: lease / 3, clock: clock)
                case .held(let token, let isNew):
                    held = token
                    if isNew { try await tiers.takeOver(token) }
                    report(.leaseTaken(token: token))
                    board.update {
                        $0.token = token
                        $0.state = .archiving
                        $0.trouble = nil
                    }
                    try await archive(token, until: stop)
                    try await tiers.releaseLease(token)
                }
            } catch {
                if Task.isCancelled { break }  // no failure: the grace is over
                // What ran longer than the longest wait did work, and this failure is a first one.
                if begun.duration(to: clock.now) > halt.limit {
                    retry.reset()
                    halt.reset()
                }
                if let held, (error as? StoreError)?.code == .fenced { await giveUp(held) }
                try await stop.wait(for: failed(error) == .halt ? halt.next() : retry.next(), clock: clock)
            }
            board.update { $0.token = nil }
        }
        board.update { $0.state = .stopped }
    }

    /// Lets a lease go whose token a fence no longer knows, so that the next one comes with a take-over.
    private func giveUp(_ token: Int64) async {
        do throws(StoreError) { try await tiers.releaseLease(token) } catch {
            report(.passFailed(detail: "\(error)", .retry))  // it runs out by itself
        }
    }

    private func failed(_ error: any Error) -> Disposition {
        let disposition = (error as? StoreError)?.disposition ?? .halt
        report(.passFailed(detail: "\(error)", disposition))
        board.update {
            $0.state = .degraded
            $0.needsOperator = disposition == .halt
            $0.trouble = "\(error); nothing was pruned that is not verified, and the archiver tries again by itself"
        }
        return disposition
    }

    /// Runs passes while the lease is renewed beside them; the first of the two to end ends the other.
    private func archive(_ token: Int64, until stop: Latch) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.passes(token, until: stop) }
            group.addTask { try await self.renew(token) }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func passes(_ token: Int64, until stop: Latch) async throws {
        while !stop.isOpen {
            try Task.checkCancellation()
            let next = clock.now.advanced(by: interval)
            do throws(StoreError) {
                try await archiver.pass(token: token) { stop.isOpen }
            } catch {
                // What another archiver fenced off is over; what failed otherwise is looked at again in the next pass.
                guard error.code != .fenced else { throw error }
                try await stop.wait(
                    for: min(interval, failed(error) == .halt ? .seconds(30) : .seconds(1)),
                    clock: clock
                )
                continue
            }
            if stop.isOpen { return }
            try await bell.wait(until: next, clock: clock, orFor: stop)
        }
    }

    private func renew(_ token: Int64) async throws {
        while true {
            try await clock.sleep(for: lease / 3)
            do throws(StoreError) {
                guard try await tiers.renewLease(token) else {
                    report(.leaseLost(token: token))
                    throw StoreError(
                        .fenced,
                        .retry,
                        tier: "cold",
                        operation: "renew the lease",
                        detail: "another archiver took it"
                    )
                }
            } catch {
                // Unreachable is no loss: the fence decides what may still be done, and the lease is asked for again.
                guard error.disposition == .retry, error.code != .fenced else { throw error }
            }
        }
    }
}

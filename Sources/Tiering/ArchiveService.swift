package import Platform
package import Records

/// Keeps the archive going for ever: takes the lease, renews it, and runs a pass when one is due or asked for.
package struct ArchiveService<Tiers: ArchiveTiers, C: Clock>: Service where C.Duration == Duration {
    package let name = "archive"
    private let archiver: Archiver<Tiers>
    private let tiers: Tiers
    private let clock: C
    private let schedule: ArchiveSchedule
    private let now: @Sendable () -> Timestamp
    /// How long the lease lasts; it is renewed three times as often.
    private let lease: Duration
    private let bell: Bell
    private let board: ArchiveBoard
    private let report: @Sendable (ArchiveEvent) -> Void

    package init(
        _ archiver: Archiver<Tiers>,
        tiers: Tiers,
        clock: C,
        schedule: ArchiveSchedule,
        now: @escaping @Sendable () -> Timestamp,
        lease: Duration,
        bell: Bell,
        board: ArchiveBoard,
        report: @escaping @Sendable (ArchiveEvent) -> Void
    ) {
        self.archiver = archiver
        self.tiers = tiers
        self.clock = clock
        self.schedule = schedule
        self.now = now
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
                        // What this one failed at is the other one's now.
                        $0.needsOperator = false
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
        var last = schedule.reference(recorded: try await recordedPass(), at: now())
        var wall = Wall()
        while !stop.isOpen {
            try await waitForPass(after: last, by: &wall, until: stop)
            if stop.isOpen { return }
            let (begun, zone) = (now(), wall.zone)
            do throws(StoreError) {
                try await archiver.pass(token: token) { stop.isOpen || !schedule.isOpen(at: now(), in: zone) }
                if case .cron = schedule.rhythm { try await tiers.recordPass(token, at: begun) }
                last = begun
            } catch {
                // What another archiver fenced off is over; what failed otherwise is looked at again in the next pass.
                guard error.code != .fenced else { throw error }
                let wait = failed(error) == .halt ? Duration.seconds(30) : .seconds(1)
                if case .every(let interval) = schedule.rhythm {
                    try await stop.wait(for: min(interval, wait), clock: clock)
                } else {
                    try await stop.wait(for: wait, clock: clock)
                }
            }
        }
    }

    private func recordedPass() async throws(StoreError) -> Timestamp? {
        guard case .cron = schedule.rhythm else { return nil }
        return try await tiers.recordedPass()
    }

    /// Waits until a pass is due after that of `last`, or is asked for in a part of the day in which it may run.
    private func waitForPass(after last: Timestamp, by wall: inout Wall, until stop: Latch) async throws {
        var last = last
        var isAsked = false
        while true {
            try Task.checkCancellation()
            let now = now()
            // A wall clock that was put back makes no wait longer than it was.
            last = min(last, now)
            if schedule.needsLocalTime, wall.isOld(at: now) {
                wall = Wall(zone: try await tiers.localTime(of: schedule.timeZone, at: now), readAt: now)
            }
            let isOpen = schedule.isOpen(at: now, in: wall.zone)
            let next = schedule.nextPass(after: last, at: now, in: wall.zone)
            board.update {
                $0.nextPass = next
                $0.paused = isOpen ? nil : "archive.windows are shut until \(next)"
            }
            if stop.isOpen || isOpen && (isAsked || next <= now) { return }
            // The wall clock may jump: it is looked at again.
            let wait = min(.microseconds(next.micros - now.micros), Self.look)
            isAsked = try await bell.wait(until: clock.now.advanced(by: wait), clock: clock, orFor: stop) || isAsked
        }
    }

    private static var look: Duration { .seconds(60) }

    /// The clock on the wall, asked for anew each day, because rules change and what was read ends.
    private struct Wall {
        var zone = LocalTime.utc
        var readAt: Timestamp?

        func isOld(at now: Timestamp) -> Bool {
            readAt.map { now < $0 || now.micros - $0.micros > 86_400_000_000 } ?? true
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

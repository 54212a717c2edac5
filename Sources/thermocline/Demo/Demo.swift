import Configuration
import Platform
import PrivateServers
import Records
import Simulation
import Tiering

/// One run of the demo: servers, both roles, a feed; then drain, let the archive catch up, stop, audit.
struct Demo: Sendable {
    /// How long the feed runs; nil means until stopped.
    let length: Duration?
    /// Messages a second.
    let rate: Double
    let seed: UInt64

    private static let clock = ContinuousClock()
    /// Lanes read within a second or two; a loaded machine takes longer.
    private static let startLimit = Duration.seconds(60)
    /// Longer than any pause of a healthy lane: nothing stored for so long means that nothing more will be.
    private static let stallLimit = Duration.seconds(20)
    /// After the last range has closed; passes follow each other in half a second.
    private static let settleLimit = Duration.seconds(30)

    /// Runs until the length is over or `stop` opens, then audits; `atOnce` ends everything unaudited.
    func run(until stop: Latch, orAtOnce atOnce: Latch) async throws -> DemoVerdict {
        StandardOutput.line("thermocline demo: starting a nats-server and two PostgreSQL clusters of its own ...")
        let servers = try await DemoServers.start()
        let verdict: Result<DemoVerdict, any Error>
        do {
            verdict = .success(try await run(on: servers, until: stop, orAtOnce: atOnce))
        } catch {
            let log = servers.troubles
            verdict = .failure(atOnce.isOpen ? DemoError("stopped at once, not audited") : DemoError("\(error)", log))
        }
        await servers.remove()
        return try verdict.get()
    }

    private func run(
        on servers: DemoServers,
        until stop: Latch,
        orAtOnce atOnce: Latch
    ) async throws -> DemoVerdict {
        let roles = Roles(servers.configuration, catalog: .standard, log: servers.log)
        let board = DemoBoard(roles: roles, length: length)
        let shown = Latch()
        return try await withThrowingTaskGroup(of: DemoVerdict?.self) { group in
            group.addTask {
                try await DemoDisplay(servers: servers).run(board, until: shown)
                return nil
            }
            group.addTask {
                await atOnce.wait()
                if atOnce.isOpen { throw CancellationError() }
                return nil
            }
            group.addTask {
                let ended = try await conduct(board, roles, servers, until: stop)
                board.enter(.auditing)
                let verdict = try await DemoAudit(servers, board.published, ended, types: board.types).run()
                board.enter(.over)
                shown.open()
                return verdict
            }
            // The display and the verdict; who waits for a reason to end at once returns only by throwing.
            var verdict: DemoVerdict?
            for _ in 0..<2 {
                if let ended = try await group.next() { verdict = ended ?? verdict }
            }
            group.cancelAll()
            guard let verdict else { throw CancellationError() }
            return verdict
        }
    }

    /// Runs the roles from the first message until the archive has caught up.
    private func conduct(
        _ board: DemoBoard,
        _ roles: Roles,
        _ servers: DemoServers,
        until stop: Latch
    ) async throws -> DemoEnd {
        let services = try ServiceGroup(
            roles.services(.both),
            grace: servers.configuration.shutdown.grace,
            clock: Self.clock
        )
        let publisher = try await FeedPublisher(url: servers.configuration.nats.url)
        let done = Latch()
        let end = try await withThrowingTaskGroup(of: DemoEnd?.self) { group in
            group.addTask {
                try await services.run(until: done)
                return nil
            }
            group.addTask {
                defer { done.open() }
                return try await act(board, publisher, servers.configuration, until: stop)
            }
            var end: DemoEnd?
            while let ended = try await group.next() { end = ended ?? end }
            return end ?? DemoEnd()
        }
        await publisher.close()
        return end
    }

    private func act(
        _ board: DemoBoard,
        _ publisher: FeedPublisher,
        _ configuration: Configuration,
        until stop: Latch
    ) async throws -> DemoEnd {
        // Core NATS messages that no stream captures are gone: nothing is published before everything listens.
        guard try await holds(within: Self.startLimit, { stop.isOpen || board.isReading }) else {
            throw DemoError("the lanes do not read: \(board.trouble.joined(separator: "; "))")
        }
        board.enter(.running)
        var options = Feed.Options()
        options.rate = rate
        let feed = Feed(seed: seed, start: Timestamp(micros: WallClock.now()), options: options)
        try await publisher.run(feed, for: length, until: stop) { board.note($0) }
        board.enter(.draining)
        var end = DemoEnd()
        end.hasDrained = try await drains(board)
        board.enter(.settling)
        end.hasSettled = try await settles(board, configuration)
        return end
    }

    /// Whether everything published is settled before nothing moves any more.
    private func drains(_ board: DemoBoard) async throws -> Bool {
        var settled = -1
        while settled < board.publishedCount {
            let before = board.settled
            settled = before
            if before >= board.publishedCount { break }
            guard try await holds(within: Self.stallLimit, { board.settled > before }) else { return false }
        }
        return true
    }

    /// Whether the archive has looked at every range after it closed and left none half done.
    private func settles(_ board: DemoBoard, _ configuration: Configuration) async throws -> Bool {
        let archive = configuration.archive
        // The feed's clocks run at most a second ahead; then the last range has to end and the safety lag to pass.
        try await Self.clock.sleep(for: .seconds(1) + archive.range + archive.safetyLag)
        // The pass under way may have been planned before: the one after it saw everything.
        let passes = board.passes + 2
        return try await holds(within: Self.settleLimit) { board.passes >= passes && board.isSettled }
    }

    /// Asks ten times a second until `condition` holds; false where it does not within `limit`.
    private func holds(within limit: Duration, _ condition: () -> Bool) async throws -> Bool {
        let deadline = Self.clock.now.advanced(by: limit)
        while !condition() {
            guard Self.clock.now < deadline else { return false }
            try await Self.clock.sleep(for: .milliseconds(100))
        }
        return true
    }
}

/// How the feed and the archive ended.
struct DemoEnd: Sendable {
    /// Whether everything published was stored, repeated or quarantined before nothing moved any more.
    var hasDrained = false
    /// Whether the archive came to rest.
    var hasSettled = false
}

/// A demo that came to no verdict.
struct DemoError: Error, CustomStringConvertible {
    let description: String

    /// `log` is what the roles and the servers wrote last.
    init(_ reason: String, _ log: String = "") {
        description = log.isEmpty ? "demo: \(reason)" : "demo: \(reason)\n\(log)"
    }
}

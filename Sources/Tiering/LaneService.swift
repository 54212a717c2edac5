package import Platform

/// Keeps one lane going for ever: opens it, reads, and after any failure starts over from the position.
package struct LaneService<Streams: MessageStreams, Hot: HotTier, C: Clock>: Service where C.Duration == Duration {
    package let name: String
    private let runner: LaneRunner<Streams, Hot, C>
    private let clock: C

    package init(_ runner: LaneRunner<Streams, Hot, C>, clock: C) {
        name = "lane \(runner.settings.source)"
        self.runner = runner
        self.clock = clock
    }

    /// Lists with the lane's next batch that no stream captured its type for a while.
    package func noteUncaptured() async { await runner.noteUncaptured() }

    /// Returns when `stop` opens, with the batch at hand committed.
    package func run(until stop: Latch) async throws {
        // The cause is outside and passes, or it takes an operator: either way the lane waits, and says what for.
        var retry = Backoff(first: .milliseconds(100), limit: .seconds(5))
        var halt = Backoff(first: .seconds(1), limit: .seconds(30))
        while !stop.isOpen && !Task.isCancelled {
            let begun = clock.now
            do {
                // False where another instance holds the lane: asked again until it stops.
                _ = try await runner.ingest(until: stop)
                if stop.isOpen { break }
                try await stop.wait(for: .seconds(1), clock: clock)
            } catch {
                if Task.isCancelled { break }  // no failure: the grace is over
                // What ran longer than the longest wait did work, and this failure is a first one.
                if begun.duration(to: clock.now) > halt.limit {
                    retry.reset()
                    halt.reset()
                }
                let wait = await runner.failed(error) == .halt ? halt.next() : retry.next()
                try await stop.wait(for: wait, clock: clock)
            }
        }
        await runner.stopped()
    }
}

import Tiering

/// What happens to streams and sessions in a simulated world, beside the faults of single operations.
extension World {
    func trouble() async {
        guard options.faultShare > 0 else { return }
        let stream = streams[draw(streams.count)]
        switch draw(16) {
        case 0..<2: await discard(stream)
        case 2: await recreate(stream)
        case 3: await restore(stream)
        case 4:
            trace.add("  the server restarts")
            await server.restart()
        case 5..<8:
            let skew = drawSkew()
            trace.add("  the server's clock is \(skew) us ahead")
            trace.count(skew.magnitude < 1 << 36 ? "server's clock stepped" : "server's clock jumped")
            await server.setClock(aheadBy: skew)
        case 8:
            let (index, skew) = (draw(2), drawSkew())
            trace.add("  the clock of ingest \(index) is \(skew) us ahead")
            ingest[index].faults.setClock(aheadBy: skew)
        default:
            let ends = draw(2) == 0
            trace.add("  ending a session \(ends ? "ends it" : "leaves it alive")")
            await hot.setEndsSessions(ends)
            await cold.setEndsSessions(ends)
        }
    }

    /// Microseconds that a clock is wrong by: none, seconds, nearly the day that events may be ahead, or more.
    private func drawSkew() -> Int64 {
        let seconds: [Int64] = [0, 7, 14, 86_000, 90_000]
        return seconds[draw(seconds.count)] * 1_000_000 * (draw(2) == 0 ? 1 : -1)
    }

    /// The stream discards its oldest messages, read or not.
    private func discard(_ stream: String) async {
        let held = await server.messages(of: stream)
        guard let first = held.first?.sequence else { return }
        let below = first + UInt64(draw(held.count + 1))
        trace.add("  \(stream) discards below \(below)")
        trace.count("stream discarded")
        // A lane of a shared stream that goes on reading cannot see this hole: its consumer simply goes on. Where the
        // lanes start over, it is seen by comparing the position with the stream's first sequence.
        if stream == Self.shared { await server.restart() }
        await server.discard(below: below, of: stream)
        guard below > first else { return }
        publications.lost(stream, 0...(below - 1), gaps: await hot.gaps.count)
    }

    private func recreate(_ stream: String) async {
        trace.add("  \(stream) is made again")
        trace.count("stream recreated")
        await server.recreateStream(stream)
        publications.lost(stream, 0...UInt64.max, gaps: await hot.gaps.count)
    }

    /// The stream comes back as it was some messages ago.
    private func restore(_ stream: String) async {
        let held = await server.messages(of: stream)
        guard held.count > 1, await canTellRegression(stream, held) else { return }
        let kept = held[draw(held.count - 1)].sequence
        trace.add("  \(stream) goes back to \(kept)")
        trace.count("stream went back")
        await server.restore(stream, through: kept)
        publications.lost(stream, (kept + 1)...UInt64.max, gaps: await hot.gaps.count)
    }

    /// A position whose message is gone has nothing to be compared by once the stream has grown past it again.
    private func canTellRegression(_ stream: String, _ held: [StreamServer.Message]) async -> Bool {
        for lane in lanes where lane.source.stream == stream {
            guard let position = await hot.position(of: lane.source) else { continue }
            guard position.messageTime != nil, held.contains(where: { $0.sequence == position.sequence }) else {
                return false
            }
        }
        return true
    }
}

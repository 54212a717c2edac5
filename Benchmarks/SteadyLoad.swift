import JetStream
import Platform
import Postgres
import Records
import Simulation

/// Trades at a constant rate into a stream of their own, with the time at which each was published.
///
/// The n-th message has stream sequence n, so that the position of the lane, which is committed with the rows, says
/// what can be queried.
final class SteadyLoad: Sendable {
    let rate: Int
    private let messages: [OutgoingMessage]
    private let stamps = Locked<[Int64]>([])
    private let clock = ContinuousClock()
    private let epoch = ContinuousClock().now

    /// Makes all messages beforehand: making them is not to take time from what is measured.
    init(rate: Int, span: Duration) {
        self.rate = rate
        var feed = Workload.trades.feed(start: Timestamp(micros: WallClock.now()))
        var messages: [OutgoingMessage] = []
        while messages.count < rate * Int(span.components.seconds) {
            let message = feed.next()
            if Workload.trades.includes(message) { messages.append(OutgoingMessage(message.subject, message.payload)) }
        }
        self.messages = messages
    }

    static let streams = Workload.trades.streams

    /// Microseconds since this load was made.
    func now() -> Int64 { (clock.now - epoch).micros }

    /// When the messages so far were published.
    var published: [Int64] { stamps.withLock { $0 } }

    /// How many had been published at `time`.
    func count(at time: Int64) -> Int {
        stamps.withLock { stamps in stamps.lastIndex { $0 <= time }.map { $0 + 1 } ?? 0 }
    }

    /// Publishes what is due every 2 ms, until all is published or `stop` opens; each is stamped before it is sent.
    func publish(to url: String, until stop: Latch) async throws {
        let connection = try await JetStreamConnection(ConnectionOptions(url: url, name: "bench load"))
        let publisher = try JetStreamPublisher(connection)
        let start = clock.now
        var tick = 0
        var next = 0
        while next < messages.count, !stop.isOpen {
            let due = min(messages.count, Int((clock.now - start) / .seconds(1) * Double(rate)))
            if due > next {
                let (stamp, count) = (now(), due - next)
                stamps.withLock { $0.append(contentsOf: repeatElement(stamp, count: count)) }
                try await publisher.publish(Array(messages[next..<due]))
                next = due
            }
            tick += 1
            try await clock.sleep(until: start + .milliseconds(2 * tick), tolerance: .zero)
        }
        await connection.close()
    }
}

/// One look at what can be queried.
struct Sighting: Sendable {
    /// Microseconds, when the question was sent and when the answer was here.
    let asked: Int64
    let answered: Int64
    /// The last message whose row can be queried.
    let position: Int
}

/// Asks the database again and again how far its rows go.
struct Watcher: Sendable {
    let load: SteadyLoad
    let connection: PostgresConnection

    func look() async throws -> Sighting {
        let asked = load.now()
        let answer = try await connection.execute("SELECT max(last_seq) FROM thermocline_store.ingest_position").scalar
        return Sighting(asked: asked, answered: load.now(), position: answer.flatMap { Int($0) } ?? 0)
    }

    /// Looks every millisecond until `isOver` says so.
    ///
    /// Throws: `BenchError` after `limit`.
    func watch(within limit: Duration, until isOver: (Sighting) throws -> Bool) async throws -> [Sighting] {
        let clock = ContinuousClock()
        let deadline = clock.now + limit
        var sightings: [Sighting] = []
        while clock.now < deadline {
            let sighting = try await look()
            sightings.append(sighting)
            if try isOver(sighting) { return sightings }
            try await clock.sleep(for: .milliseconds(1), tolerance: .zero)
        }
        throw BenchError("what was waited for did not come within \(limit)")
    }
}

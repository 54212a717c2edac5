import JetStream
import Platform
import Records
import Simulation
import TestSupport

/// Publishes a lifelike feed into the streams in real time, whatever happens to the server, and keeps the books.
///
/// A message counts as published once the server has said that it is stored; one whose answer was lost is sent again
/// under the same identifier until it is.
actor SoakFeed {
    /// Messages of one attempt: what a fault leaves in doubt is sent again.
    private static let chunk = 500

    private let url: String
    private var feed: Feed
    private var number = 0
    private(set) var published = SetChecker<String>()
    private(set) var acknowledged = 0
    /// Attempts that a fault ended.
    private(set) var failures = 0

    init(url: String, seed: UInt64, rate: Int) {
        self.url = url
        var options = Feed.Options()
        options.rate = Double(rate)
        feed = Feed(seed: seed, start: Timestamp(micros: WallClock.now()), options: options)
    }

    /// Publishes what is due until `stop` opens, and then what had become due by then.
    func run(until stop: Latch) async throws {
        var publisher: Connected?
        while true {
            let isLast = stop.isOpen
            let due = feed.advance(to: Timestamp(micros: WallClock.now()))
            for start in stride(from: 0, to: due.count, by: Self.chunk) {
                try await settle(Array(due[start..<min(start + Self.chunk, due.count)]), &publisher)
            }
            guard !isLast else { break }
            try await stop.wait(for: .milliseconds(20), clock: ContinuousClock())
        }
        await publisher?.connection.close()
    }

    private struct Connected {
        let connection: JetStreamConnection
        let publisher: JetStreamPublisher
    }

    /// Sends until the server has stored all of it.
    private func settle(_ messages: [FeedMessage], _ connected: inout Connected?) async throws {
        let outgoing = messages.map { message in
            number += 1
            return OutgoingMessage(message.subject, message.payload, identifier: message.messageID ?? "soak-\(number)")
        }
        let deadline = ContinuousClock.now + .seconds(60)
        while true {
            do {
                let open = try await connect(connected)
                connected = open
                _ = try await open.publisher.store(outgoing, within: .seconds(5))
                break
            } catch let error as JetStreamError {
                failures += 1
                await connected?.connection.close()
                connected = nil
                guard ContinuousClock.now < deadline else { throw error }
            }
        }
        for message in messages { published.publish(message.identity) }
        acknowledged += messages.count
    }

    private func connect(_ connected: Connected?) async throws -> Connected {
        if let connected { return connected }
        let connection = try await JetStreamConnection(ConnectionOptions(url: url, name: "soak feed"))
        return Connected(connection: connection, publisher: try JetStreamPublisher(connection))
    }
}

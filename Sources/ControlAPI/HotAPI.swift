package import HTTPServer
import Platform
package import Records
package import Tiering

/// The pages of the hot role.
///
/// Every one reads a snapshot: none waits for NATS or the database.
package struct HotAPI: Sendable {
    private let identity: ServiceIdentity
    private let status: @Sendable () -> IngestStatus
    private let now: @Sendable () -> Timestamp

    package init(
        identity: ServiceIdentity,
        status: @escaping @Sendable () -> IngestStatus,
        now: @escaping @Sendable () -> Timestamp
    ) {
        self.identity = identity
        self.status = status
        self.now = now
    }

    package var routes: [Route] {
        [
            Route("GET", "/health", "How ingest is, and what is wrong.") { _ in .now(health()) },
            Route("GET", "/stats", "Each source: counts, position, lag, what the stream still buffers.") { _ in
                .now(stats())
            },
            Route("GET", "/metrics", "The same for Prometheus.") { _ in .now(metrics()) },
        ]
    }

    func health() -> HTTPResponse {
        let ingest = status()
        return Health(ingest, at: now()).response(identity) { json in
            json.field("is_running", ingest.lanes.contains { $0.state == .reading })
            json.field("nats_connected", ingest.isConnected)
            json.field("subscriptions", ingest.lanes.count { $0.state == .reading })
        }
    }

    func stats() -> HTTPResponse {
        let ingest = status()
        let time = now()
        return .json { json in
            json.field("service", identity.service)
            json.field("version", identity.version)
            json.field("uptime", identity.uptimeSeconds)
            json.array("sources") { json in
                for lane in ingest.lanes { json.object { Self.write(lane, at: time, to: &$0) } }
            }
            json.object("waiting") { json in
                for (type, reason) in ingest.waiting.sorted(by: { $0.key < $1.key }) { json.field(type, reason) }
            }
            json.object("uncaptured") { json in
                for (type, patterns) in ingest.uncaptured.sorted(by: { $0.key < $1.key }) where !patterns.isEmpty {
                    json.array(type) { json in for pattern in patterns { json.value(pattern) } }
                }
            }
            json.array("refused") { json in for stream in ingest.refused { json.value(stream) } }
        }
    }

    private static func write(_ lane: LaneStatus, at time: Timestamp, to json: inout JSONWriter) {
        json.field("type", lane.type)
        json.field("stream", lane.source.stream)
        json.field("filter", lane.source.filter)
        json.field("state", lane.state.rawValue)
        json.field("trouble", lane.trouble)
        json.field("received", lane.received)
        json.field("stored", lane.stored)
        json.field("repeated", lane.repeated)
        json.field("quarantined", lane.quarantined)
        json.field("conflicts", lane.conflicts)
        json.field("gaps", lane.gaps)
        json.field("last_gap", lane.lastGap)
        json.field("restarts", lane.restarts)
        json.field("position", lane.position)
        json.field("epoch", lane.epoch)
        json.field("position_time", lane.positionTime?.description)
        json.field("pending", lane.pending)
        json.field("lag_seconds", lane.lagSeconds(at: time))
        json.field("last_progress", lane.lastProgress?.description)
        json.object("buffer") { json in
            guard let stream = lane.stream else { return }
            json.field("messages", stream.messages)
            json.field("bytes", stream.bytes)
            json.field("first_sequence", stream.firstSequence)
            json.field("last_sequence", stream.lastSequence)
            json.field("outage_seconds", stream.outageSeconds(at: time))
        }
    }

    func metrics() -> HTTPResponse {
        let ingest = status()
        let metrics = Metrics()
        let time = now()
        metrics.gauge("thermocline_nats_connected", "Whether NATS is connected.").set(ingest.isConnected ? 1 : 0)
        for lane in ingest.lanes { Self.add(lane, at: time, to: metrics) }
        return HTTPResponse(
            status: 200,
            contentType: "text/plain; version=0.0.4; charset=utf-8",
            body: metrics.exposition()
        )
    }

    private static func add(_ lane: LaneStatus, at time: Timestamp, to metrics: Metrics) {
        let labels: KeyValuePairs = ["type": lane.type, "stream": lane.source.stream, "filter": lane.source.filter]
        let counts = [
            ("received", "Messages read from the stream.", lane.received),
            ("stored", "Rows stored in hot.", lane.stored),
            ("repeated", "Messages whose natural key and content were stored before.", lane.repeated),
            ("quarantined", "Messages kept aside with a reason.", lane.quarantined),
            ("conflicts", "Of those kept aside: their key was stored before with other content.", lane.conflicts),
            ("gaps", "Holes found in the stream.", lane.gaps),
            ("restarts", "Times the lane started over from its position.", lane.restarts),
        ]
        for (noun, help, count) in counts {
            metrics.counter("thermocline_ingest_\(noun)_total", help, labels).add(count)
        }
        for reason in BatchPolicy.Reason.allCases {
            metrics.counter(
                "thermocline_ingest_batches_total",
                "Batches, by why they were closed.",
                [
                    "type": lane.type, "stream": lane.source.stream, "filter": lane.source.filter,
                    "reason": reason.rawValue,
                ]
            ).add(lane.batches[reason] ?? 0)
        }
        let gauges: [(String, String, Double?)] = [
            ("position", "Last stored stream sequence.", Double(lane.position)),
            ("pending_messages", "Messages that the stream holds beyond the last one read.", Double(lane.pending)),
            ("lag_seconds", "Age of the last stored message while more are pending.", lane.lagSeconds(at: time)),
            ("reading", "Whether the lane reads.", lane.state == .reading ? 1 : 0),
            (
                "buffer_outage_seconds", "How long the stream can go unread before it discards.",
                lane.stream.flatMap { $0.outageSeconds(at: time) }
            ),
        ]
        for case (let noun, let help, let value?) in gauges {
            metrics.gauge("thermocline_ingest_\(noun)", help, labels).set(value)
        }
    }
}

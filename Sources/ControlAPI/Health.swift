import HTTPServer
import Platform
package import Records
package import Tiering

/// Who answers: the same three facts on every page.
package struct ServiceIdentity: Sendable {
    package var service: String
    package var version: String
    /// When the process started, by the monotonic clock.
    package var started: ContinuousClock.Instant

    package init(service: String, version: String, started: ContinuousClock.Instant = .now) {
        self.service = service
        self.version = version
        self.started = started
    }

    var uptimeSeconds: Double { Double(started.duration(to: .now).milliseconds) / 1_000 }
}

/// How a role is: `healthy`, `degraded` (it works on, or will by itself), `unhealthy` (a person must act).
package struct Health: Sendable, Equatable {
    package enum Status: String, Sendable { case healthy, degraded, unhealthy }
    package var status: Status
    /// What is wrong, what is not affected, what to do next; one sentence a finding.
    package var trouble: [String]

    /// Ingest is unhealthy where nothing can be stored until a person acts.
    package init(_ ingest: IngestStatus, at time: Timestamp) {
        trouble = ingest.lanes.compactMap { lane in
            (lane.trouble ?? lane.stall(at: time)).map { "\(lane.type) (\(lane.source)): \($0)" }
        }
        trouble += ingest.waiting.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
        trouble += ingest.refused.map {
            "stream \($0) is no limits stream: reading it would take its messages, so it is not read"
        }
        if let finding = ingest.trouble { trouble.append(finding) }
        if !ingest.isConnected && ingest.trouble == nil {
            trouble.append("NATS is not connected; nothing is lost while the streams keep what is published")
        }
        let isStuck = !ingest.lanes.isEmpty && ingest.lanes.allSatisfy(\.needsOperator)
        status = isStuck ? .unhealthy : trouble.isEmpty ? .healthy : .degraded
    }

    /// The archive is unhealthy where it moves nothing until a person acts.
    package init(_ archive: ArchiveStatus) {
        trouble = archive.trouble.map { [$0] } ?? []
        trouble += archive.types.sorted { $0.key < $1.key }.flatMap(Self.findings)
        status = archive.needsOperator ? .unhealthy : trouble.isEmpty ? .healthy : .degraded
        if archive.state == .starting { status = .degraded }
    }

    /// What keeps ranges of one type from being proved.
    private static func findings(_ type: String, _ of: ArchiveStatus.OfType) -> [String] {
        let stuck: [(Transfer.State, String)] = [
            (.unaccounted, "hot holds other rows than its writers counted"),
            (.failed, "the last attempt failed" + (of.failure.map { ": \($0)" } ?? "")),
        ]
        let ranges = stuck.compactMap { state, meaning in
            of.sums.ranges[state].flatMap { count in
                count == 0
                    ? nil
                    : "\(type): \(state.rawValue) ranges: \(count); \(meaning); nothing of them is pruned, hot keeps "
                        + "their rows, they are tried again, and GET /transfers says more"
            }
        }
        let late =
            "\(of.rowsLate) rows came after cold's retention let their range go; they stay in hot, and "
            + "GET /transfers says what can be done"
        return [of.halted, of.drift, of.rowsLate > 0 ? late : nil].compactMap { $0.map { "\(type): \($0)" } } + ranges
    }

    /// The answer to `/health`; scripts grep the literal text `"status": "healthy"`.
    func response(_ identity: ServiceIdentity, _ facts: (inout JSONWriter) -> Void) -> HTTPResponse {
        .json(status == .unhealthy ? 503 : 200) { json in
            json.field("status", status.rawValue)
            json.field("service", identity.service)
            json.field("version", identity.version)
            json.field("uptime", identity.uptimeSeconds)
            facts(&json)
            json.array("trouble") { json in for finding in trouble { json.value(finding) } }
        }
    }
}

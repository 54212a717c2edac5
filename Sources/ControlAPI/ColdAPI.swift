package import HTTPServer
import Platform
package import Records
package import Tiering

/// The pages of the cold role, and manual transfers.
package struct ColdAPI: Sendable {
    private let identity: ServiceIdentity
    private let types: [RecordType]
    private let status: @Sendable () -> ArchiveStatus
    private let inbox: Inbox<ArchiveCommand>

    package init(
        identity: ServiceIdentity,
        types: [RecordType],
        status: @escaping @Sendable () -> ArchiveStatus,
        inbox: Inbox<ArchiveCommand>
    ) {
        self.identity = identity
        self.types = types
        self.status = status
        self.inbox = inbox
    }

    package var routes: [Route] {
        [
            Route("GET", "/health", "How the archive is, and what is wrong.") { _ in .now(health()) },
            Route("GET", "/stats", "Each type: ranges by state, lag, last verified, recent errors.") { _ in
                .now(stats())
            },
            Route("GET", "/metrics", "The same for Prometheus.") { _ in .now(metrics()) },
            Route("GET", "/transfers", "The transfers that moved last.") { _ in ask(.list) },
            Route("GET", "/transfers/{id}", "One transfer, or all of a request.") { request in
                ask(.show(id: request.parameters["id"] ?? ""))
            },
            Route("POST", "/transfers", "Copy and verify ranges of a type now, and prune them if asked.") { request in
                create(request)
            },
        ]
    }

    func health() -> HTTPResponse {
        let archive = status()
        return Health(archive).response(identity) { json in
            json.field("is_running", archive.state == .archiving)
            json.field("hot_reachable", archive.hotReachable)
            json.field("cold_reachable", archive.coldReachable)
        }
    }

    func stats() -> HTTPResponse {
        let archive = status()
        return .json { json in
            json.field("service", identity.service)
            json.field("version", identity.version)
            json.field("uptime", identity.uptimeSeconds)
            json.field("state", archive.state.rawValue)
            json.field("trouble", archive.trouble)
            json.field("token", archive.token)
            json.field("passes", archive.passes)
            json.field("last_pass", archive.lastPass?.description)
            json.field("next_pass", archive.nextPass?.description)
            json.field("paused", archive.paused)
            json.object("types") { json in
                for (name, of) in archive.types.sorted(by: { $0.key < $1.key }) {
                    json.object(name) { Self.write(of, at: archive.lastPass, to: &$0) }
                }
            }
        }
    }

    private static func write(_ of: ArchiveStatus.OfType, at time: Timestamp?, to json: inout JSONWriter) {
        json.object("ranges") { json in
            for state in Transfer.State.allCases { json.field(state.rawValue, of.sums.ranges[state] ?? 0) }
        }
        json.field("lag_seconds", of.lagSeconds(at: time))
        json.field("oldest_unverified", of.oldestUnverified?.description)
        json.field("verified_through", of.sums.verifiedThrough?.description)
        json.field("last_verified_at", of.sums.lastVerifiedAt?.description)
        json.field("oldest_verification_at", of.oldestProof?.description)
        json.object("scrubbed") { json in
            json.field("ranges", of.scrubbed.ranges)
            json.field("rows", of.scrubbed.rows)
            json.field("bytes", of.scrubbed.bytes)
        }
        json.object("packed") { json in
            json.field("partitions", of.packed.partitions)
            json.field("rows", of.packed.rows)
            json.field("bytes_before", of.packed.bytesBefore)
            json.field("bytes_after", of.packed.bytesAfter)
        }
        json.field("rows_copied", of.rowsCopied)
        json.field("rows_verified", of.rowsVerified)
        json.field("rows_pruned", of.rowsPruned)
        json.field("prunes_declined", of.declined)
        json.field("rows_late", of.rowsLate)
        json.field("halted", of.halted)
        json.field("drift", of.drift)
        json.array("errors") { json in for error in of.errors { json.value(error) } }
    }

    func metrics() -> HTTPResponse {
        let archive = status()
        let metrics = Metrics()
        metrics.gauge("thermocline_archive_active", "Whether this archiver holds the lease.")
            .set(archive.token == nil ? 0 : 1)
        metrics.counter("thermocline_archive_passes_total", "Passes over all types.").add(archive.passes)
        for (tier, isReachable) in [("hot", archive.hotReachable), ("cold", archive.coldReachable)] {
            metrics.gauge("thermocline_tier_reachable", "Whether the tier was reached last.", ["tier": tier])
                .set(isReachable ? 1 : 0)
        }
        for (type, of) in archive.types { Self.add(of, type, at: archive.lastPass, to: metrics) }
        return HTTPResponse(
            status: 200,
            contentType: "text/plain; version=0.0.4; charset=utf-8",
            body: metrics.exposition()
        )
    }

    private static func add(_ of: ArchiveStatus.OfType, _ type: String, at time: Timestamp?, to metrics: Metrics) {
        for state in Transfer.State.allCases {
            metrics.gauge(
                "thermocline_archive_ranges",
                "Ranges by state.",
                ["type": type, "state": state.rawValue]
            ).set(Double(of.sums.ranges[state] ?? 0))
        }
        for (step, rows) in [("copied", of.rowsCopied), ("verified", of.rowsVerified), ("pruned", of.rowsPruned)] {
            metrics.counter(
                "thermocline_archive_rows_total",
                "Rows moved by this process, by step.",
                ["type": type, "step": step]
            ).add(rows)
        }
        metrics.counter(
            "thermocline_archive_prunes_declined_total",
            "Prunes that gave way to a lock or a pin.",
            ["type": type]
        ).add(of.declined)
        metrics.gauge("thermocline_archive_late_rows", "Rows in hot whose range cold let go.", ["type": type])
            .set(Double(of.rowsLate))
        metrics.gauge("thermocline_archive_halted", "Whether a mismatch halts the type.", ["type": type])
            .set(of.halted == nil ? 0 : 1)
        metrics.gauge("thermocline_archive_drifted", "Whether a tier's schema is not the catalogue's.", ["type": type])
            .set(of.drift == nil ? 0 : 1)
        if let lag = of.lagSeconds(at: time) {
            metrics.gauge(
                "thermocline_archive_lag_seconds",
                "Age of the oldest unverified closed range.",
                ["type": type]
            )
            .set(lag)
        }
        let scrubbed = [("ranges", of.scrubbed.ranges), ("rows", of.scrubbed.rows), ("bytes", of.scrubbed.bytes)]
        for (what, count) in scrubbed {
            metrics.counter(
                "thermocline_scrub_\(what)_total",
                "What this process read again in cold: \(what).",
                ["type": type]
            ).add(count)
        }
        let packed = [
            ("partitions", of.packed.partitions), ("rows", of.packed.rows),
            ("bytes_before", of.packed.bytesBefore), ("bytes_after", of.packed.bytesAfter),
        ]
        for (what, count) in packed {
            metrics.counter(
                "thermocline_pack_\(what)_total",
                "What this process brought into cold.format: \(what).",
                ["type": type]
            ).add(count)
        }
        if let oldest = of.oldestProof {
            metrics.gauge(
                "thermocline_archive_oldest_verification_timestamp_seconds",
                "When the range was last proved or scrubbed whose last proof is the oldest.",
                ["type": type]
            ).set(Double(oldest.micros) / 1_000_000)
        }
        if let last = of.sums.lastVerifiedAt {
            metrics.gauge(
                "thermocline_archive_last_verified_timestamp_seconds",
                "When a range was last verified.",
                ["type": type]
            ).set(Double(last.micros) / 1_000_000)
        }
    }

    // MARK: Transfers

    private func create(_ request: HTTPRequest) -> HTTPReply {
        do throws(TransferRequest.Refusal) {
            return ask(.create(try TransferBody(request.body, types: types).request))
        } catch {
            return .now(.refusal(error))
        }
    }

    /// Puts a command into the inbox and answers when the archive has; no thread waits meanwhile.
    private func ask(_ ask: ArchiveCommand.Ask) -> HTTPReply {
        let pending = PendingResponse()
        let taken = inbox.offer(ArchiveCommand(ask) { answer in _ = pending.complete(HTTPResponse(answer)) })
        guard taken else {
            return .now(
                .error(
                    503,
                    code: "busy",
                    message: "too many commands are waiting already; this one was not taken",
                    remedy: "ask again in a moment"
                )
            )
        }
        return .later(pending)
    }
}

extension HTTPResponse {
    static func refusal(_ refusal: TransferRequest.Refusal) -> HTTPResponse {
        .error(400, code: refusal.code, message: refusal.message, remedy: refusal.remedy)
    }

    init(_ answer: ArchiveAnswer) {
        switch answer {
        case .created(let id, let transfers):
            self = .json(202) { json in
                json.field("request", id)
                json.array("transfers") { json in for transfer in transfers { json.value(TransferJSON(transfer)) } }
            }
        case .unknown(let id):
            self = .error(
                404,
                code: "unknown_transfer",
                message: "there is no transfer or request \(id)",
                remedy: "GET /transfers lists those that moved last"
            )
        case .transfers(let transfers):
            self = .json { json in
                json.array("transfers") { json in for transfer in transfers { json.value(TransferJSON(transfer)) } }
            }
        case .refused(let refusal): self = .refusal(refusal)
        case .unavailable(let detail):
            self = .error(
                503,
                code: "unavailable",
                message: "\(detail); nothing was changed",
                remedy: "look at /health, and ask again when the archive is back"
            )
        }
    }
}

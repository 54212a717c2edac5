package import Platform
package import Records

/// Which roles a process plays.
package enum Mode: String, Sendable, CaseIterable {
    case hot
    case cold
    case both

    package var runsHot: Bool { self != .cold }
    package var runsCold: Bool { self != .hot }
}

/// Everything that can be set, at its default.
///
/// Defaults stand here and nowhere else; `Option.table` gives each field its path, its limits and its comment.
package struct Configuration: Sendable {
    package var mode: Mode?
    package var nats = NATS()
    package var hot = Hot()
    package var ingest = Ingest()
    package var quarantine = Quarantine()
    package var cold = Cold()
    package var archive = Archive()
    /// By type name; a type that is not listed has the defaults.
    package var types: [String: TypeOverrides] = [:]
    package var log = Log()
    package var http = HTTP()
    package var shutdown = Shutdown()

    package init() {}

    /// What is set for one record type.
    package subscript(type: String) -> TypeOverrides { types[type] ?? TypeOverrides() }

    /// The catalogue, each type deduplicated as it is set.
    package func catalog(_ catalog: Catalog) -> Catalog { catalog.deduplicated { self[$0.name].dedupe } }

    /// How long hot keeps rows of one record type.
    package func retention(of type: String) -> Duration { self[type].retention ?? hot.retention }
}

extension Configuration {
    package struct NATS: Sendable {
        package var url = "nats://127.0.0.1:4222"
        package var credentialsFile: String?
        package var createStreams = StreamSelection.only(["orderbook", "trade"])
        package var ack = Acknowledgement.all
        package var discovery = Duration.seconds(30)
        package var stream = Stream()

        package struct Stream: Sendable {
            package var maxBytes = 4 << 30
            package var maxAge = Duration.seconds(86_400)
        }
    }

    /// For which record types a missing stream is created.
    package enum StreamSelection: Sendable, Equatable {
        case all
        case only([String])

        package func contains(_ type: String) -> Bool {
            switch self {
            case .all: true
            case .only(let types): types.contains(type)
            }
        }
    }

    /// What is acknowledged: each batch or nothing; no guarantee rests on it.
    package enum Acknowledgement: String, Sendable, CaseIterable { case all, none }

    package struct Hot: Sendable {
        /// The connection string, from wherever it was set; nil where it was not.
        package var postgres: Secret?
        package var postgresFile: String?
        package var listen = ListenAddress(host: "127.0.0.1", port: 8085)
        package var retention = Duration.seconds(3 * 86_400)
        package var batch = Batch()
        package var memory = 64 << 20
        package var maxPartitions = 4_000

        package struct Batch: Sendable {
            package var rows = 10_000
            package var bytes = 4 << 20
            package var linger = Duration.milliseconds(20)
        }
    }

    package struct Ingest: Sendable {
        package var takeover = Duration.seconds(15)
        package var keepProvenance = false
        package var provenanceKeys: [String] = []
        package var limits = DecodeLimits()
    }

    package struct Quarantine: Sendable {
        package var maxBytes = 1 << 30
        /// A share, 0 to 1.
        package var maxShare = 0.2
    }

    package struct Cold: Sendable {
        package var postgres: Secret?
        package var postgresFile: String?
        package var listen = ListenAddress(host: "127.0.0.1", port: 8086)
        package var retention: Duration?
        package var format = ColdFormat.rows
        package var segmentRows = 2_000
        package var segmentMemory = 32 << 20
        package var packRows = 250_000
    }

    package struct Archive: Sendable {
        package var interval = Duration.seconds(60)
        package var schedule: [CronExpression] = []
        package var windows: [DailyWindow] = []
        package var timeZone = "UTC"
        package var safetyLag = Duration.seconds(300)
        package var range = Duration.seconds(3_600)
        package var bucket = Duration.seconds(3_600)
        package var prune = true
        package var wholePartitions = true
        package var undo = Duration.seconds(86_400)
        package var lease = Duration.seconds(30)
        package var namedRows = 10
        package var scrub = Scrub()

        package struct Scrub: Sendable {
            /// Bytes a second.
            package var rate = 8 << 20
            package var every = Duration.seconds(7 * 86_400)
        }
        package var concurrency = 2
        /// Bytes a second; 0 for no limit.
        package var rate = 0
        package var pauseAbove: Duration?
    }

    package struct TypeOverrides: Sendable {
        package var enabled = true
        package var retention: Duration?
        package var coldRetention: Duration?
        package var dedupe = Deduplication.key

        package init() {}
    }

    package struct Log: Sendable {
        package var level = LogLevel.info
        package var format = LogFormat.auto
    }

    package struct HTTP: Sendable {
        package var bodyBytes = 1 << 20
        package var connections = 64
        package var connectionsPerAddress = 32
        package var idleTimeout = Duration.seconds(30)
        package var replyTimeout = Duration.seconds(30)
    }

    package struct Shutdown: Sendable {
        package var grace = Duration.seconds(30)
    }
}

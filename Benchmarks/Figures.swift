import Platform

/// Everything that was measured: one value a round, by what was run, who ran it and what was looked at.
struct Figures: Sendable {
    struct Key: Hashable, Sendable {
        let workload: String
        let subject: String
        let metric: String
    }

    /// Names of what is looked at, with their units.
    enum Metric: String, Sendable, CaseIterable {
        case rate = "messages_per_second"
        case natsCPU = "nats_cpu_seconds_per_million"
        case postgresCPU = "postgres_cpu_seconds_per_million"
        case clientCPU = "client_cpu_seconds_per_million"
        case clientShare = "client_share_of_cpu"
        case bound = "bound_messages_per_second"
        case shareOfBound = "share_of_bound"
        case reachable = "share_of_bound_with_all_cores_busy"
        case resident = "client_peak_resident_bytes"
        case messageBytes = "bytes_per_message"
        case bytesPerRow = "bytes_per_row"
        case rows = "rows"
        case emptyBytes = "bytes_of_the_empty_table"
        case rateRatio = "rate_ratio"
        case cpuRatio = "messages_per_client_cpu_second_ratio"
        case p50 = "p50_milliseconds"
        case p99 = "p99_milliseconds"
        case resolution = "resolution_milliseconds"
        case recovery = "recovery_seconds"
        case rowRate = "rows_per_second"
        case serverCPU = "server_cpu_seconds_per_million"
        case lock = "longest_lock_milliseconds"
        case planning = "planning_milliseconds"
        case query = "planning_and_execution_milliseconds"
    }

    private(set) var keys: [Key] = []
    private var values: [Key: [Double]] = [:]
    /// What could not be measured, and why.
    private(set) var notes: [String] = []

    mutating func add(_ value: Double, _ workload: String, _ subject: String, _ metric: Metric) {
        let key = Key(workload: workload, subject: subject, metric: metric.rawValue)
        if values[key] == nil { keys.append(key) }
        values[key, default: []].append(value)
    }

    mutating func note(_ text: String) { if !notes.contains(text) { notes.append(text) } }

    /// The value of the last round.
    func last(_ workload: String, _ subject: String, _ metric: Metric) -> Double? {
        values[Key(workload: workload, subject: subject, metric: metric.rawValue)]?.last
    }

    /// The middle value of all rounds; of an even number the mean of the two.
    func median(_ workload: String, _ subject: String, _ metric: Metric) -> Double? {
        guard let values = values[Key(workload: workload, subject: subject, metric: metric.rawValue)] else {
            return nil
        }
        let sorted = values.sorted()
        return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }

    /// The median of one subject in terms of another's.
    func ratio(_ workload: String, _ subject: String, to other: String, _ metric: Metric) -> Double? {
        median(workload, subject, metric).flatMap { value in median(workload, other, metric).map { value / $0 } }
    }

    func write(to json: inout JSONWriter) {
        json.array("figures") { json in
            for key in keys {
                json.object { json in
                    json.field("workload", key.workload)
                    json.field("subject", key.subject)
                    json.field("metric", key.metric)
                    json.field("median", Metric(rawValue: key.metric).flatMap { median(key.workload, key.subject, $0) })
                    json.field("values", values[key] ?? [])
                }
            }
        }
        json.field("notes", notes)
    }

    init() {}

    /// Reads what `write` wrote.
    init(_ json: JSONValue) {
        for figure in json["figures"]?.array ?? [] {
            guard let workload = figure["workload"]?.string, let subject = figure["subject"]?.string,
                let metric = figure["metric"]?.string.flatMap(Metric.init(rawValue:))
            else { continue }
            for value in figure["values"]?.array?.compactMap(\.double) ?? [] { add(value, workload, subject, metric) }
        }
        notes = json["notes"]?.array?.compactMap(\.string) ?? []
    }
}

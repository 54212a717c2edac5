import Platform

/// A run as tables, for a terminal of 100 columns or as Markdown.
struct Report: Sendable {
    struct Table: Sendable {
        let title: String
        let head: [String]
        let rows: [[String]]
    }

    let machine: Machine
    let figures: Figures

    init(machine: Machine, figures: Figures) { (self.machine, self.figures) = (machine, figures) }

    /// Reads the JSON of an earlier run.
    init(_ json: JSONValue) { self.init(machine: Machine(json), figures: Figures(json)) }

    var json: [UInt8] {
        JSONWriter.object(indented: true) { json in
            machine.write(to: &json)
            json.array("targets") { json in
                for target in Target.all(figures) {
                    json.object { json in
                        json.field("name", target.name)
                        json.field("goal", target.goal)
                        json.field("measured", target.measured)
                        json.field("met", target.measured == nil ? nil : target.isMet)
                    }
                }
            }
            figures.write(to: &json)
        }
    }

    // MARK: Tables

    private var tables: [Table] {
        Workload.allCases.compactMap(throughput) + [steady, archive, queries, sizes, targets].compactMap { $0 }
    }

    private static let subjects = [
        ("fetch all", "fetch alone, ack all"), ("fetch none", "fetch alone, ack none"),
        ("copy", "COPY alone"), ("copy numeric[]", "COPY of numeric[] alone"),
        ("thermocline all", "Thermocline, ack all"), ("thermocline none", "Thermocline, ack none"),
        ("python", "Python, tuned"), ("pathway", "Pathway"),
    ]

    private func throughput(_ workload: Workload) -> Table? {
        let name = workload.rawValue
        let rows = Self.subjects.compactMap { subject, title -> [String]? in
            guard let rate = figures.median(name, subject, .rate) else { return nil }
            func cell(_ metric: Figures.Metric, _ text: (Double) -> String) -> String {
                figures.median(name, subject, metric).map(text) ?? "-"
            }
            let cpu = [Figures.Metric.natsCPU, .postgresCPU, .clientCPU].map { cell($0) { $0.brief } }
            let shares = [Figures.Metric.shareOfBound, .reachable].map { cell($0) { $0.percent } }
            return [title, rate.fixed(0)] + shares + cpu + [
                cell(.clientShare) { $0.percent }, cell(.resident) { ($0 / 1_048_576).fixed(0) },
                cell(.bytesPerRow) { $0.fixed(0) },
            ]
        }
        guard !rows.isEmpty else { return nil }
        let size = figures.median(name, "message", .messageBytes).map { ", \($0.fixed(0)) B a message" } ?? ""
        let bounds = ["all", "none"].compactMap { acknowledgement in
            figures.median(name, "thermocline \(acknowledgement)", .bound).map { "\($0.fixed(0)) (\(acknowledgement))" }
        }
        return Table(
            title: "\(workload.title)\(size); the machine's bound in messages/s: \(bounds.joined(separator: ", "))",
            head: ["", "messages/s", "of bound", "at most", "nats", "postgres", "client", "share", "MiB", "B/row"],
            rows: rows
        )
    }

    private var steady: Table? {
        let all = "thermocline all"
        var rows: [[String]] = []
        for rate in [5_000, 20_000] {
            guard let p50 = figures.median("latency \(rate)", all, .p50),
                let p99 = figures.median("latency \(rate)", all, .p99),
                let resolution = figures.median("latency \(rate)", all, .resolution)
            else { continue }
            rows.append([
                "publish to queryable at \(rate.grouped)/s", "\(p50.fixed(1)) ms", "\(p99.fixed(1)) ms",
                "resolution \(resolution.fixed(1)) ms",
            ])
        }
        if let time = figures.median("recovery 10000", all, .recovery) {
            rows.append([
                "kill -9 to caught up at 10,000/s", "\(time.fixed(2)) s", "-", "within 250 ms of the publisher",
            ])
        }
        guard !rows.isEmpty else { return nil }
        return Table(title: "Steady state", head: ["", "p50", "p99", "how exact"], rows: rows)
    }

    private var archive: Table? {
        let subjects = [
            ("psql", "psql COPY TO | psql COPY FROM"), ("thermocline", "Thermocline, proved"),
            ("thermocline segments", "the same, into segments"), ("restore", "restore of a day, proved"),
            ("restore segments", "the same, from segments"),
        ]
        let rows = subjects.compactMap { subject, title -> [String]? in
            guard let rate = figures.median(ArchiveRounds.name, subject, .rowRate) else { return nil }
            func cell(_ metric: Figures.Metric, _ text: (Double) -> String) -> String {
                figures.median(ArchiveRounds.name, subject, metric).map(text) ?? "-"
            }
            return [
                title, rate.fixed(0), cell(.rateRatio) { $0.percent }, cell(.serverCPU) { $0.brief },
                cell(.clientCPU) { $0.brief }, cell(.resident) { ($0 / 1_048_576).fixed(0) },
            ]
        }
        guard !rows.isEmpty else { return nil }
        return Table(
            title: "Archive: hot to cold; CPU seconds a million rows",
            head: ["", "rows/s", "of psql", "postgres", "client", "MiB"],
            rows: rows
        )
    }

    private var targets: Table? {
        let rows = Target.all(figures).map { [$0.name, $0.goal, $0.measured ?? "not measured", $0.verdict] }
        return Table(title: "Targets", head: ["", "target", "measured", "verdict"], rows: rows)
    }

    // MARK: Text

    private static let legend = """
        of bound: of cores / (CPU of fetching + CPU of copying); at most: of bound, had all cores been busy \
        throughout; nats, postgres, client: CPU seconds a million messages; share: the client's, of all CPU; \
        MiB: its peak, resident; B/row: on disk with index and TOAST.
        """

    /// For a terminal.
    var text: String {
        var lines = machine.facts.flatMap { fact in
            fact.value.wrapped(at: 80).enumerated().map { "\(($0 == 0 ? fact.name : "").padded(to: 18)) \($1)" }
        }
        lines += [""] + Self.legend.wrapped(at: 100)
        for table in tables {
            lines += ["", table.title]
            let all = [table.head] + table.rows
            let widths = table.head.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
            for (index, row) in all.enumerated() {
                let cells = zip(row, widths).enumerated().map { column, cell in
                    column == 0 ? cell.0.padded(to: cell.1) : cell.0.aligned(right: cell.1)
                }
                lines.append("  " + cells.joined(separator: "  "))
                if index == 0 {
                    lines.append("  " + String(repeating: "-", count: widths.reduce(0) { $0 + $1 + 2 } - 2))
                }
            }
        }
        return (lines + notes).joined(separator: "\n") + "\n"
    }

    private var notes: [String] { figures.notes.isEmpty ? [] : [""] + figures.notes.map { "note: \($0)" } }

    var markdown: String {
        var lines = machine.facts.map { "* \($0.name): \($0.value)" } + ["", Self.legend]
        for table in tables {
            lines += ["", "### \(table.title)", ""]
            lines.append("| " + table.head.joined(separator: " | ") + " |")
            lines.append("|" + table.head.enumerated().map { $0.offset == 0 ? "---|" : "---:|" }.joined())
            for row in table.rows {
                // A pipe in a cell would begin the next one.
                let cells = row.map { cell in
                    cell.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|")
                }
                lines.append("| " + cells.joined(separator: " | ") + " |")
            }
        }
        return (lines + notes.map { $0.isEmpty ? "" : "* \($0)" }).joined(separator: "\n") + "\n"
    }
}

extension String {
    /// Lines of at most `width` characters, broken at spaces where that is possible.
    func wrapped(at width: Int) -> [String] {
        var lines: [String] = []
        for word in split(separator: " ") {
            if let last = lines.last, last.count + word.count < width {
                lines[lines.count - 1] += " \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }

    func padded(to width: Int) -> String { self + String(repeating: " ", count: Swift.max(0, width - count)) }
    func aligned(right width: Int) -> String { String(repeating: " ", count: Swift.max(0, width - count)) + self }
}

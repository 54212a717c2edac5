import Records

/// What the product promises about its speed, and whether this run kept it.
struct Target: Sendable {
    let name: String
    let goal: String
    /// Nil where it was not measured.
    let measured: String?
    let isMet: Bool

    /// All targets, with what `figures` says of them.
    static func all(_ figures: Figures) -> [Target] {
        let all = "thermocline all"
        let archived = figures.median("archive", "thermocline", .rowRate)
        let restored = figures.median("archive", "restore", .rowRate)
        return [
            Target(
                "trades, ack all: share of the machine's bound",
                figures.median("trades", all, .shareOfBound),
                atLeast: 0.5
            ) { $0.percent },
            Target(
                "trades, ack none: share of the bound",
                figures.median("trades", "thermocline none", .shareOfBound),
                atLeast: 0.6
            ) { $0.percent },
            Target("books, COPY alone v. COPY of numeric[]", figures.median("books", "copy", .rateRatio), atLeast: 1.8)
            {
                $0.ratio
            },
            Target("books, end to end, v. COPY of numeric[]", figures.median("books", all, .rateRatio), atLeast: 1.8) {
                $0.ratio
            },
            Target("trades: messages/s v. Python", figures.median("trades", "python", .rateRatio), atLeast: 6) {
                $0.ratio
            },
            Target(
                "trades: messages a client CPU second v. Python",
                figures.median("trades", "python", .cpuRatio),
                atLeast: 12
            ) { $0.ratio },
            Target("trades: messages/s v. Pathway", figures.median("trades", "pathway", .rateRatio), atLeast: 2.5) {
                $0.ratio
            },
            Target("trades: client's share of all CPU", figures.median("trades", all, .clientShare), atMost: 0.25) {
                $0.percent
            },
            Target("p99 publish to queryable at 5,000/s", figures.median("latency 5000", all, .p99), atMost: 250) {
                "\($0.fixed(0)) ms"
            },
            Target(
                "archive, proved: rows/s v. psql COPY TO | psql COPY FROM",
                figures.median("archive", "thermocline", .rateRatio),
                atLeast: 0.6
            ) { $0.percent },
            Target("archive: resident", figures.median("archive", "thermocline", .resident), atMost: 96 * 1_048_576) {
                "\(($0 / 1_048_576).fixed(0)) MiB"
            },
            Target("archive: lock of a day's prune", figures.median("archive", "prune", .lock), atMost: 100) {
                "\($0.fixed(0)) ms"
            },
            Target(
                "restore of a day, proved: rows/s v. archiving them",
                archived.flatMap { archived in restored.map { $0 / archived } },
                atLeast: 1
            ) { $0.ratio },
        ] + segments(figures) + ColdSizes.targets(figures) + ColdQueries.targets(figures)
    }

    private static func segments(_ figures: Figures) -> [Target] {
        func ofRows(_ subject: String) -> Double? {
            figures.ratio("archive", ColdFormat.segments.names(subject), to: subject, .rowRate)
        }
        return [
            Target("archive into segments, proved: rows/s v. into rows", ofRows("thermocline"), atLeast: 0.5) {
                $0.percent
            },
            Target("restore from segments, proved: rows/s v. from rows", ofRows("restore"), atLeast: 0.5) {
                $0.percent
            },
            Target(
                "archive into segments: resident",
                figures.median("archive", ColdFormat.segments.names("thermocline"), .resident),
                atMost: 96 * 1_048_576
            ) { "\(($0 / 1_048_576).fixed(0)) MiB" },
        ]
    }

    init(_ name: String, _ value: Double?, atLeast goal: Double, _ text: (Double) -> String) {
        (self.name, self.goal, measured) = (name, ">= \(text(goal))", value.map(text))
        isMet = value.map { $0 >= goal } ?? false
    }

    init(_ name: String, _ value: Double?, atMost goal: Double, _ text: (Double) -> String) {
        (self.name, self.goal, measured) = (name, "<= \(text(goal))", value.map(text))
        isMet = value.map { $0 <= goal } ?? false
    }

    var verdict: String { measured == nil ? "-" : isMet ? "met" : "MISSED" }
}

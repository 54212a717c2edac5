import Postgres
import Records

/// What a reader asks of cold, of one content in each format; warm, the median of some times.
///
/// The rows go to the server's `/dev/null` in binary: all that a reader waits for but the network and his client.
struct ColdQueries: Sendable {
    /// One question, and the ways to ask it.
    enum Question: String, Sendable, CaseIterable {
        case hour = "a series x an hour, all columns"
        case day = "a series x a day, all columns"
        case sum = "a series x a day, sum(price * quantity)"
        case count = "all days, count(*)"
        case bounds = "all days, min(ts), max(ts)"
    }

    /// Where an answer is read; `rows` is the view of plain rows.
    enum Source: String, Sendable, CaseIterable { case rows, view, function, headers }

    /// One time that one question took, in milliseconds.
    struct Time: Sendable {
        let question: Question
        let source: Source
        let planning: Double
        let total: Double

        func add(to figures: inout Figures) {
            figures.add(planning, ColdQueries.name(question), "\(source)", .planning)
            figures.add(total, ColdQueries.name(question), "\(source)", .query)
        }
    }

    let run: ArchiveRun
    let cold: BenchDatabase

    /// Times each is asked, and how long a question is repeated, in milliseconds: an odd number of short ones.
    private static let (repeats, patience) = (7, 10_000.0)

    static func name(_ question: Question) -> String { "query \(question)" }

    func run(_ say: (String) -> Void) async throws -> [Time] {
        // As autovacuum does it in life.
        _ = try await cold.connection.execute("VACUUM ANALYZE")
        _ = try await cold.connection.execute("SET jit = off")
        let series = try await densestSeries()
        var times: [Time] = []
        for question in Question.allCases {
            for source in Source.allCases {
                guard (source == .rows) == (run.service.format == .rows), let sql = sql(question, source, series) else {
                    continue
                }
                let measured = try await measure(sql).map {
                    Time(question: question, source: source, planning: $0.planning, total: $0.total)
                }
                times += measured
                let middle = measured.sorted { $0.total < $1.total }[measured.count / 2]
                say("\(question.rawValue), \(source): \(middle.total.brief) ms, planning \(middle.planning.brief) ms")
            }
        }
        return times
    }

    private func densestSeries() async throws -> String {
        let key = ["exchange", "market_type", "symbol"]
        let row =
            try await run.service.hot.connection.execute(
                "SELECT \(key.joined(separator: ", ")) FROM thermocline.trade GROUP BY 1, 2, 3 "
                    + "ORDER BY count(*) DESC LIMIT 1"
            ).rows.first ?? []
        return zip(key, row).map { "\($0) = \(SQLText.literal($1 ?? ""))" }.joined(separator: " AND ")
    }

    /// Nil where that source has no answer.
    private func sql(_ question: Question, _ source: Source, _ series: String) -> String? {
        let day = run.load.start.advanced(byMicros: run.load.days / 2 * ArchiveLoad.dayMicros)
        let hour = day.advanced(byMicros: 12 * 3_600_000_000)
        let (from, to) =
            switch question {
            case .hour: (hour, hour.advanced(byMicros: 3_600_000_000))
            case .day, .sum: (day, day.advanced(byMicros: ArchiveLoad.dayMicros))
            case .count, .bounds:
                (run.load.start, run.load.start.advanced(byMicros: run.load.days * ArchiveLoad.dayMicros))
            }
        guard source != .headers else {
            let answer = [Question.count: "sum(rows)", .bounds: "min(ts_min), max(ts_max)"][question]
            return answer.map {
                "SELECT \($0) FROM thermocline.trade_segments WHERE ts_min >= '\(from)' AND ts_max < '\(to)'"
            }
        }
        let answer =
            switch question {
            case .hour, .day: "*"
            case .sum: "sum(price * quantity)"
            case .count: "count(*)"
            case .bounds: "min(ts), max(ts)"
            }
        let isOfAll = question == .count || question == .bounds
        let rows =
            source == .function
            ? "thermocline.trade('\(from)', '\(to)') WHERE true"
            : "thermocline.trade WHERE ts >= '\(from)' AND ts < '\(to)'"
        return "SELECT \(answer) FROM \(rows)" + (isOfAll ? "" : " AND \(series)")
    }

    private func measure(_ sql: String) async throws -> [(planning: Double, total: Double)] {
        let clock = ContinuousClock()
        func once() async throws -> (Double, Double) {
            let plan = try await cold.connection.execute("EXPLAIN (SUMMARY) \(sql)").rows.last?.first ?? nil
            guard let planning = plan?.split(separator: " ").compactMap({ Double($0) }).first else {
                throw BenchError("EXPLAIN does not say how long it planned: \(plan ?? "")")
            }
            let start = clock.now
            _ = try await cold.connection.execute("COPY (\(sql)) TO '/dev/null' (FORMAT binary)")
            return (planning, start.duration(to: .now) / .milliseconds(1))
        }
        _ = try await once()
        var (times, spent): ([(planning: Double, total: Double)], Double) = ([], 0)
        while times.count < Self.repeats, times.isEmpty || spent < Self.patience {
            times.append(try await once())
            spent += times[times.count - 1].total
        }
        return times
    }
}

/// What the report says of cold's formats.
extension Report {
    var queries: Table? {
        let rows = ColdQueries.Question.allCases.flatMap { question in
            ColdQueries.Source.allCases.compactMap { source -> [String]? in
                let name = ColdQueries.name(question)
                guard let total = figures.median(name, "\(source)", .query),
                    let planning = figures.median(name, "\(source)", .planning)
                else { return nil }
                let ratio = figures.ratio(name, "\(source)", to: "\(ColdQueries.Source.rows)", .query)
                return [
                    question.rawValue, source.title, planning.brief, (total - planning).brief,
                    source == .rows ? "-" : ratio?.ratio ?? "-",
                ]
            }
        }
        guard !rows.isEmpty else { return nil }
        return Table(
            title: "Queries of cold trades, ms, warm; v. rows: planned and executed, in terms of plain rows",
            head: ["", "of", "planned", "executed", "v. rows"],
            rows: rows
        )
    }
}

extension ColdQueries.Source {
    var title: String {
        switch self {
        case .rows: "plain rows, view"
        case .view: "segments, view"
        case .function: "segments, function"
        case .headers: "segments, headers"
        }
    }
}

extension ColdQueries {
    /// Where a reader finds the best answer, it is to be so fast; an hour through the view as well.
    static func targets(_ figures: Figures) -> [Target] {
        func target(_ question: Question, _ sources: [Source], atMost goal: Double) -> Target {
            let ratios = sources.compactMap { figures.ratio(name(question), "\($0)", to: "\(Source.rows)", .query) }
            let names = sources.map(\.rawValue).joined(separator: " or ")
            return Target("segments, \(names): \(question.rawValue), v. plain rows", ratios.min(), atMost: goal) {
                $0.ratio
            }
        }
        return [
            target(.hour, [.view], atMost: 2), target(.hour, [.function], atMost: 2),
            target(.day, [.view], atMost: 1), target(.sum, [.view], atMost: 1),
            target(.count, [.headers, .view], atMost: 1), target(.bounds, [.headers, .view], atMost: 1),
        ]
    }
}

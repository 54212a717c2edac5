import Records

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

    var sizes: Table? {
        let all = ColdSizes.Kept.allCases
        let rows = ColdSizes.Origin.allCases.flatMap { origin in
            Catalog.standard.types.compactMap { type -> [String]? in
                let name = ColdSizes.name(type, origin)
                guard let count = figures.median(name, "\(ColdSizes.Kept.hot)", .rows) else { return nil }
                return ["\(type.name), \(origin.rawValue)", count.fixed(0)]
                    + all.map { figures.median(name, "\($0)", .bytesPerRow)?.brief ?? "-" }
                    + [ColdSizes.ofHot(name, figures)?.percent ?? "-"]
            }
        }
        guard !rows.isEmpty else { return nil }
        return Table(
            title: "Bytes a row on disk, with index and TOAST; of hot: packed, less what empty tables take",
            head: ["", "rows"] + all.map(\.title) + ["of hot"],
            rows: rows
        )
    }
}

extension ColdSizes.Kept {
    var title: String {
        switch self {
        case .hot: "hot"
        case .dump: "pg_dump"
        case .rows: "cold rows"
        case .segments: "by hours"
        case .packed: "packed"
        case .timescale: "Timescale"
        }
    }
}

extension ColdSizes {
    /// Fewer rows say more about pages of 8 KiB than about a format.
    private static let judged = 1_000.0

    /// Without what an empty table takes: that does not grow with the years.
    static func ofHot(_ name: String, _ figures: Figures) -> Double? {
        func grown(_ kept: Kept) -> Double? {
            guard let rows = figures.median(name, "\(Kept.hot)", .rows),
                let each = figures.median(name, "\(kept)", .bytesPerRow),
                let empty = figures.median(name, "\(kept)", .emptyBytes)
            else { return nil }
            return each * rows - empty
        }
        return grown(.packed).flatMap { packed in grown(.hot).map { packed / $0 } }
    }

    static func targets(_ figures: Figures) -> [Target] {
        Origin.allCases.flatMap { origin in
            Catalog.standard.types.compactMap { type -> Target? in
                let name = name(type, origin)
                guard let rows = figures.median(name, "\(Kept.hot)", .rows), rows >= judged else { return nil }
                let goal = type.name == "trade" ? 0.1 : 0.25
                return Target(
                    "packed segments v. hot: \(type.name), \(origin.rawValue)",
                    ofHot(name, figures),
                    atMost: goal
                ) { $0.percent }
            }
        }
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
            return Target("\(names): \(question.rawValue), v. rows", ratios.min(), atMost: goal) {
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

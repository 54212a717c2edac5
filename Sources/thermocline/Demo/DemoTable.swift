import Platform

/// The demo as a picture of less than 80 columns and 24 lines.
///
/// Pure: the same progress gives the same lines.
struct DemoTable {
    static let width = 79
    /// Width of the bar of rows, and of the feed's line of rates.
    private static let barWidth = 70
    /// Lines, for a catalogue of seven types.
    static let height = 23
    /// Title and width of each column behind the name; with the name's 17 they make up the whole width.
    private static let columns = [
        ("msg/s", 6), ("stored", 9), ("repeated", 9), ("quarant.", 9), ("lag", 6), ("copied", 7), ("verified", 9),
        ("pruned", 7),
    ]
    private static let nameWidth = 16

    let style: DemoStyle
    let hot: String
    let cold: String
    let sql: String

    /// All lines; `history` is the feed's rate over time, newest last.
    func lines(
        _ progress: DemoProgress,
        rates: (types: [Double], published: Double),
        history: [Double]
    ) -> [String] {
        var lines = heading(progress) + [""] + columnHeads()
        for (of, rate) in zip(progress.types, rates.types) { lines.append(row(of, rate)) }
        lines.append(style.paint(" " + rule(Self.width - 1), .dim))
        lines.append(row(progress.total, rates.types.reduce(0, +), isTotal: true))
        lines.append("")
        lines.append(feed(progress, rates.published, history))
        lines += tiers(progress.total) + [""]
        lines.append(" " + style.paint("hot", .bold, .yellow) + "    \(hot)/health  \(hot)/stats")
        lines.append(" " + style.paint("cold", .bold, .cyan) + "   \(cold)/health  \(cold)/stats")
        lines.append(" " + style.paint("sql", .bold) + "    " + sql)
        lines.append(progress.phase == .over ? "" : footer(progress))
        return lines
    }

    private func rule(_ width: Int) -> String { String(repeating: style.pick("─", "-"), count: max(0, width)) }

    private func heading(_ progress: DemoProgress) -> [String] {
        let elapsed = progress.elapsed.clock
        let time: String
        switch progress.phase {
        case .starting: time = "starting"
        case .running: time = progress.length.map { "\(elapsed) of \($0.clock)" } ?? "\(elapsed), until Ctrl-C"
        case .draining: time = "draining what is on its way"
        case .settling: time = "letting the archive catch up"
        case .auditing: time = "auditing both databases"
        case .over: time = "done"
        }
        let title = " thermocline demo"
        let share = progress.length.map { min(1, progress.elapsed / max($0, .milliseconds(1))) } ?? 0
        let isOver = ![.starting, .running].contains(progress.phase)
        let done = Int((isOver ? 1 : share) * Double(Self.width - 1))
        let bar = String(repeating: style.pick("━", "="), count: done)
        return [
            style.paint(title, .bold) + time.aligned(right: Self.width - title.count),
            " " + style.paint(bar, .green) + style.paint(rule(Self.width - 1 - done), .dim),
        ]
    }

    private func columnHeads() -> [String] {
        let widths = Self.columns.map(\.1)
        let filler: Character = style.isUnicode ? "─" : "-"
        // Over each group a rule, one space narrower than its columns.
        let groups = [("messages", widths[0...4].reduce(0, +) - 1), ("ranges", widths[5...].reduce(0, +) - 1)]
        let over = groups.map { " " + " \($0.0) ".centred(in: $0.1, filledWith: filler) }.joined()
        let titles = Self.columns.map { $0.0.aligned(right: $0.1) }.joined()
        return [
            style.paint("".padded(to: Self.nameWidth + 1) + over, .dim),
            style.paint(" type".padded(to: Self.nameWidth + 1) + titles, .dim),
        ]
    }

    private func row(_ of: DemoProgress.OfType, _ rate: Double, isTotal: Bool = false) -> String {
        let values = [
            Int(rate.rounded()).grouped, of.stored.grouped, of.repeated.grouped, of.quarantined.grouped,
            of.lag.map(\.seconds) ?? style.pick("–", "-"), of.copied.grouped, of.verified.grouped, of.pruned.grouped,
        ]
        let cells = zip(values, Self.columns).map { $0.0.aligned(right: $0.1.1) }
        let name = " \(of.name)".padded(to: Self.nameWidth + 1)
        guard !isTotal else { return style.paint(name + cells.joined(), .bold) }
        let isBehind = (of.lag ?? 0) >= 5
        return name + cells[0...3].joined() + (isBehind ? style.paint(cells[4], .red) : cells[4])
            + cells[5...].joined()
    }

    private func feed(_ progress: DemoProgress, _ rate: Double, _ history: [Double]) -> String {
        let text = "\(progress.published.grouped) published, \(Int(rate.rounded()).grouped) a second  "
        let room = Self.barWidth - text.count
        return " " + style.paint("feed", .bold) + "   " + text + style.paint(sparkline(history.suffix(room)), .green)
    }

    private func sparkline(_ values: ArraySlice<Double>) -> String {
        guard style.isUnicode, let top = values.max(), top > 0 else { return "" }
        let levels = Array("▁▂▃▄▅▆▇█")
        return String(values.map { levels[Int(max(0, $0) / top * Double(levels.count - 1))] })
    }

    /// Where the rows are: proved and pruned, in both tiers, still in hot alone.
    private func tiers(_ total: DemoProgress.OfType) -> [String] {
        let rows = max(total.stored, total.rowsInCold)
        let coldOnly = min(total.rowsPruned, rows)
        let both = max(0, min(total.rowsInCold, rows) - coldOnly)
        let hotOnly = rows - coldOnly - both
        let scale = rows == 0 ? 0 : Double(Self.barWidth) / Double(rows)
        let coldEnd = Int((Double(coldOnly) * scale).rounded())
        let bothEnd = Int((Double(coldOnly + both) * scale).rounded())
        func bar(_ width: Int, _ fill: String, _ plain: String) -> String {
            String(repeating: style.pick(fill, plain), count: max(0, width))
        }
        let end = rows == 0 ? 0 : Self.barWidth
        let picture =
            style.paint(bar(coldEnd, "█", "#"), .cyan) + style.paint(bar(bothEnd - coldEnd, "▓", "+"), .blue)
            + style.paint(bar(end - bothEnd, "░", "."), .yellow)
        let legend = [
            style.paint(style.pick("█", "#"), .cyan) + " in cold \(coldOnly.grouped)",
            style.paint(style.pick("▓", "+"), .blue) + " in both \(both.grouped)",
            style.paint(style.pick("░", "."), .yellow) + " in hot \(hotOnly.grouped)",
        ]
        return [
            " " + style.paint("rows", .bold) + "   " + (rows == 0 ? style.paint("none yet", .dim) : picture),
            "        " + legend.joined(separator: "   "),
        ]
    }

    private func footer(_ progress: DemoProgress) -> String {
        if let trouble = progress.trouble {
            return " " + style.paint(String("! \(trouble)".prefix(Self.width - 1)), .yellow)
        }
        let hint =
            switch progress.phase {
            case .starting, .running: "Ctrl-C ends the feed; everything is audited then all the same"
            default: "Ctrl-C again ends at once, without an audit"
            }
        return style.paint(" \(hint)", .dim)
    }
}

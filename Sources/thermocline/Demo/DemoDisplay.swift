import Configuration
import Platform
import PrivateServers

/// Shows the demo while it runs: a picture painted over itself on a terminal, a line now and then elsewhere.
struct DemoDisplay: Sendable {
    /// Half a second: lively, and slow enough to read.
    private static let frame = Duration.milliseconds(500)
    /// In a pipe.
    private static let line = Duration.seconds(5)
    private let table: DemoTable
    private let isPicture: Bool

    init(servers: DemoServers, environment: Environment = .process) {
        let terminal = Terminal(environment)
        table = DemoTable(
            style: DemoStyle(
                hasColours: terminal != nil && environment["NO_COLOR"] == nil,
                isUnicode: Terminal.showsUnicode(environment)
            ),
            hot: "http://\(servers.configuration.hot.listen)",
            cold: "http://\(servers.configuration.cold.listen)",
            sql: "psql -h 127.0.0.1 -U \(PrivatePostgres.user) postgres -p \(servers.hot.port) "
                + "(hot), \(servers.cold.port) (cold)"
        )
        // A picture taller than its terminal could not be painted over.
        isPicture = (terminal?.rows ?? 0) > DemoTable.height
    }

    /// Shows `board` until `over` opens, then once more.
    func run(_ board: DemoBoard, until over: Latch) async throws {
        if isPicture { try await paint(board, until: over) } else { try await list(board, until: over) }
    }

    private func paint(_ board: DemoBoard, until over: Latch) async throws {
        StandardOutput.write("\u{1b}[?25l")  // hide the cursor
        defer { StandardOutput.write("\u{1b}[?25h") }
        var meter = RateMeter()
        var history: [Double] = []
        var height = 0
        let clock = ContinuousClock()
        while true {
            let isLast = over.isOpen
            let progress = board.progress()
            let rates = meter.rates(at: progress)
            if progress.phase == .running { history.append(rates.published) }
            if history.count > DemoTable.width { history.removeFirst() }
            let lines = table.lines(progress, rates: rates, history: history)
            // One write a frame, each line cleared behind its text: no flicker. Without wrapping, a narrow terminal
            // cuts lines and the picture keeps its height.
            let up = height > 0 ? "\u{1b}[\(height)A" : ""
            let text = lines.map { "\($0)\u{1b}[K\r\n" }.joined()
            StandardOutput.write("\(up)\r\u{1b}[?7l\(text)\u{1b}[J\u{1b}[?7h")
            height = lines.count
            if isLast { return }
            try await over.wait(for: Self.frame, clock: clock)
        }
    }

    private func list(_ board: DemoBoard, until over: Latch) async throws {
        StandardOutput.line("hot   \(table.hot)/health  \(table.hot)/stats")
        StandardOutput.line("cold  \(table.cold)/health  \(table.cold)/stats")
        StandardOutput.line("sql   \(table.sql)")
        let clock = ContinuousClock()
        while true {
            try await over.wait(for: Self.line, clock: clock)
            let progress = board.progress()
            let total = progress.total
            var line = "\(progress.phase.rawValue) \(progress.elapsed.clock): published=\(progress.published)"
            line += " stored=\(total.stored) repeated=\(total.repeated) quarantined=\(total.quarantined)"
            line += " lag=\((total.lag ?? 0).seconds)"
            line += " copied=\(total.copied) verified=\(total.verified) pruned=\(total.pruned)"
            StandardOutput.line(line)
            if over.isOpen { return }
        }
    }
}

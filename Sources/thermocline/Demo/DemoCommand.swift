import Configuration
import Platform

/// `thermocline demo`: the whole product on private servers and a simulated market, audited at the end.
struct DemoCommand {
    private let invocation: Invocation

    init(_ invocation: Invocation) { self.invocation = invocation }

    func run() async throws -> Int32 {
        let signals = try Signals()
        let seconds = invocation.number("--seconds") ?? 60
        let demo = Demo(
            length: seconds == 0 ? nil : .seconds(seconds),
            rate: Double(invocation.number("--rate") ?? 1_000),
            seed: UInt64(invocation.number("--seed") ?? 1)
        )
        let verdict = try await untilSignalled(by: signals, endsWithTerminal: true) { stop, skipGrace in
            try await demo.run(until: stop, orAtOnce: skipGrace)
        }
        for finding in verdict.findings { StandardOutput.errorLine(finding) }
        StandardOutput.line(verdict.line)
        return verdict.isGood ? 0 : 1
    }
}

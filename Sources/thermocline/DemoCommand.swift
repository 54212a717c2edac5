import Configuration
import Platform

/// `thermocline demo`: the whole pipeline on private servers, audited at the end.
struct DemoCommand {
    private let invocation: Invocation

    init(_ invocation: Invocation) { self.invocation = invocation }

    func run() async throws -> Int32 { throw UsageError("demo is not built yet") }
}

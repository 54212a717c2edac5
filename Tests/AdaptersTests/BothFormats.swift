import Records
import Testing

/// Runs each test of a suite once for each format of cold.
struct BothFormats: SuiteTrait, TestTrait, TestScoping {
    let isRecursive = true

    func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing body: @concurrent @Sendable () async throws -> Void
    ) async throws {
        // Of a suite: its tests follow, each in a scope of its own.
        guard testCase != nil else { return try await body() }
        for format in ColdFormat.allCases {
            try await ColdFormat.$underTest.withValue(format) {
                do {
                    try await body()
                } catch {
                    throw Failed(format: format, error: error)
                }
            }
        }
    }

    struct Failed: Error, CustomStringConvertible {
        let format: ColdFormat
        let error: any Error
        var description: String { "with cold.format: \(format): \(error)" }
    }
}

extension Trait where Self == BothFormats {
    /// With `cold.format: rows` and with `segments`: `Tiers()` takes the format of its scope.
    static var bothFormats: Self { BothFormats() }
}

extension ColdFormat {
    @TaskLocal static var underTest = ColdFormat.rows
}

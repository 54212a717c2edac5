package import Records
package import Testing

/// Runs each test of a suite once for each format of cold; under the sanitizers for `segments` alone.
package struct BothFormatsTrait: SuiteTrait, TestTrait, TestScoping {
    package let isRecursive = true

    package func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing body: @concurrent @Sendable () async throws -> Void
    ) async throws {
        // Of a suite: its tests follow, each in a scope of its own.
        guard testCase != nil else { return try await body() }
        for format in skipsSlow ? [.segments] : ColdFormat.allCases {
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

extension Trait where Self == BothFormatsTrait {
    /// With `cold.format: rows` and with `segments`: a test finds its own in `ColdFormat.underTest`.
    package static var bothFormats: Self { BothFormatsTrait() }
}

extension ColdFormat {
    /// The format of cold that a test runs with.
    @TaskLocal package static var underTest = ColdFormat.rows
}

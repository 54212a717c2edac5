package import Testing
import Foundation

extension Trait where Self == ConditionTrait {
    /// Marks kill loops, soaks, explorers and memory bounds: run once, not again under the sanitizers.
    ///
    /// `swift test` cannot choose by tag, so `make check` sets `THERMOCLINE_SKIP_SLOW` for its sanitizer runs.
    package static var slow: Self {
        .disabled(
            if: skipsSlow,
            "slow: runs once, without a sanitizer"
        )
    }
}

/// Whether a sanitizer watches this run.
let skipsSlow = ProcessInfo.processInfo.environment["THERMOCLINE_SKIP_SLOW"] == "1"

package import Digest

/// What reading cold back found.
package struct Proof: Sendable, Equatable {
    /// The range as readers see it.
    package var found: Summary
    /// Where rows were merged: the staged rows themselves, and how many of them neither the range nor `conflict` holds.
    package var staged: Summary?
    package var missing: Int

    package init(found: Summary, staged: Summary? = nil, missing: Int = 0) {
        self.found = found
        self.staged = staged
        self.missing = missing
    }

    /// `hot` is what was copied; nil where nothing was since the last proof.
    package func isComplete(hot: Summary?, cold: Summary) -> Bool {
        found == cold && missing == 0 && (hot.map { $0 == staged ?? cold } ?? true)
    }

    package func difference(hot: Summary?, cold: Summary) -> String {
        var parts: [String] = []
        if found != cold { parts.append("cold holds \(found), must be \(cold)") }
        if let staged, let hot, staged != hot { parts.append("staging holds \(staged), copied \(hot)") }
        if staged == nil, let hot, hot != cold { parts.append("hot had \(hot), cold must be \(cold)") }
        if missing > 0 { parts.append("\(missing) copied rows are not in cold") }
        return parts.joined(separator: "; ")
    }
}

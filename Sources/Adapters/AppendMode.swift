/// How a lane writes its next batch: straight into the keyed table, or through staging because keys repeat.
///
/// COPY straight in is three times as fast and fails whole on a repeated key. Redundant collectors make every batch
/// dirty: after two of the last eight the lane stays with staging and tries the direct way every 64th batch.
struct AppendMode: Sendable, Equatable {
    private var recentlyDirty: [Bool] = []
    private var stagedInARow = 0
    private var staysWithStaging = false

    var triesDirect: Bool { !staysWithStaging || stagedInARow >= 63 }

    /// A direct COPY went in, or found a repeated key, and the batch was done again through staging.
    mutating func triedDirect(wasDirty: Bool) {
        recentlyDirty = recentlyDirty.suffix(7) + [wasDirty]
        staysWithStaging = wasDirty && (staysWithStaging || recentlyDirty.count { $0 } >= 2)
        stagedInARow = 0
    }

    /// A batch went through staging at once.
    mutating func staged() { stagedInARow += 1 }
}

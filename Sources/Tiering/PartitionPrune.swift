package import Digest
package import Records

/// A partition of a hot table, as it exists now.
package struct HotPartition: Sendable, Hashable {
    package var type: String
    package var range: TimeRange

    package init(type: String, range: TimeRange) {
        self.type = type
        self.range = range
    }
}

/// A partition that may leave hot whole: all of it is past retention, and every row is proved in cold.
package struct DuePartition: Sendable, Equatable {
    package var partition: HotPartition
    /// The verified transfers whose rows it holds, oldest first; none where it is empty.
    package var transfers: [Transfer]

    package init(partition: HotPartition, transfers: [Transfer]) {
        self.partition = partition
        self.transfers = transfers
    }
}

/// What became of a partition that was to leave hot whole.
package enum PartitionOutcome: Sendable, Equatable {
    /// It rests; `locked` is how long its table was locked for everybody else.
    case rests(rows: Int, locked: Duration)
    /// Done already by an attempt whose answer was lost.
    case already
    /// Rows came since its ranges were verified: nothing was changed, they are planned again.
    case late
    /// An earlier life of the same partition still rests: the rows of this one leave by DELETE.
    case occupied
    /// A lock was not to be had in time, or a pin or hot's own count forbids it; nothing was changed.
    case declined(String)
}

/// A partition that left hot whole and waits in `thermocline_pruned` until it is proved again and dropped.
package struct Resting: Sendable, Equatable {
    /// Name of the table.
    package var name: String
    package var type: String
    package var range: TimeRange
    package var rows: Int
    package var at: Timestamp
    /// What hot's log says it held, by range, on the strength of which proof.
    package var proofs: [Proof]

    package struct Proof: Sendable, Equatable {
        package var range: TimeRange
        package var manifest: Int64
        package var hot: Summary

        package init(range: TimeRange, manifest: Int64, hot: Summary) {
            self.range = range
            self.manifest = manifest
            self.hot = hot
        }
    }

    package init(name: String, type: String, range: TimeRange, rows: Int, at: Timestamp, proofs: [Proof]) {
        self.name = name
        self.type = type
        self.range = range
        self.rows = rows
        self.at = at
        self.proofs = proofs
    }
}

import Adapters
import Records
import TestSupport
import Testing

/// The numbered steps of one range's way from hot to cold, in order.
///
/// Up to the fifth an archiver takes over; then it copies and proves. From `detached` on the range leaves
/// hot whole, or, from `deleted` on, row by row.
enum ArchiveStep: Int, CaseIterable, Comparable, Sendable, CustomTestStringConvertible {
    case leaseTaken = 1
    case hotFenceRaised
    case hotFenceCommitted
    case coldFenceRaised
    case sessionRecorded
    case partitionMade
    case snapshotTaken
    case snapshotHalfRead
    case copyBegun
    case copyHalfSent
    case copyEnded
    case copyRecorded
    case copyCommitted
    case readBack
    case manifestAdded
    case manifestCommitted
    case detached
    case rests
    case restCommitted
    case restRecorded
    case restingRead
    case dropped
    case dropCommitted
    case deleted
    case deletionLogged
    case deletionCommitted
    case deletionRecorded

    /// A connection of the program with one tier, and where it stops.
    typealias Place = (tier: Tier, hold: Hold)

    private static let commit = Hold.answer(to: LaneStep.commit)
    private static let ledger = Hold.answer(to: "INSERT INTO thermocline_store.transfer")
    private static let manifest = Hold.answer(to: "INSERT INTO thermocline_store.manifest")
    private static let rest = Hold.answer(to: "INSERT INTO thermocline_store.resting")
    private static let log = Hold.answer(to: "INSERT INTO thermocline_store.prune_log")
    private static let fence = Hold.answer(to: "UPDATE thermocline_store.archive_fence")
    private static let drop = Hold.answer(to: "DROP TABLE thermocline_pruned")

    /// Where the program's connections stop, one after the other; at the last it has taken this step and does not know.
    var places: [Place] {
        switch self {
        case .leaseTaken: [(.cold, .answer(to: "SET token = token + CASE"))]
        case .hotFenceRaised: [(.hot, Self.fence)]
        case .hotFenceCommitted: [(.hot, Self.fence), (.hot, Self.commit)]
        case .coldFenceRaised: [(.cold, Self.fence)]
        case .sessionRecorded: [(.cold, .answer(to: "INSERT INTO thermocline_store.archive_session"))]
        case .partitionMade: [(.cold, .answer(to: "ATTACH PARTITION"))]
        case .snapshotTaken: [(.hot, .answer(to: "COPY (SELECT"))]
        case .snapshotHalfRead: [(.hot, .answer(to: "COPY (SELECT", passing: Self.part))]
        case .copyBegun: [(.cold, .answer(to: Self.copy))]
        case .copyHalfSent: [(.cold, .request(Self.copy, passing: Self.part))]
        // The trailer of the rows, then CopyDone.
        case .copyEnded: [(.cold, .answer(to: [0xff, 0xff, UInt8(ascii: "c"), 0, 0, 0, 4]))]
        case .copyRecorded: [(.cold, Self.ledger)]
        case .copyCommitted: [(.cold, Self.ledger), (.cold, Self.commit)]
        case .readBack: [(.cold, .answer(to: "COPY (SELECT", passing: Self.part))]
        case .manifestAdded: [(.cold, Self.manifest)]
        case .manifestCommitted: [(.cold, Self.manifest), (.cold, Self.commit)]
        case .detached: [(.hot, .answer(to: "DETACH PARTITION"))]
        case .rests: [(.hot, Self.rest)]
        case .restCommitted: [(.hot, Self.rest), (.hot, Self.commit)]
        case .restRecorded: [(.hot, Self.rest), (.cold, Self.ledger)]
        case .restingRead: [(.hot, .answer(to: "FROM thermocline_pruned", passing: Self.part))]
        case .dropped: [(.hot, Self.drop)]
        case .dropCommitted: [(.hot, Self.drop), (.hot, Self.commit)]
        case .deleted: [(.hot, .answer(to: "COPY (DELETE", passing: Self.part))]
        case .deletionLogged: [(.hot, Self.log)]
        case .deletionCommitted: [(.hot, Self.log), (.hot, Self.commit)]
        case .deletionRecorded: [(.hot, Self.log), (.cold, Self.ledger)]
        }
    }

    /// What begins the copy into cold.
    static var copy: String { "COPY thermocline_store.\(ColdFormat.underTest == .segments ? "segment_" : "")trade" }

    /// 2 KiB: more than any of the statements, less than the 200 rows, packed or not.
    private static let part = 2 << 10

    var testDescription: String { "step \(rawValue): \(self)" }

    /// Whether cold's rows are touched by what is under way or next, so that their format may matter.
    var meetsFormat: Bool {
        switch self {
        case .partitionMade, .copyBegun ... .manifestCommitted, .dropped, .deleted: true
        default: false
        }
    }
    /// Whether there is something to test in the format under test.
    var isDue: Bool { meetsFormat || ColdFormat.underTest == .rows }

    /// Whether the rows leave by DELETE, as ranges do that do not divide a partition.
    var deletes: Bool { self >= .deleted }

    /// What the databases hold of the first range once all that was not committed is gone: the state in the ledger,
    /// manifests of it, prunes that hot's log has, rows in its hot table, partitions that rest.
    var committed: [String] {
        switch self {
        case .leaseTaken ... .copyRecorded: ["none", "0", "0", "201", "0"]
        case .copyCommitted ... .manifestAdded: ["copied", "0", "0", "201", "0"]
        case .manifestCommitted ... .rests, .deleted, .deletionLogged: ["verified", "1", "0", "201", "0"]
        case .restCommitted, .restRecorded: ["verified", "1", "1", "0", "1"]
        case .restingRead, .dropped: ["pruned", "1", "1", "0", "1"]
        case .dropCommitted: ["pruned", "1", "1", "0", "0"]
        default: ["verified", "1", "1", "0", "0"]
        }
    }

    static func < (one: ArchiveStep, other: ArchiveStep) -> Bool { one.rawValue < other.rawValue }
}

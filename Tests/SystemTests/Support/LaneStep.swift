import TestSupport
import Testing

/// The numbered steps of a lane's life, in order; `docs/semantics.md` has the same numbers.
///
/// Up to the third a lane takes its source, from the fourth on it stores one batch.
enum LaneStep: Int, CaseIterable, Comparable, Sendable, CustomTestStringConvertible {
    case claim = 1
    case recordConsumer
    case createConsumer
    case begin
    case fence
    case copyBegun
    case copyHalfSent
    case copyEnded
    case quarantine
    case activity
    case commitSent
    case commitAnswered
    case acknowledged

    /// The statement to its end: BEGIN says "READ COMMITTED".
    static let commit = "COMMIT\0"

    var testDescription: String { "step \(rawValue): \(self)" }

    /// Whether an instance comes to it before it reads.
    var isOpening: Bool { self <= .createConsumer }

    static func < (one: LaneStep, other: LaneStep) -> Bool { one.rawValue < other.rawValue }

    /// Where the program's connections stop when it has taken this step and knows nothing of it yet.
    var place: (postgres: Hold?, nats: Hold?) {
        switch self {
        case .claim: (.answer(to: "SET owner = $3"), nil)
        case .recordConsumer: (.answer(to: "SET consumer = $4"), nil)
        case .createConsumer: (nil, .answer(to: "$JS.API.CONSUMER.CREATE."))
        case .begin: (.answer(to: "BEGIN ISOLATION"), nil)
        case .fence: (.answer(to: "SET last_seq = $6"), nil)
        case .copyBegun: (.answer(to: "COPY thermocline_store.trade"), nil)
        // 4 KiB: more than the statement, less than the 200 rows.
        case .copyHalfSent: (.request("COPY thermocline_store.trade", passing: 4 << 10), nil)
        // The trailer of the rows, then CopyDone.
        case .copyEnded: (.answer(to: [0xff, 0xff, UInt8(ascii: "c"), 0, 0, 0, 4]), nil)
        case .quarantine: (.answer(to: "INSERT INTO thermocline_store.quarantine"), nil)
        case .activity: (.answer(to: "INSERT INTO thermocline_store.range_activity"), nil)
        case .commitSent: (.answer(to: Self.commit), nil)
        // The program has the answer when it acknowledges; that message goes no further.
        case .commitAnswered: (nil, .request("PUB $JS.ACK."))
        case .acknowledged: (nil, .answer(to: "+ACK"))
        }
    }
}

extension FaultRun {
    /// Stops the next instance that takes this step.
    func hold(at step: LaneStep) {
        let place = step.place
        if let hold = place.postgres { postgres.hold(hold) }
        if let hold = place.nats { nats.hold(hold) }
    }
}

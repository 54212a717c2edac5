import Digest
import Records
import Testing
import Tiering

@Suite struct TransferTests {
    private static let range = TimeRange(start: Timestamp(micros: 0), end: Timestamp(micros: 10))
    private static let rows = Summary(rows: 2, digest: Digest128(high: 1, low: 2))
    private static let more = Summary(rows: 3, digest: Digest128(high: 1, low: 3))

    private static func transfer(_ state: Transfer.State) -> Transfer {
        Transfer(id: "t", type: "trade", range: range, state: state)
    }

    private static func copied(cold: Summary = rows, staging: String? = nil) -> Transfer {
        var transfer = transfer(.planned)
        transfer.copied(hot: rows, cold: cold, stamp: "a", staging: staging)
        return transfer
    }

    @Test func `a transfer goes from planned over copied and verified to pruned, and back where hot changed`() {
        var transfer = Self.copied()
        #expect(transfer.state == .copied)
        transfer.compared(Proof(found: Self.rows), at: Timestamp(micros: 5))
        #expect(transfer.state == .verified)
        #expect(transfer.verifiedAt == Timestamp(micros: 5))
        transfer.pruned(rows: 2, at: Timestamp(micros: 6))
        #expect(transfer.state == .pruned)
        transfer.plan()
        #expect(transfer.state == .planned)
        #expect(transfer.cold == Self.rows)
    }

    @Test func `a merge is proved by the range, the staged rows and where they are`() {
        let good = Proof(found: Self.more, staged: Self.rows)
        var transfer = Self.copied(cold: Self.more, staging: "s")
        transfer.compared(good, at: Timestamp(micros: 5))
        #expect(transfer.state == .verified)
        #expect(transfer.staging == "s", "known until the proof is recorded and the table dropped with it")
    }

    @Test(arguments: [
        Proof(found: Summary(rows: 3, digest: Digest128(high: 9, low: 9)), staged: rows),
        Proof(found: rows, staged: rows),
        Proof(found: more, staged: more),
        Proof(found: more, staged: rows, missing: 1),
        Proof(found: more),
    ])
    func `anything missing, altered or added is a mismatch that says so`(_ proof: Proof) {
        var transfer = Self.copied(cold: Self.more, staging: "s")
        transfer.compared(proof, at: Timestamp(micros: 5))
        #expect(transfer.state == .mismatched)
        #expect(transfer.error?.isEmpty == false)
    }

    @Test func `nothing is verified by zero equals zero where rows were copied`() {
        var transfer = Self.copied()
        transfer.compared(Proof(found: .zero), at: Timestamp(micros: 5))
        #expect(transfer.state == .mismatched)
    }

    @Test func `a failure counts, and keeps what was reached`() {
        for state in Transfer.State.allCases {
            var transfer = Self.transfer(state)
            transfer.failed("away")
            #expect(transfer.state == (state == .planned ? .failed : state))
            #expect(transfer.attempt == 1)
            #expect(transfer.error == "away")
        }
        var transfer = Self.transfer(.planned)
        transfer.failed("3 rows, 2 found", unaccounted: true)
        #expect(transfer.state == .unaccounted)
    }

    @Test func `a copied range is not planned again before it is verified`() async {
        await #expect(processExitsWith: .failure) {
            var transfer = Self.transfer(.copied); transfer.plan()
        }
    }

    @Test func `what is not copied is not compared`() async {
        await #expect(processExitsWith: .failure) {
            var transfer = Self.transfer(.planned)
            transfer.compared(Proof(found: .zero), at: Timestamp(micros: 0))
        }
    }

    @Test func `what is not verified is not pruned`() async {
        await #expect(processExitsWith: .failure) {
            var transfer = Self.transfer(.copied)
            transfer.pruned(rows: 1, at: Timestamp(micros: 0))
        }
    }

    @Test func `what is verified is not copied over`() async {
        await #expect(processExitsWith: .failure) {
            var transfer = Self.transfer(.verified)
            transfer.copied(hot: .zero, cold: .zero, stamp: "a", staging: nil)
        }
    }
}

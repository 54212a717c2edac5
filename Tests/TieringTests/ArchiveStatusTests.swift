import Records
import Testing
import TestSupport
import Tiering

@Suite struct ArchiveStatusTests {
    private static func transfer(_ type: RecordType, _ number: Int64, _ state: Transfer.State) -> Transfer {
        let range = TimeRange(start: Timestamp(micros: number * 10), end: Timestamp(micros: number * 10 + 10))
        return Transfer(id: "\(type.name)\(number)", type: type.name, range: range, state: state)
    }

    @Test(arguments: Catalog.underTest.types)
    func `a ledger is counted by state, type by type`(type: RecordType) {
        var ledger = Transfer.State.allCases.enumerated().map { Self.transfer(type, Int64($0.offset), $0.element) }
        ledger.append(Self.transfer(type, 20, .verified))
        ledger[2].verifiedAt = Timestamp(micros: 77)
        ledger[4].error = "cold holds 1 rows"
        var status = ArchiveStatus()
        let oldest = [type.name: Timestamp(micros: 70)]
        status.count(ledger, LedgerSums.of(ledger), oldestProofs: oldest, types: Catalog.underTest.types.map(\.name))
        let own = status.types[type.name]
        #expect(own?.sums.ranges[.verified] == 2)
        #expect(own?.sums.ranges[.mismatched] == 1)
        #expect(own?.sums.verifiedThrough == Timestamp(micros: 210))
        #expect(own?.sums.lastVerifiedAt == Timestamp(micros: 77))
        #expect(own?.oldestProof == Timestamp(micros: 70))
        #expect(own?.halted?.contains("cold holds 1 rows") == true)
        #expect(own?.errors.count == 1)
        for other in Catalog.underTest.types where other != type {
            #expect(status.types[other.name] == ArchiveStatus.OfType())
        }
    }

    @Test func `counting again keeps the rows that were moved`() {
        var status = ArchiveStatus()
        status.types["trade", default: .init()].rowsCopied = 5
        status.types["trade"]?.sums.ranges = [.pruned: 3]
        status.count([], nil, types: ["trade"])
        #expect(status.types["trade"]?.rowsCopied == 5)
        #expect(status.types["trade"]?.sums.ranges == [.pruned: 3], "the ledger is as it was")
        status.count([], [:], types: ["trade"])
        #expect(status.types["trade"]?.sums.ranges.isEmpty == true)
    }
}

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
        status.count(ledger, types: Catalog.underTest.types.map(\.name))
        let own = status.types[type.name]
        #expect(own?.ranges[.verified] == 2)
        #expect(own?.ranges[.mismatched] == 1)
        #expect(own?.verifiedThrough == Timestamp(micros: 210))
        #expect(own?.lastVerifiedAt == Timestamp(micros: 77))
        #expect(own?.halted?.contains("cold holds 1 rows") == true)
        #expect(own?.errors.count == 1)
        for other in Catalog.underTest.types where other != type {
            #expect(status.types[other.name] == ArchiveStatus.OfType())
        }
    }

    @Test func `counting again keeps the rows that were moved`() {
        var status = ArchiveStatus()
        status.types["trade", default: .init()].rowsCopied = 5
        status.count([], types: ["trade"])
        #expect(status.types["trade"]?.rowsCopied == 5)
        #expect(status.types["trade"]?.ranges.isEmpty == true)
    }
}

import Simulation
import Testing

@Suite struct SetCheckerTests {
    @Test func `every message is in one place, and the line adds up`() {
        var checker = SetChecker<String>()
        for identity in ["a", "b", "b", "poison"] { checker.publish(identity) }
        checker.store("a")
        checker.store("b")
        checker.quarantine("poison")
        #expect(checker.report.isExact)
        #expect("\(checker.report)" == "published=4 stored=2 quarantined=1 repeated=1 duplicated=0 lost=0")
    }

    @Test func `what is nowhere is lost, and named`() {
        var checker = SetChecker<Int>()
        checker.publish(1)
        checker.publish(1)
        checker.publish(2)
        checker.store(2)
        let report = checker.report
        #expect(report.lost == 1 && !report.isExact)
        #expect(report.published == report.stored + report.quarantined + report.repeated + report.lost)
        #expect(checker.lost(atMost: 9) == [1])
    }

    @Test func `a second row of a message is a duplicate, a row of none is unexpected`() {
        var checker = SetChecker<Int>()
        checker.publish(1)
        checker.store(1)
        checker.store(1)
        checker.store(2)
        checker.quarantine(3)
        let report = checker.report
        #expect(report.duplicated == 1 && report.unexpected == 2 && !report.isExact)
        #expect("\(report)".hasSuffix("duplicated=1 lost=0 unexpected=2"))
        #expect(Set(checker.unexpected(atMost: 9)) == [2, 3])
    }

    @Test func `a message whose publish was not answered may be there or not, but not twice`() {
        var checker = SetChecker<Int>()
        for identity in 1...3 { checker.attempt(identity) }
        checker.publish(1)
        checker.store(1)
        checker.store(2)
        #expect(checker.report.isExact)
        #expect("\(checker.report)" == "published=1 stored=1 quarantined=0 repeated=0 duplicated=0 lost=0")
        checker.store(2)
        checker.store(4)
        #expect(checker.report.duplicated == 1)
        #expect(checker.unexpected(atMost: 9) == [4])
    }
}

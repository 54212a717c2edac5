import Simulation
import Testing

@Suite struct FeedAuditTests {
    private static let names = ["a", "b", "c"]

    /// Three messages, one of them twice, and a poisoned one.
    private static var published: SetChecker<String> {
        var published = SetChecker<String>()
        for name in names + ["a", "poison"] { published.publish(name) }
        return published
    }

    /// Everything where it belongs: `b` has been copied, and not pruned yet.
    private static func audit(hot: [String] = ["b", "c"], cold: [String] = ["a", "b"]) -> FeedAudit {
        var audit = FeedAudit(published: published)
        for name in hot { audit.foundInHot(name) }
        for name in cold { audit.foundInCold(name) }
        audit.foundInQuarantine("poison")
        return audit
    }

    @Test func `a row in both tiers counts once`() {
        let audit = Self.audit()
        let report = audit.checked.report
        #expect("\(report)" == "published=5 stored=3 quarantined=1 repeated=1 duplicated=0 lost=0")
        #expect(report.isExact)
        #expect(audit.rowsInHot == 2 && audit.rowsInCold == 2)
    }

    @Test(arguments: names) func `a row deleted behind our back is lost, unless the other tier has it`(_ name: String) {
        let audit = Self.audit(hot: ["b", "c"].filter { $0 != name }, cold: ["a", "b"].filter { $0 != name })
        #expect(audit.checked.report.lost == 1 && !audit.checked.report.isExact)
        #expect(audit.checked.lost(atMost: 5) == [name])
        #expect(Self.audit(hot: ["c"]).checked.report.isExact, "cold has b")
        #expect(Self.audit(cold: ["a"]).checked.report.isExact, "hot has b")
    }

    @Test(arguments: [
        (["b", "b", "c"], ["a", "b"]), (["b", "c"], ["a", "b", "b"]), (["b", "b", "c"], ["a", "b", "b"]),
    ])
    func `a row that is twice in one tier is duplicated`(hot: [String], cold: [String]) {
        let checked = Self.audit(hot: hot, cold: cold).checked
        #expect(checked.report.duplicated == 1 && checked.report.lost == 0 && !checked.report.isExact)
        #expect(checked.duplicated(atMost: 5) == ["b"])
    }

    @Test func `a row that nobody published, and poison that became a row, are found`() {
        var audit = Self.audit(hot: ["b", "c", "other"])
        audit.foundInQuarantine("another")
        #expect(audit.checked.report.unexpected == 2 && !audit.checked.report.isExact)
        var nothing = FeedAudit(published: Self.published)
        nothing.foundInHot("poison as a row")
        #expect(nothing.checked.report.lost == 4 && nothing.checked.report.unexpected == 1)
    }
}

import Platform
import Testing

@Suite struct RandomIDTests {
    @Test func `hex has the asked length and only hex digits`() {
        for digits in [1, 16, 33] {
            let id = RandomID.hex(digits: digits)
            #expect(id.count == digits)
            #expect(id.utf8.allSatisfy { "0123456789abcdef".utf8.contains($0) })
        }
    }

    @Test func `a UUID is of version 4`() {
        for _ in 0..<100 {
            let groups = RandomID.uuid().split(separator: "-", omittingEmptySubsequences: false)
            #expect(groups.map(\.count) == [8, 4, 4, 4, 12])
            #expect(groups[2].first == "4")
            #expect("89ab".contains(groups[3].prefix(1)))
        }
    }

    @Test func `no two are equal`() {
        #expect(Set((0..<1_000).map { _ in RandomID.hex(digits: 16) }).count == 1_000)
        #expect(Set((0..<1_000).map { _ in RandomID.uuid() }).count == 1_000)
    }
}

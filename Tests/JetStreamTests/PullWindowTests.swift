import Testing

@testable import JetStream

@Suite struct PullWindowTests {
    private let start = ContinuousClock.now
    private var expiry: ContinuousClock.Instant { start + .seconds(1) }

    @Test func `what is asked for fills the credit, in pieces that are worth a request`() {
        var window = PullWindow()
        #expect(window.wanted(1_000) == 1_000)
        _ = window.ask(1_000, until: expiry)
        #expect(window.open == 1_000)
        window.received(200)
        #expect(window.wanted(1_000) == nil, "less than a quarter is not worth a request")
        window.received(100)
        #expect(window.wanted(1_000) == 300)
        #expect(window.wanted(600) == nil)
    }

    @Test func `the end of a request closes what it had left, whichever messages it served`() {
        var window = PullWindow()
        let first = window.ask(1_000, until: expiry)
        window.received(400)
        let second = window.ask(400, until: expiry)
        // The server served both in turn: the first ends with 300 left, though 500 more have come.
        window.received(500)
        window.ended(first, left: 300, tooLarge: true)
        #expect(window.open == 200 && !window.asksAlone)
        window.ended(second, left: 200, tooLarge: true)
        #expect(window.open == 0 && !window.isOpen && !window.asksAlone)
    }

    @Test func `a message larger than a whole request is asked for alone, and by nothing else meanwhile`() {
        var window = PullWindow()
        let small = window.ask(100, until: expiry)
        window.ended(small, left: 100, tooLarge: true)
        #expect(window.asksAlone && window.wanted(100) == 0)
        _ = window.ask(0, until: expiry)
        #expect(!window.asksAlone && window.wanted(100_000) == nil)
        window.received(5_000)
        #expect(!window.isOpen && window.wanted(100) == 100)
    }

    @Test func `an end that comes late for a forgotten request ends no other`() {
        var window = PullWindow()
        let first = window.ask(100, until: expiry)
        let early = window.expire(at: expiry)
        #expect(!early && window.isOpen, "its end may still be on its way")
        let unanswered = window.expire(at: expiry + .milliseconds(100))
        #expect(unanswered, "the server said nothing at all")
        #expect(!window.isOpen)
        _ = window.ask(500, until: expiry + .seconds(5))
        window.ended(first, left: 100, tooLarge: true)
        #expect(window.open == 500 && !window.asksAlone)
    }

    @Test func `after a request that ended without a word nothing is asked until the others have ended`() {
        var window = PullWindow()
        _ = window.ask(1_000, until: expiry)
        window.received(400)
        let second = window.ask(400, until: expiry + .seconds(1))
        let unanswered = window.expire(at: expiry + .milliseconds(100))
        #expect(!unanswered, "it was served")
        #expect(window.wanted(1_000_000) == nil, "what is still open cannot be known")
        window.ended(second, left: 100, tooLarge: false)
        #expect(window.open == 0 && window.wanted(1_000) == 1_000)
    }
}

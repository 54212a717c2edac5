import Testing

@testable import JetStream

@Suite struct ParsingTests {
    private func parse(_ text: String) -> AckSubject? { Array(text.utf8).withUnsafeBytes { AckSubject($0) } }
    private func answer(_ text: String) -> PublishAnswer { Array(text.utf8).withUnsafeBytes { PublishAnswer($0) } }

    @Test(arguments: [
        "$JS.ACK.MARKET_DATA.c-1.2.345.67.1700000000123456789.8",
        "$JS.ACK.hub.AbC123.MARKET_DATA.c-1.2.345.67.1700000000123456789.8",
        "$JS.ACK._.AbC123.MARKET_DATA.c-1.2.345.67.1700000000123456789.8.r4nd0m",
    ])
    func `a reply subject tells sequences, time and what is left, in each of its forms`(_ text: String) throws {
        let place = try #require(parse(text))
        #expect(place.deliveryCount == 2)
        #expect(place.streamSequence == 345)
        #expect(place.consumerSequence == 67)
        #expect(place.timeNanos == 1_700_000_000_123_456_789)
        #expect(place.pending == 8)
    }

    @Test(arguments: [
        "", "_INBOX.abc.1", "$JS.ACK.", "$JS.ACK.S.c.1.2.3.4", "$JS.ACK.S.c.1.2.3.4.", "$JS.ACK.S.c.1.2.3.4.x",
        "$JS.ACK.S.c.1..3.4.5", "$JS.ACK.S.c.-1.2.3.4.5", "$JS.ACK.S.c.1.2.3.4.18446744073709551616",
        "$JS.ACK.d.S.c.1.2.3.4.5", "$JS.ACK...........",
    ])
    func `any other reply subject is none of JetStream's`(_ text: String) {
        #expect(parse(text) == nil)
    }

    @Test func `a stream's answer is stored, duplicate, refused or unreadable`() {
        #expect(answer(#"{"stream":"S","seq":12}"#) == .stored)
        #expect(answer(#"{"stream":"S", "domain":"hub", "seq":12,"duplicate":true}"#) == .duplicate)
        #expect(
            answer(#"{"error":{"code":503,"err_code":10077,"description":"x"},"stream":"S","seq":0}"#)
                == .refused(10077)
        )
        #expect(answer("") == .unreadable)
        #expect(answer("+OK") == .unreadable)
        #expect(answer(#"{"stream":"S","seq":0}"#) == .unreadable)
    }

    @Test func `every setting of a consumer that the server did not take is named`() throws {
        let asked = ConsumerConfiguration(name: "a", filterSubject: "s.>", startSequence: 5)
        func differences(_ change: (inout ConsumerConfiguration) -> Void) throws -> [String] {
            var made = asked
            change(&made)
            return try made.withRaw { asked.differences(from: $0) }
        }
        #expect(try differences { _ in } == [])
        #expect(try differences { $0.name = "b" } == ["name"])
        #expect(try differences { $0.filterSubject = nil } == ["filter_subject"])
        #expect(try differences { $0.startSequence = 0 } == ["opt_start_seq"])
        #expect(try differences { $0.inactiveThreshold = .seconds(5) } == ["inactive_threshold"])
        #expect(try differences { $0.maxAckPending = 1_000 } == ["max_ack_pending"])
        #expect(try differences { $0.ackWait = .seconds(30) } == ["ack_wait"])
        #expect(try differences { $0.ackPolicy = .none }.first == "ack_policy")
    }
}

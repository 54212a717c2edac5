import Records
import Testing
import Tiering

@Suite struct LaneCursorTests {
    private static func entry(_ stream: UInt64, consumer: UInt64, delivery: UInt64 = 1, at time: Int64 = 100)
        -> MessageBatch.Entry
    {
        MessageBatch.Entry(
            streamSequence: stream,
            consumerSequence: consumer,
            deliveryCount: delivery,
            time: Timestamp(micros: time),
            subject: 0..<0,
            headers: 0..<0,
            payload: 0..<0
        )
    }

    private static func cursor(at sequence: UInt64, isShared: Bool = true, time: Int64? = 100) -> LaneCursor {
        LaneCursor(epoch: 1, sequence: sequence, messageTime: time.map(Timestamp.init(micros:)), isShared: isShared)
    }

    @Test func `takes what comes next, whatever hole the other types leave in a shared stream`() {
        var cursor = Self.cursor(at: 10)
        #expect(cursor.accept(Self.entry(11, consumer: 1)) == .take(nil))
        #expect(cursor.accept(Self.entry(40, consumer: 2, at: 101)) == .take(nil))
        #expect(cursor.sequence == 40)
        #expect(cursor.consumerSequence == 2)
        #expect(cursor.messageTime == Timestamp(micros: 101))
    }

    @Test func `a hole in a stream of one type is a gap, exactly`() {
        var cursor = Self.cursor(at: 10, isShared: false)
        let gap = Gap(cause: .discarded, epoch: 1, firstSequence: 11, lastSequence: 13, isSuspected: false)
        #expect(cursor.accept(Self.entry(14, consumer: 1)) == .take(gap))
        #expect(cursor.accept(Self.entry(15, consumer: 2)) == .take(nil))
    }

    @Test(arguments: [
        entry(11, consumer: 1, delivery: 2),  // a redelivery
        entry(12, consumer: 2),  // the first delivery was lost
        entry(11, consumer: 0),
        entry(10, consumer: 1),  // the position itself
        entry(9, consumer: 1),
    ])
    func `anything but the next message starts the lane over and moves nothing`(_ entry: MessageBatch.Entry) {
        var cursor = Self.cursor(at: 10)
        let before = cursor
        guard case .restart = cursor.accept(entry) else {
            Issue.record("taken: \(entry)")
            return
        }
        #expect(cursor == before)
    }

    @Test func `a message older than the last one asks for the position's own time, once a consumer`() {
        var cursor = Self.cursor(at: 10)
        #expect(cursor.accept(Self.entry(11, consumer: 1, at: 50)) == .checkClock)
        #expect(cursor.sequence == 10)
        #expect(cursor.accept(Self.entry(11, consumer: 1, at: 50)) == .take(nil))
        #expect(cursor.accept(Self.entry(12, consumer: 2, at: 40)) == .take(nil))
    }

    @Test func `without a known time there is nothing to compare`() {
        var cursor = Self.cursor(at: 10, time: nil)
        #expect(cursor.accept(Self.entry(11, consumer: 1, at: 1)) == .take(nil))
    }

    @Test func `a position never goes back inside an epoch`() async {
        await #expect(processExitsWith: .failure) {
            var cursor = LaneCursor(epoch: 1, sequence: 10, messageTime: nil, isShared: true)
            cursor.skip(to: 9, messageTime: nil)
        }
    }
}

@Suite struct ResumptionTests {
    private static let created = Timestamp(micros: 1_000)
    private static let time = Timestamp(micros: 5_000)

    private static func state(_ first: UInt64, _ last: UInt64, created: Timestamp = created) -> StreamState {
        StreamState(created: created, firstSequence: first, lastSequence: last)
    }

    private static func resumption(
        at position: Position = Position(streamCreated: created, epoch: 3, sequence: 10, messageTime: time),
        _ state: StreamState,
        time: Timestamp? = time,
        isShared: Bool = false
    ) -> Resumption {
        Resumption(position: position, state: state, timeAtPosition: time, isShared: isShared)
    }

    @Test(arguments: [(UInt64(1), UInt64(9), UInt64(0)), (5, 9, 4), (0, 0, 0), (8, 7, 7)])
    func `a source seen for the first time starts before what the stream holds, without a gap`(
        first: UInt64,
        last: UInt64,
        start: UInt64
    ) {
        let fresh = Self.resumption(at: Position(), Self.state(first, last), time: nil)
        #expect(fresh == .newEpoch(1, at: start, gap: nil))
    }

    @Test func `a stream that holds the position or begins right after it goes on`() {
        #expect(Self.resumption(Self.state(1, 20)) == .resume(at: 10, gap: nil))
        #expect(Self.resumption(Self.state(11, 20), time: nil) == .resume(at: 10, gap: nil))
        #expect(Self.resumption(Self.state(11, 10), time: nil) == .resume(at: 10, gap: nil))
    }

    @Test(arguments: [false, true])
    func `what the stream discarded is a gap, suspected where other types share it`(isShared: Bool) {
        let gap = Gap(cause: .discarded, epoch: 3, firstSequence: 11, lastSequence: 14, isSuspected: isShared)
        #expect(Self.resumption(Self.state(15, 20), time: nil, isShared: isShared) == .resume(at: 14, gap: gap))
    }

    @Test func `a stream made again is another epoch from its first message on`() {
        let gap = Gap(cause: .recreated, epoch: 3, firstSequence: 11, lastSequence: nil, isSuspected: true)
        let other = Self.state(1, 20, created: Timestamp(micros: 2_000))
        #expect(Self.resumption(other) == .newEpoch(4, at: 0, gap: gap))
    }

    @Test func `what another life of a stream discarded before it was seen is a gap of the new epoch`() {
        let made = Timestamp(micros: 2_000)
        let gap = Gap(cause: .recreated, epoch: 3, firstSequence: 11, lastSequence: nil, isSuspected: true)
        #expect(Self.resumption(Self.state(8, 20, created: made)) == .newEpoch(4, at: 0, gap: gap))
        let gone = Position(epoch: 3, sequence: 0)
        #expect(Self.resumption(at: gone, Self.state(8, 20), time: nil) == .newEpoch(4, at: 0, gap: nil))
        let begun = Position(streamCreated: made, epoch: 4, sequence: 0)
        let head = Gap(cause: .discarded, epoch: 4, firstSequence: 1, lastSequence: 7, isSuspected: true)
        let again = Self.resumption(at: begun, Self.state(8, 20, created: made), time: nil)
        #expect(again == .resume(at: 7, gap: head))
    }

    @Test func `a stream that ends below the position went back, and says how far`() {
        let gap = Gap(cause: .regression, epoch: 3, firstSequence: 8, lastSequence: nil, isSuspected: true)
        #expect(Self.resumption(Self.state(2, 7), time: nil) == .newEpoch(4, at: 1, gap: gap))
    }

    @Test(arguments: [Timestamp(micros: 4_999), Timestamp(micros: 5_001)])
    func `another message at the position means that the stream went back and grew again`(time: Timestamp) {
        let gap = Gap(cause: .regression, epoch: 3, firstSequence: nil, lastSequence: nil, isSuspected: true)
        #expect(Self.resumption(Self.state(1, 20), time: time) == .newEpoch(4, at: 0, gap: gap))
    }

    @Test func `a position whose message was gone is one of a stream in which it still is`() {
        let position = Position(streamCreated: Self.created, epoch: 3, sequence: 10)
        #expect(Self.resumption(at: position, Self.state(11, 20), time: nil) == .resume(at: 10, gap: nil))
        let gap = Gap(cause: .regression, epoch: 3, firstSequence: nil, lastSequence: nil, isSuspected: true)
        #expect(Self.resumption(at: position, Self.state(1, 20), time: Self.time) == .newEpoch(4, at: 0, gap: gap))
    }
}

@Suite struct BatchPolicyTests {
    private static let policy = BatchPolicy(rows: 10, bytes: 100, linger: .milliseconds(20))

    @Test(arguments: [
        (10, 1, Duration.zero, true, BatchPolicy.Reason.rows),
        (1, 100, .zero, true, .bytes),
        (10, 100, .seconds(1), false, .rows),
        (1, 1, .milliseconds(20), false, .linger),
    ])
    func `a batch closes when it is full, or when it has waited`(
        rows: Int,
        bytes: Int,
        age: Duration,
        committing: Bool,
        reason: BatchPolicy.Reason
    ) {
        #expect(Self.policy.reasonToClose(rows: rows, bytes: bytes, age: age, committing: committing) == reason)
    }

    @Test(arguments: [
        (9, 99, Duration.milliseconds(19), false), (0, 0, .seconds(9), false), (9, 99, .seconds(9), true),
    ])
    func `a batch that is not full waits for more, and longest while another is being committed`(
        rows: Int,
        bytes: Int,
        age: Duration,
        committing: Bool
    ) {
        #expect(Self.policy.reasonToClose(rows: rows, bytes: bytes, age: age, committing: committing) == nil)
    }

    @Test func `a batch without limits is a mistake`() async {
        await #expect(processExitsWith: .failure) { _ = BatchPolicy(rows: 0) }
    }
}

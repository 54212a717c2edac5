/// What was asked of the server and has neither come nor ended: the credit that a consumer has given it.
///
/// Requests ask for bytes, and for no number of messages: one sum says what may still come. The server serves its
/// requests in turn, a message each, so which of them a message belongs to is not known; the sum is, because the end
/// of a request says how many of its bytes were not used. One that ends without a word (it came out to the byte, or
/// expired while it was served) is forgotten after its time, and nothing more is asked until the others have ended too.
struct PullWindow {
    typealias Instant = ContinuousClock.Instant

    private struct Request {
        let number: Int
        /// 0 for one message of any size.
        let bytes: Int
        let expiry: Instant
        /// What had come, messages and ends, when it was sent.
        let heard: Int
    }

    /// How long after its expiry the end of a request may still come.
    private static let patience = Duration.milliseconds(100)

    /// Bytes that may still come, as the server counts them.
    private(set) var open = 0
    private var requests: [Request] = []
    private var numbers = 0
    private var heard = 0
    private var isUnclear = false
    /// The next message is larger than a whole request: it is asked for by itself.
    private(set) var asksAlone = false

    /// Whether anything may still come.
    var isOpen: Bool { !requests.isEmpty }

    /// Bytes to ask for now, so that no more than `credit` may come; nil where the server has enough to go on with.
    func wanted(_ credit: Int) -> Int? {
        guard !isOpen || !(asksAlone || isUnclear || requests.last?.bytes == 0) else { return nil }
        // A request costs the server as much as some messages: it is worth a quarter of the credit.
        guard !isOpen || open <= credit - max(credit / 4, 1) else { return nil }
        return asksAlone ? 0 : credit - open
    }

    /// Notes a request that is about to be sent, of 0 bytes for one message of any size; returns its number.
    mutating func ask(_ bytes: Int, until expiry: Instant) -> Int {
        numbers += 1
        requests.append(Request(number: numbers, bytes: bytes, expiry: expiry, heard: heard))
        open += bytes
        asksAlone = false
        return numbers
    }

    /// Notes messages that have come.
    mutating func received(_ bytes: Int) {
        heard += 1
        open = max(0, open - bytes)
        if requests.last?.bytes == 0 { requests.removeLast() }
        settle()
    }

    /// Notes the end of a request of which `left` bytes were not used; one that was forgotten changes nothing.
    mutating func ended(_ number: Int, left: Int?, tooLarge: Bool) {
        heard += 1
        guard let index = requests.firstIndex(where: { $0.number == number }) else { return }
        let request = requests.remove(at: index)
        open = max(0, open - (left ?? request.bytes))
        // Nothing of it was used: the next message is larger than all of it.
        if tooLarge && left == request.bytes { asksAlone = true }
        settle()
    }

    /// Forgets requests whose time is over; true where the server said nothing at all since one was sent.
    mutating func expire(at now: Instant) -> Bool {
        guard let first = requests.first, now >= first.expiry + Self.patience else { return false }
        let over = requests.filter { now >= $0.expiry + Self.patience }
        requests.removeFirst(over.count)
        isUnclear = true
        settle()
        return over.contains { $0.heard == heard }
    }

    private mutating func settle() {
        guard requests.isEmpty else { return }
        open = 0
        isUnclear = false
    }
}

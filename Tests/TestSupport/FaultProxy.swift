internal import Foundation
internal import PrivateServers

/// A place in what a client sends at which a `FaultProxy` stops that connection, once.
///
/// It is found by bytes that stand in clear in both protocols: a statement's text, a subject.
package struct Hold: Sendable {
    fileprivate let bytes: Data
    fileprivate let passes: Int
    fileprivate let stopsAnswer: Bool

    /// The server gets what was sent before `text`, and `bytes` from there on; the rest waits.
    package static func request(_ text: String, passing bytes: Int = 0) -> Hold {
        Hold(bytes: Data(text.utf8), passes: bytes, stopsAnswer: false)
    }

    /// The server gets the request with `text` whole; of what it answers, `bytes` come back, and the rest waits.
    package static func answer(to text: String, passing bytes: Int = 0) -> Hold {
        Hold(bytes: Data(text.utf8), passes: bytes, stopsAnswer: true)
    }

    package static func answer(to bytes: [UInt8]) -> Hold {
        Hold(bytes: Data(bytes), passes: 0, stopsAnswer: true)
    }
}

/// A TCP proxy on loopback that breaks what runs through it: cuts, stalls, holds, and cuts in the middle of an answer.
package final class FaultProxy: @unchecked Sendable {
    // @unchecked: everything mutable is read and written under `condition`.

    /// Two sockets of one connection; closed when both directions have ended.
    private final class Pair {
        let client: Int32
        let server: Int32
        var openDirections = 2
        var isBroken = false
        var isRequestHeld = false
        /// Bytes of answers that may still pass; nil: all.
        var answersLeft: Int?
        /// Where this connection is to stop next.
        var armed: Hold?
        var isStranded = false
        init(client: Int32, server: Int32) {
            self.client = client
            self.server = server
        }
    }

    /// Where clients connect.
    package let port: UInt16
    private var target: UInt16
    private let listener: Int32
    private let condition = NSCondition()
    private var pairs: [Pair] = []
    private var isStalled = false
    private var isRefusing = false
    private var isStopped = false
    private var bytesUntilCut: Int?
    private var accepted = 0
    private var toClients = 0
    private var pace: (bytesPerSecond: Int, chunk: Int)?
    private var armed: Hold?
    private var held = 0

    /// Listens on a free port and forwards to `target` on 127.0.0.1.
    package init(to target: UInt16) throws {
        self.target = target
        port = try LoopbackPort.free()
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var on: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        guard withAddress(port, { bind(listener, $0, $1) }) == 0, listen(listener, 64) == 0 else {
            throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
        }
        let queue = DispatchQueue(label: "fault proxy")
        queue.async { [self] in acceptLoop() }
    }

    /// Connections taken so far.
    package var connections: Int { locked { accepted } }
    /// Bytes that went from the server to clients so far.
    package var bytesToClients: Int { locked { toClients } }

    /// Cuts all connections now; new ones are taken.
    package func cut() {
        locked { for pair in pairs { breakOff(pair) } }
    }

    /// Cuts all connections as soon as `bytes` more have gone from the server to clients; exactly so many arrive.
    package func cut(afterBytesToClients bytes: Int) {
        locked { bytesUntilCut = bytes }
    }

    /// Sends new connections to another port: an address that moves to another server.
    package func redirect(to port: UInt16) {
        locked { target = port }
    }

    /// Stops forwarding in both directions; nothing is closed: a cable that was pulled.
    package func stall() {
        locked { isStalled = true }
    }

    /// Ends a stall; what was held is forwarded.
    package func resume() {
        locked {
            isStalled = false
            condition.broadcast()
        }
    }

    /// Cuts all connections as a host does that knows nothing of them: with a reset, what is under way is gone.
    package func reset() {
        locked {
            for pair in pairs {
                disconnect(pair.client)
                disconnect(pair.server)
                breakOff(pair)
            }
        }
    }

    /// Stops forwarding for ever on the connections that there are; new ones are served.
    ///
    /// What a router does that has forgotten them: neither side is told.
    package func strand() {
        locked { for pair in pairs { pair.isStranded = true } }
    }

    /// Forwards to clients no faster than this, in chunks of at most `chunk` bytes; nil ends it.
    package func throttle(bytesPerSecond: Int?, chunk: Int = 256) {
        locked {
            pace = bytesPerSecond.map { ($0, chunk) }
            condition.broadcast()
        }
    }

    /// Stops the first connection that comes to the place, in one direction; the others run on.
    ///
    /// A cut drops what is held, as the kernel does with what a killed process had still to send or to read.
    package func hold(_ hold: Hold) {
        locked {
            armed = hold
            held = 0
        }
    }

    /// Whether a connection has come to the place.
    package var isHolding: Bool { locked { held > 0 } }

    /// Ends a hold; what was held is forwarded, and that connection stops again at `next`.
    package func release(until next: Hold? = nil) {
        locked {
            armed = nil
            held = 0
            for pair in pairs where pair.isRequestHeld || pair.answersLeft != nil {
                pair.armed = next
                (pair.isRequestHeld, pair.answersLeft) = (false, nil)
            }
            condition.broadcast()
        }
    }

    /// Cuts all connections and, until `accept`, closes new ones at once.
    package func refuse() {
        locked { isRefusing = true }
        cut()
    }

    package func accept() {
        locked { isRefusing = false }
    }

    /// Ends the proxy and all connections.
    package func stop() {
        locked {
            isStopped = true
            isStalled = false
            condition.broadcast()
        }
        cut()
        shutdown(listener, Int32(SHUT_RDWR))
    }

    private func acceptLoop() {
        while true {
            let client = Glibc.accept(listener, nil, nil)
            guard client >= 0 else { break }
            let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            let (isRefused, target) = locked { (isRefusing || isStopped, self.target) }
            guard !isRefused, withAddress(target, { connect(server, $0, $1) }) == 0 else {
                close(client)
                close(server)
                continue
            }
            let pair = Pair(client: client, server: server)
            locked {
                accepted += 1
                pairs.append(pair)
            }
            start(pair, isToClient: false)
            start(pair, isToClient: true)
        }
        close(listener)
    }

    private func start(_ pair: Pair, isToClient: Bool) {
        nonisolated(unsafe) let pair = pair
        DispatchQueue(label: "fault proxy pump").async { [self] in
            if isToClient { pumpAnswers(pair) } else { pumpRequests(pair) }
            locked {
                breakOff(pair)
                pair.openDirections -= 1
                guard pair.openDirections == 0 else { return }
                pairs.removeAll { $0 === pair }
                close(pair.client)
                close(pair.server)
            }
        }
    }

    private func pumpAnswers(_ pair: Pair) {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = recv(pair.server, &buffer, buffer.count, 0)
            guard count > 0 else { return }
            var rest = buffer[..<count]
            while !rest.isEmpty {
                let allowed = locked { awaitAnswersLeft(of: pair, atMost: rest.count) }
                guard trickle(rest.prefix(allowed), to: pair) else { return }
                rest = rest.dropFirst(allowed)
                let isSpent = locked {
                    if allowed > 0, pair.answersLeft == 0 { held += 1 }
                    return bytesUntilCut == 0
                }
                if isSpent {
                    locked { bytesUntilCut = nil }
                    return cut()
                }
                if locked({ pair.isBroken }) { return }
            }
        }
    }

    /// How much of an answer may go on now; waits while that is nothing.
    private func awaitAnswersLeft(of pair: Pair, atMost count: Int) -> Int {
        while isStalled || pair.isStranded || pair.answersLeft == 0, !pair.isBroken { condition.wait() }
        let allowed = min(count, pair.answersLeft ?? count, bytesUntilCut ?? count)
        toClients += allowed
        bytesUntilCut = bytesUntilCut.map { $0 - allowed }
        pair.answersLeft = pair.answersLeft.map { $0 - allowed }
        return allowed
    }

    private func pumpRequests(_ pair: Pair) {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        var tail = Data()
        // Bytes that may still pass before the connection stops.
        var left: Int?
        while true {
            let count = recv(pair.client, &buffer, buffer.count, 0)
            guard count > 0 else { return }
            let allowed = locked {
                while isStalled || pair.isStranded, !pair.isBroken { condition.wait() }
                if let armed = pair.armed ?? armed,
                    let place = Self.place(of: armed, in: buffer[..<count], after: &tail)
                {
                    (self.armed, pair.armed) = (nil, nil)
                    if armed.stopsAnswer { pair.answersLeft = armed.passes } else { left = place + armed.passes }
                }
                return min(count, left ?? count)
            }
            left = left.map { $0 - allowed }
            guard forward(buffer[..<allowed], to: pair.server) else { return }
            let mayGoOn = locked {
                if pair.answersLeft == 0 { held += 1 }
                guard left == 0 else { return true }
                held += 1
                pair.isRequestHeld = true
                while pair.isRequestHeld, !pair.isBroken { condition.wait() }
                return !pair.isBroken
            }
            if left == 0 { left = nil }
            guard mayGoOn, forward(buffer[allowed..<count], to: pair.server) else { return }
        }
    }

    /// Where in `chunk` the bytes begin that a hold waits for; 0 where they began in an earlier one.
    private static func place(of hold: Hold, in chunk: ArraySlice<UInt8>, after tail: inout Data) -> Int? {
        let seen = tail.count
        tail += chunk
        let found = tail.range(of: hold.bytes).map { max(0, $0.lowerBound - seen) }
        tail = found == nil ? Data(tail.suffix(hold.bytes.count - 1)) : Data()
        return found
    }

    /// Forwards to a client, at the pace that is set.
    private func trickle(_ bytes: ArraySlice<UInt8>, to pair: Pair) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            let piece = rest.prefix(locked { pace?.chunk ?? rest.count })
            guard forward(piece, to: pair.client) else { return false }
            rest = rest.dropFirst(piece.count)
            locked {
                guard let pace, !pair.isBroken else { return }
                let next = Date(timeIntervalSinceNow: Double(piece.count) / Double(pace.bytesPerSecond))
                while self.pace != nil, !pair.isBroken, condition.wait(until: next) {}
            }
        }
        return true
    }

    private func forward(_ bytes: ArraySlice<UInt8>, to sink: Int32) -> Bool {
        bytes.withUnsafeBytes { bytes in
            var sent = 0
            while sent < bytes.count {
                let written = send(sink, bytes.baseAddress?.advanced(by: sent), bytes.count - sent, Int32(MSG_NOSIGNAL))
                guard written > 0 else { return false }
                sent += written
            }
            return true
        }
    }

    /// Wakes both directions of a connection; the last to wake closes it.
    private func breakOff(_ pair: Pair) {
        pair.isBroken = true
        condition.broadcast()
        shutdown(pair.client, Int32(SHUT_RDWR))
        shutdown(pair.server, Int32(SHUT_RDWR))
    }

    private func locked<Value>(_ body: () -> Value) -> Value {
        condition.lock()
        defer { condition.unlock() }
        return body()
    }
}

/// Ends a TCP connection with a reset: what "connect to nothing" means to the kernel (tcp(7), AF_UNSPEC).
private func disconnect(_ descriptor: Int32) {
    var nothing = sockaddr(sa_family: sa_family_t(AF_UNSPEC), sa_data: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
    _ = connect(descriptor, &nothing, socklen_t(MemoryLayout<sockaddr>.size))
}

private func withAddress<Value>(_ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Value) -> Value {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
    return withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
}

internal import Foundation
internal import PrivateServers

/// A TCP proxy on loopback that breaks what runs through it: cuts, stalls, and cuts in the middle of an answer.
package final class FaultProxy: @unchecked Sendable {
    // @unchecked: everything mutable is read and written under `condition`.

    /// Two sockets of one connection; closed when both directions have ended.
    private final class Pair {
        let client: Int32
        let server: Int32
        var openDirections = 2
        init(client: Int32, server: Int32) {
            self.client = client
            self.server = server
        }
    }

    /// Where clients connect.
    package let port: UInt16
    private let target: UInt16
    private let listener: Int32
    private let condition = NSCondition()
    private var pairs: [Pair] = []
    private var isStalled = false
    private var isRefusing = false
    private var isStopped = false
    private var bytesUntilCut: Int?
    private var accepted = 0
    private var toClients = 0

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
            let isRefused = locked { isRefusing || isStopped }
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
            start(pair, from: client, to: server, isToClient: false)
            start(pair, from: server, to: client, isToClient: true)
        }
        close(listener)
    }

    private func start(_ pair: Pair, from source: Int32, to sink: Int32, isToClient: Bool) {
        nonisolated(unsafe) let pair = pair
        DispatchQueue(label: "fault proxy pump").async { [self] in
            pump(from: source, to: sink, isToClient: isToClient)
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

    private func pump(from source: Int32, to sink: Int32, isToClient: Bool) {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = recv(source, &buffer, buffer.count, 0)
            guard count > 0 else { return }
            let allowed = locked {
                while isStalled { condition.wait() }
                guard isToClient else { return count }
                let allowed = min(count, bytesUntilCut ?? count)
                toClients += allowed
                bytesUntilCut = bytesUntilCut.map { $0 - allowed }
                return allowed
            }
            var sent = 0
            while sent < allowed {
                let written = buffer.withUnsafeBytes {
                    send(sink, $0.baseAddress?.advanced(by: sent), allowed - sent, Int32(MSG_NOSIGNAL))
                }
                guard written > 0 else { return }
                sent += written
            }
            let isSpent = locked { isToClient && bytesUntilCut == 0 }
            if isSpent {
                locked { bytesUntilCut = nil }
                return cut()
            }
        }
    }

    /// Wakes both directions of a connection; the last to wake closes it.
    private func breakOff(_ pair: Pair) {
        shutdown(pair.client, Int32(SHUT_RDWR))
        shutdown(pair.server, Int32(SHUT_RDWR))
    }

    private func locked<Value>(_ body: () -> Value) -> Value {
        condition.lock()
        defer { condition.unlock() }
        return body()
    }
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

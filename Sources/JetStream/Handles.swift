internal import CNATS
internal import Glibc

// One owner for each kind of cnats object: one field, not copyable, destroyed exactly once.

/// Owner of a `natsOptions*`.
struct OptionsHandle: ~Copyable {
    let raw: OpaquePointer
    init(adopting raw: OpaquePointer) { self.raw = raw }
    deinit { natsOptions_Destroy(raw) }
}

/// Owner of a `natsConnection*`; destroying it closes the connection.
struct ConnectionHandle: ~Copyable {
    let raw: OpaquePointer
    init(adopting raw: OpaquePointer) { self.raw = raw }
    deinit { natsConnection_Destroy(raw) }
}

/// Owner of a `jsCtx*`.
struct ContextHandle: ~Copyable {
    let raw: OpaquePointer
    init(adopting raw: OpaquePointer) { self.raw = raw }
    deinit { jsCtx_Destroy(raw) }
}

/// Owner of a `natsStatistics*`.
struct StatisticsHandle: ~Copyable {
    let raw: OpaquePointer
    init(adopting raw: OpaquePointer) { self.raw = raw }
    deinit { natsStatistics_Destroy(raw) }
}

/// Owner of a `natsSubscription*`; destroying it ends the subscription.
struct SubscriptionHandle: ~Copyable {
    let raw: OpaquePointer
    init(adopting raw: OpaquePointer) { self.raw = raw }
    deinit { natsSubscription_Destroy(raw) }
}

/// Owner of a `natsMsg*`.
struct MessageHandle: ~Copyable {
    let raw: OpaquePointer
    init(adopting raw: OpaquePointer) { self.raw = raw }
    deinit { natsMsg_Destroy(raw) }

    var payload: UnsafeRawBufferPointer { Message(raw: raw).payload }
    var subject: UnsafeRawBufferPointer { Message(raw: raw).subject }
    func appendHeaders(to bytes: inout [UInt8]) -> Int { Message(raw: raw).appendHeaders(to: &bytes) }
}

/// Owner of several `natsMsg*`, destroyed together.
///
/// The library frees a message on a thread of its own, which it wakes for each that is destroyed after a pause: one at
/// a time that is two threads in and out of sleep for every message, together it is once.
struct MessageList: ~Copyable {
    private var messages: [OpaquePointer] = []

    deinit { for raw in messages { natsMsg_Destroy(raw) } }

    /// Takes a message over and lends it for as long as the list lives.
    mutating func adopt(_ raw: OpaquePointer) -> Message {
        messages.append(raw)
        return Message(raw: raw)
    }
}

/// What a delivery is made of: a message that lies in memory of somebody else.
protocol IncomingMessage {
    var subject: UnsafeRawBufferPointer { get }
    /// Empty if there is none.
    var reply: UnsafeRawBufferPointer { get }
    var payload: UnsafeRawBufferPointer { get }
    /// Returns one header, if it is there; the first of that name.
    func header(_ name: String) -> String?
    /// Appends the headers as lines `name: value\r\n`, sorted by name, and returns how many bytes they took.
    func appendHeaders(to bytes: inout [UInt8]) -> Int
}

/// A `natsMsg*` that somebody else owns.
struct Message: IncomingMessage {
    fileprivate let raw: OpaquePointer

    /// The payload, valid while the message lives.
    var payload: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: natsMsg_GetData(raw), count: Int(natsMsg_GetDataLength(raw)))
    }
    /// The subject, valid while the message lives.
    var subject: UnsafeRawBufferPointer { Self.text(natsMsg_GetSubject(raw)) }
    /// The reply subject, empty if there is none; valid while the message lives.
    var reply: UnsafeRawBufferPointer { Self.text(natsMsg_GetReply(raw)) }

    /// Returns one header, if it is there.
    func header(_ name: String) -> String? {
        var value: UnsafePointer<CChar>?
        guard natsMsgHeader_Get(raw, name, &value) == NATS_OK, let value else { return nil }
        return String(cString: value)
    }

    /// Appends the headers as lines `name: value\r\n`, sorted by name, and returns how many bytes they took.
    ///
    /// The library keeps the bytes as they came to itself; it does not tell the order.
    func appendHeaders(to bytes: inout [UInt8]) -> Int {
        var names: UnsafeMutablePointer<UnsafePointer<CChar>?>?
        var count: Int32 = 0
        // The usual message has no header: this call then costs a comparison.
        guard natsMsgHeader_Keys(raw, &names, &count) == NATS_OK, let names else { return 0 }
        defer { free(names) }
        let start = bytes.count
        let sorted = (0..<Int(count)).compactMap { names[$0] }.sorted { strcmp($0, $1) < 0 }
        for name in sorted {
            var values: UnsafeMutablePointer<UnsafePointer<CChar>?>?
            var valueCount: Int32 = 0
            guard natsMsgHeader_Values(raw, name, &values, &valueCount) == NATS_OK, let values else { continue }
            defer { free(values) }
            for value in (0..<Int(valueCount)).compactMap({ values[$0] }) {
                bytes += Self.text(name)
                bytes += [UInt8(ascii: ":"), UInt8(ascii: " ")]
                bytes += Self.text(value)
                bytes += [UInt8(ascii: "\r"), UInt8(ascii: "\n")]
            }
        }
        return bytes.count - start
    }

    private static func text(_ pointer: UnsafePointer<CChar>?) -> UnsafeRawBufferPointer {
        guard let pointer else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(start: pointer, count: strlen(pointer))
    }
}

/// C copies of Swift strings for a call that takes many; freed together.
struct CStrings: ~Copyable {
    private var copies: [UnsafeMutablePointer<CChar>] = []
    private var arrays: [UnsafeMutablePointer<UnsafePointer<CChar>?>] = []

    /// Lends an empty pool for the time of `body`.
    static func lend<Value, Failure: Error>(
        _ body: (inout CStrings) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        var pool = CStrings()
        return try body(&pool)
    }

    /// Returns a C copy that lives as long as the pool; nil for nil and for the empty string.
    mutating func copy(_ text: String?) -> UnsafePointer<CChar>? {
        guard let text, !text.isEmpty, let copy = strdup(text) else { return nil }
        copies.append(copy)
        return UnsafePointer(copy)
    }

    /// Returns an array of C copies that lives as long as the pool.
    mutating func copy(_ texts: [String]) -> UnsafeMutablePointer<UnsafePointer<CChar>?> {
        let array = UnsafeMutablePointer<UnsafePointer<CChar>?>.allocate(capacity: max(texts.count, 1))
        array.initialize(repeating: nil, count: max(texts.count, 1))
        for (index, text) in texts.enumerated() { array[index] = copy(text) }
        arrays.append(array)
        return array
    }

    deinit {
        for copy in copies { free(copy) }
        for array in arrays { array.deallocate() }
    }
}

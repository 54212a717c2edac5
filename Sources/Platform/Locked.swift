internal import Synchronization

/// A value behind a lock: a `Mutex` that ThreadSanitizer can follow.
///
/// The slow path of `Mutex` lies in a library that is not instrumented, so under contention ThreadSanitizer misses the
/// hand-over and reports races that are none (seen with Swift 6.3.1). One atomic beside it tells the same story in
/// instrumented code, for a nanosecond. Never held across `await`, never around I/O.
package struct Locked<Value: ~Copyable>: ~Copyable, Sendable {
    private let mutex: Mutex<Value>
    private let handOver = Atomic<Bool>(false)

    package init(_ value: consuming sending Value) { mutex = Mutex(value) }

    package borrowing func withLock<R: ~Copyable, E: Error>(
        _ body: (inout sending Value) throws(E) -> sending R
    ) throws(E) -> sending R {
        try mutex.withLock { (value: inout sending Value) throws(E) -> sending R in
            _ = handOver.load(ordering: .acquiring)
            defer { handOver.store(true, ordering: .releasing) }
            return try body(&value)
        }
    }
}

internal import Glibc

/// The time of day, as the machine believes it to be: it may jump, so it measures no spans.
package enum WallClock {
    /// Microseconds since the Unix epoch, UTC.
    package static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
    }
}

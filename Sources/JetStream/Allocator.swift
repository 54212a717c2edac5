internal import CNATS

/// How the C library's allocator, which Swift uses too, keeps memory that is free.
package enum Allocator {
    /// Makes what stays resident follow what is in use; to be called before the first thread starts.
    ///
    /// The library allocates each message, and frees it on another thread than that. By itself the allocator gives
    /// every few threads an arena with freed memory of its own, and raises with every large block the size that it
    /// never gives back.
    /// Source: https://www.gnu.org/software/libc/manual/html_node/Malloc-Tunable-Parameters.html
    package static func keepLittle() {
        // Refusals change nothing but the size of the process.
        _ = mallopt(M_ARENA_MAX, 2)
        _ = mallopt(M_MMAP_THRESHOLD, 8 << 20)
        _ = mallopt(M_TRIM_THRESHOLD, 8 << 20)
    }
}

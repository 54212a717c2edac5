internal import Glibc

/// What the system's error numbers mean.
package enum SystemError {
    /// The text of `code`, such as `permission denied`.
    package static func text(_ code: Int32) -> String {
        // The buffer of strerror belongs to the calling thread since glibc 2.32; Debian 12 has 2.36.
        guard let text = strerror(code) else { return "error \(code)" }
        return String(cString: text).lowercased()
    }
}

internal import Glibc

/// The name of this machine, for people who look for the owner of a lane or a lease.
package enum HostName {
    /// Read once; `unknown` where the system does not say.
    package static let current: String = {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "unknown" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }()
}

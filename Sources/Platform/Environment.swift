internal import Glibc

/// The environment, read once: `getenv` races with everything that sets a variable.
package struct Environment: Sendable {
    package let values: [String: String]

    package init(_ values: [String: String]) { self.values = values }

    /// The variables this process was started with.
    package static let process: Environment = {
        var values: [String: String] = [:]
        var next = environ
        while let entry = next.pointee {
            let pair = String(cString: entry).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if pair.count == 2 { values[String(pair[0])] = String(pair[1]) }
            next += 1
        }
        return Environment(values)
    }()

    /// The value of `name`; an empty one counts as not set, as compose files leave it.
    package subscript(name: String) -> String? {
        guard let value = values[name], !value.isEmpty else { return nil }
        return value
    }
}

internal import Glibc
internal import Synchronization

/// A directory of our own under `/tmp`, removed with everything in it by `remove` or at the latest by `deinit`.
package final class PrivateDirectory: Sendable {
    package let path: String

    /// Makes `/tmp/thermocline-<name>-<pid>-<random>`; `owner`, an account, gets it if we are root.
    ///
    /// `/tmp`, whatever `TMPDIR` says: a Unix socket's path has at most 107 bytes.
    /// Throws: `.refused`.
    package init(_ name: String, owner: String? = nil) throws(ServerError) {
        path = "/tmp/thermocline-\(name)-\(getpid())-\(String(UInt32.random(in: 0...(.max)), radix: 16))"
        guard mkdir(path, 0o755) == 0 else { throw ServerError(.refused, path, String(cString: strerror(errno))) }
        if let owner, let account = getpwnam(owner) {
            guard chown(path, account.pointee.pw_uid, account.pointee.pw_gid) == 0 else {
                throw ServerError(.refused, path, String(cString: strerror(errno)))
            }
        }
    }

    deinit { remove() }

    /// Removes the directory; again and again is fine.
    package func remove() { Self.remove(path) }

    /// Returns the last `bytes` bytes of a file in it, for an error message; empty if it cannot be read.
    package func tail(of file: String, bytes: Int = 2_000) -> String {
        String(decoding: contents(of: file)?.suffix(bytes) ?? [], as: UTF8.self)
    }

    /// Returns the bytes of a file in it; nil if it cannot be read.
    func contents(of file: String) -> [UInt8]? {
        let descriptor = open("\(path)/\(file)", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count <= 0 { return count == 0 ? bytes : nil }
            bytes += chunk[0..<count]
        }
    }

    /// Writes a file in it, readable for everyone.
    ///
    /// Throws: `.refused`.
    func write(_ text: String, to file: String) throws(ServerError) { try write(Array(text.utf8), to: file) }

    private func write(_ bytes: [UInt8], to file: String) throws(ServerError) {
        let descriptor = open("\(path)/\(file)", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw ServerError(.refused, file, String(cString: strerror(errno))) }
        defer { close(descriptor) }
        guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
            throw ServerError(.refused, file, String(cString: strerror(errno)))
        }
    }

    /// Copies a directory in it, with all files in it, to another, whose former content is removed.
    ///
    /// Throws: `.refused`.
    func copy(_ name: String, to other: String) throws(ServerError) {
        Self.remove("\(path)/\(other)")
        try copyEntry(name, to: other)
    }

    private func copyEntry(_ name: String, to other: String) throws(ServerError) {
        var status = stat()
        guard lstat("\(path)/\(name)", &status) == 0 else {
            throw ServerError(.refused, name, String(cString: strerror(errno)))
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { return try write(contents(of: name) ?? [], to: other) }
        guard mkdir("\(path)/\(other)", status.st_mode & 0o777) == 0 else {
            throw ServerError(.refused, other, String(cString: strerror(errno)))
        }
        for entry in directoryEntries("\(path)/\(name)") { try copyEntry("\(name)/\(entry)", to: "\(other)/\(entry)") }
    }

    private static func remove(_ path: String) {
        // Links are removed, not followed. What a server removes at the same moment is no error.
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        if status.st_mode & S_IFMT == S_IFDIR { for name in directoryEntries(path) { remove("\(path)/\(name)") } }
        Glibc.remove(path)
    }
}

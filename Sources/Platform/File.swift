internal import Glibc

/// A file that could not be read, and why.
package struct FileError: Error, Sendable, Equatable, CustomStringConvertible {
    package let path: String
    package let detail: String

    package var description: String { "\(path): \(detail)" }
}

/// A small file, read whole.
package struct File: Sendable {
    package let path: String
    package let bytes: [UInt8]
    /// Whether anybody but its owner may read it.
    package let isReadableByOthers: Bool
    /// Whether anybody but its owner may change it.
    package let isWritableByOthers: Bool

    /// Reads the regular file at `path`; a larger one than `limit` bytes is refused.
    package init(reading path: String, limit: Int = 1 << 20) throws(FileError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw FileError(path: path, detail: Self.reason()) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw FileError(path: path, detail: Self.reason()) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw FileError(path: path, detail: "not a regular file") }
        self.path = path
        isReadableByOthers = status.st_mode & (S_IRGRP | S_IROTH) != 0
        isWritableByOthers = status.st_mode & (S_IWGRP | S_IWOTH) != 0
        bytes = try Self.read(descriptor, limit: limit, path: path)
    }

    private static func read(_ descriptor: Int32, limit: Int, path: String) throws(FileError) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw FileError(path: path, detail: reason()) }
            if count == 0 { return bytes }
            bytes.append(contentsOf: chunk[..<count])
            guard bytes.count <= limit else { throw FileError(path: path, detail: "larger than \(limit) bytes") }
        }
    }

    private static func reason() -> String { SystemError.text(errno) }
}

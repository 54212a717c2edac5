internal import Glibc

/// The few things that the benchmark does with files.
enum Files {
    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Replaces the file at `path`.
    ///
    /// Throws: `BenchError` with the reason of the operating system.
    static func write(_ text: String, to path: String) throws(BenchError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw BenchError("\(path): \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard written > 0 else { throw BenchError("\(path): \(String(cString: strerror(errno)))") }
            rest = rest.dropFirst(written)
        }
    }

    /// Makes a directory; its parents too, and none where it is.
    static func makeDirectory(_ path: String) {
        var made = path.hasPrefix("/") ? "" : "."
        for name in path.split(separator: "/") {
            made += "/\(name)"
            mkdir(made, 0o755)
        }
    }

    /// Removes a file, where there is one.
    static func remove(_ path: String) { unlink(path) }

    /// The directory of the program that runs.
    static func ownDirectory() -> String {
        var bytes = [CChar](repeating: 0, count: 4 << 10)
        let count = readlink("/proc/self/exe", &bytes, bytes.count)
        let path = String(decoding: bytes[..<max(0, count)].map(UInt8.init(bitPattern:)), as: UTF8.self)
        return path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    }
}

import Foundation
import PrivateServers
import TestSupport

/// A file system of a few megabytes in memory, on which a server runs out of space; only root may mount it.
final class SmallDisk: Sendable {
    let path: String
    private let directory: PrivateDirectory

    /// Mounts it, owned by the account that runs the server.
    ///
    /// Throws: `PollTimeout` with the status of `mount` where this machine does not permit it.
    init(megabytes: Int) async throws {
        directory = try PrivateDirectory("disk")
        path = "\(directory.path)/small"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        let owner = getpwnam("postgres").map { ",uid=\($0.pointee.pw_uid)" } ?? ""
        try await Self.run("mount", ["-t", "tmpfs", "-o", "size=\(megabytes)m,mode=0700\(owner)", "tmpfs", path])
    }

    /// Whether this machine lets us mount one.
    static func isPermitted() async -> Bool {
        guard getuid() == 0, let disk = try? await SmallDisk(megabytes: 1) else { return false }
        await disk.remove()
        return true
    }

    /// Fills it to the last byte.
    func fill() throws {
        let file = fopen(filler, "w")
        defer { fclose(file) }
        setvbuf(file, nil, _IONBF, 0)
        let page = [UInt8](repeating: 0, count: 4_096)
        while fwrite(page, 1, page.count, file) == page.count {}
    }

    /// Makes room again.
    func free() { Foundation.remove(filler) }

    func remove() async {
        try? await Self.run("umount", ["--lazy", path])
        directory.remove()
    }

    private var filler: String { "\(path)/filler" }

    private static func run(_ program: String, _ arguments: [String]) async throws {
        let tool = try await ChildProcess("/usr/bin/\(program)", arguments)
        let status = await tool.waitForExit(within: .seconds(10))
        guard status == .exited(0) else { throw PollTimeout(description: "\(program): \(String(describing: status))") }
    }
}

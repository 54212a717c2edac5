import Foundation
import PrivateServers

/// A wall clock that can jump: libfaketime, loaded into a server or the program; monotonic clocks run on.
final class FakeClock: Sendable {
    private let file: String
    private let directory: PrivateDirectory?

    /// A clock of its own, for the program.
    init() throws {
        let directory = try PrivateDirectory("clock")
        self.directory = directory
        file = "\(directory.path)/offset"
        try jump("+0")
    }

    /// The clock of a server that was started with `ofServer`; it shows the true time until it jumps.
    init(of server: PrivatePostgres) {
        directory = nil
        file = "\(server.socketDirectory)/data/offset"
    }

    /// What makes a private PostgreSQL read a clock in its data directory, which its processes run in.
    static let ofServer = environment("offset")

    /// What makes a process read this clock.
    var environment: [String: String] { Self.environment(file) }

    /// The library of the Debian package libfaketime; nil where that is not installed.
    static let library: String? = {
        let root = "/usr/lib"
        let places = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
        return places.map { "\(root)/\($0)/faketime/libfaketimeMT.so.1" }
            .first(where: FileManager.default.fileExists)
    }()

    private static func environment(_ file: String) -> [String: String] {
        guard let library else { return [:] }
        return [
            "LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": file, "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_DISABLE_SHM": "1",
        ]
    }

    /// Sets it to so much after, or before, the true time: `+1d`, `-1d`, `+0`.
    func jump(_ offset: String) throws {
        // Replaced as a whole: a reader must not find it empty.
        try Data(offset.utf8).write(to: URL(filePath: file), options: .atomic)
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file)
    }
}

internal import Glibc

/// A program that a private server needs, and the Debian package that brings it.
package enum Program: String, Sendable, CaseIterable {
    case initdb
    case postgres
    case createdb
    case basebackup = "pg_basebackup"
    case psql
    case dump = "pg_dump"
    case nats = "nats-server"
    case setpriv
    case env

    package var debianPackage: String {
        switch self {
        case .initdb, .postgres: "postgresql"
        case .createdb, .basebackup, .psql, .dump: "postgresql-client"
        case .nats: "nats-server"
        case .setpriv: "util-linux"
        case .env: "coreutils"
        }
    }

    /// Returns the path of the program: in the newest `/usr/lib/postgresql/*/bin`, else in `PATH`.
    ///
    /// Throws: `.missingProgram`, naming the Debian package.
    package func path() throws(ServerError) -> String {
        let name = rawValue
        for directory in Self.directories where access("\(directory)/\(name)", X_OK) == 0 {
            return "\(directory)/\(name)"
        }
        throw ServerError(.missingProgram, name, "not found; install the Debian package \(debianPackage)")
    }

    /// True if every one of the programs is installed.
    package static func areInstalled(_ programs: [Program]) -> Bool { missing(of: programs) == nil }

    /// Returns the error that names the first program of `programs` that is not installed, if any.
    package static func missing(of programs: [Program]) -> ServerError? {
        for program in programs {
            do throws(ServerError) { _ = try program.path() } catch { return error }
        }
        return nil
    }

    /// Where to look, in order.
    ///
    /// `/usr/sbin` is added: Debian puts nats-server there, a user's `PATH` lacks it.
    private static let directories: [String] = {
        let path = getenv("PATH").map { String(cString: $0) } ?? ""  // tidy:allow read once
        return postgresDirectories() + path.split(separator: ":").map(String.init) + ["/usr/sbin", "/usr/local/bin"]
    }()

    private static func postgresDirectories() -> [String] {
        let root = "/usr/lib/postgresql"
        let versions = directoryEntries(root).compactMap { Int($0) }
        return versions.sorted(by: >).map { "\(root)/\($0)/bin" }
    }
}

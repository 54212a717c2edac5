internal import Foundation
internal import PrivateServers
internal import Testing

/// True if the programs are installed; if not, fails the suite where `CI=true`, and elsewhere skips it, saying so.
///
/// Throws: the error that names the missing program.
func areInstalled(_ programs: [Program]) throws -> Bool {
    guard let missing = Program.missing(of: programs) else { return true }
    guard ProcessInfo.processInfo.environment["CI"] != "true" else { throw missing }
    FileHandle.standardError.write(Data("skipped a suite: \(missing)\n".utf8))
    return false
}

extension Result where Failure == any Error {
    /// Keeps what `body` returned or threw, for after the clean-up.
    package init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}

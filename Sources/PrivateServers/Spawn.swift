internal import Glibc

/// One call of `posix_spawn`, with everything it needs as plain values.
struct Spawn: Sendable {
    /// Program path and arguments.
    let command: [String]
    /// Receives standard output and error.
    let logFile: String

    /// Starts the program and returns its pid: default signals, own process group, none of our descriptors.
    ///
    /// Throws: `.refused` with the reason of the operating system.
    func run() throws(ServerError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, logFile, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        // A server that inherits a socket keeps it open after we close it.
        for descriptor in Self.descriptors() { posix_spawn_file_actions_addclose(&actions, descriptor) }

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigdefault(&attributes, &all)
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP
        posix_spawnattr_setflags(&attributes, Int16(flags))

        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        defer { for text in arguments { free(text) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, command[0], &actions, &attributes, &arguments, environ)
        guard code == 0 else { throw ServerError(.refused, command[0], String(cString: strerror(code))) }
        return pid
    }

    /// All descriptors above 2 that are open, or that another thread may open before the program starts.
    ///
    /// A new one gets the lowest free number, so some above the highest are enough; closing one that is not open is no
    /// error below the limit. `addclosefrom_np` would say it better; Swift's Glibc module lacks the GNU functions.
    private static func descriptors() -> Range<Int32> {
        let highest = directoryEntries("/proc/self/fd").compactMap { Int32($0) }.max() ?? 1_024
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return 3..<max(3, min(highest + 256, Int32(clamping: limit.rlim_cur)))
    }
}

/// Names in a directory without `.` and `..`; empty if it cannot be read.
func directoryEntries(_ path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        if name != ".", name != ".." { names.append(name) }
    }
    return names
}

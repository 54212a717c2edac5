internal import Glibc
import Platform

/// What the kernel says about processes: CPU time in seconds, memory in bytes.
///
/// CPU time has a resolution of 10 ms a process: next to nothing in a run of seconds.
enum ProcessFigures {
    static let cores = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    private static let ticksPerSecond = Double(sysconf(Int32(_SC_CLK_TCK)))

    /// CPU seconds of a process and all it has started: those that run, and those that it has waited for.
    ///
    /// Sessions of PostgreSQL that ended in between are so still counted. 0 for a process that is gone.
    static func cpuSeconds(ofTree pid: Int32) -> Double {
        Double(ticks(pid)) / ticksPerSecond + children(of: pid).reduce(0) { $0 + cpuSeconds(ofTree: $1) }
    }

    /// The most memory that a process has had resident; 0 for one that is gone.
    static func peakResidentBytes(_ pid: Int32) -> Int {
        let line = text("/proc/\(pid)/status").split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        let kibibytes = line?.split { !$0.isNumber }.first.flatMap { Int($0) }
        return (kibibytes ?? 0) << 10
    }

    static func text(_ path: String) -> String {
        do { return String(decoding: try File(reading: path).bytes, as: UTF8.self) } catch { return "" }
    }

    private static func children(of pid: Int32) -> [Int32] {
        text("/proc/\(pid)/task/\(pid)/children").split(separator: " ").compactMap { Int32($0) }
    }

    /// User and system time, its own and that of children it has waited for: fields 14 to 17 of proc(5).
    private static func ticks(_ pid: Int32) -> Int {
        let stat = text("/proc/\(pid)/stat")
        // The name in parentheses may hold anything.
        guard let end = stat.lastIndex(of: ")") else { return 0 }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        guard fields.count > 14 else { return 0 }
        return fields[11...14].reduce(0) { $0 + (Int($1) ?? 0) }
    }
}

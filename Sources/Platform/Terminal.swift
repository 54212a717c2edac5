internal import Glibc

/// The terminal that standard output is, if it is one.
package struct Terminal: Sendable {
    package let columns: Int
    package let rows: Int

    /// Nil where standard output is no terminal, or one that cannot move its cursor.
    package init?(_ environment: Environment) {
        guard isatty(STDOUT_FILENO) == 1, environment["TERM"] != nil, environment["TERM"] != "dumb" else { return nil }
        var size = winsize()
        let isKnown = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 && size.ws_row > 0
        // What a terminal that does not tell its size is taken for since the VT100.
        columns = isKnown ? Int(size.ws_col) : 80
        rows = isKnown ? Int(size.ws_row) : 24
    }

    /// Whether text may be more than ASCII: unless the locale is set, and to something else.
    package static func showsUnicode(_ environment: Environment) -> Bool {
        guard let locale = environment["LC_ALL"] ?? environment["LC_CTYPE"] ?? environment["LANG"] else { return true }
        return locale.lowercased().contains("utf-8") || locale.lowercased().contains("utf8")
    }
}

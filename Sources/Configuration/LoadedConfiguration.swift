internal import Platform
package import Records

/// A database that a command needs.
package enum Database: String, Sendable, CaseIterable { case hot, cold }

extension Mode {
    /// The archiver reads hot, so the cold role needs both.
    package var databases: Set<Database> { self == .hot ? [.hot] : [.hot, .cold] }
}

/// A valid configuration, and where each of its values comes from.
package struct LoadedConfiguration: Sendable {
    package let configuration: Configuration
    /// By path of the option; what is not listed is at its default.
    package let origins: [String: Origin]
    /// What is allowed and probably not meant.
    package let warnings: [String]

    /// Every option with its value and origin, secrets redacted, for `thermocline check`.
    package func report(_ catalog: Catalog) -> String {
        let lines = Option.table(catalog).map { option in
            (value: "\(option.path): \(option.show(configuration))", origin: origins[option.path] ?? .default)
        }
        // Wide values push their own comment only.
        let width = lines.map(\.value.count).filter { $0 <= 56 }.max() ?? 0
        return lines.map { line in
            line.value + String(repeating: " ", count: max(0, width - line.value.count)) + "  # \(line.origin)\n"
        }.joined()
    }
}

extension Configuration {
    /// The text of `config/thermocline.yaml`: every option at its default, with one comment each.
    package static func template(_ catalog: Catalog) -> String {
        var text = """
            # Thermocline: every option at its default. What is not listed in a file of yours keeps it.
            #
            # The environment counts over the file (hot.batch.rows is THERMOCLINE_HOT_BATCH_ROWS),
            # --set path=value over both.
            # Durations: 20ms, 30s, 1h30m, 3d. Sizes: 500kB, 64MiB, 1GiB. `thermocline check` prints what is in effect.

            """
        var open: [Substring] = []
        for option in Option.table(catalog) {
            let parts = option.path.split(separator: ".")
            let sections = parts.dropLast()
            let common = zip(open, sections).prefix { $0 == $1 }.count
            for depth in common..<max(common, sections.count) {
                if depth == 0 { text += "\n" }
                text += indent(depth) + "\(sections[depth]):\n"
            }
            if sections.isEmpty { text += "\n" }
            open = Array(sections)
            text += indent(sections.count) + "# \(option.comment)\n"
            text += indent(sections.count) + "\(parts[parts.count - 1]): \(option.show(Configuration()))\n"
        }
        return text
    }

    private static func indent(_ depth: Int) -> String { String(repeating: "  ", count: depth) }
}

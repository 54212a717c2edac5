import Adapters
import Records

/// What the quarantine commands print: for a terminal of 100 columns, whatever bytes the messages hold.
enum QuarantineText {
    private static let width = 100

    /// One line a message, under a line of names; details are cut, `show` has them whole.
    static func table(_ messages: [AsideMessage], _ catalog: Catalog) -> [String] {
        guard !messages.isEmpty else { return [] }
        let names = ["KEPT ASIDE", "STREAM", "SEQUENCE", "TYPE", "REASON"]
        let rows = messages.map { message in
            [
                minute(message.at), visible(message.stream), "\(message.sequence)",
                message.type(in: catalog)?.name ?? "unknown", visible(message.reason),
            ]
        }
        let widths = names.indices.map { column in
            ([names] + rows).map { $0[column].count }.max() ?? 0
        }
        let details = ["DETAIL"] + messages.map { visible($0.detail) }
        return zip([names] + rows, details).map { row, detail in
            let columns = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
            let start = columns.joined(separator: "  ") + "  "
            let room = max(width - start.count, 8)
            return start + (detail.count <= room ? detail : detail.prefix(room - 1) + "…")
        }
    }

    /// Everything that is known of one message.
    static func whole(
        _ message: AsideMessage,
        _ headers: [UInt8],
        _ payload: [UInt8],
        _ catalog: Catalog
    ) -> [String] {
        var lines = [
            "stream      \(visible(message.stream))", "sequence    \(message.sequence)",
            "time        \(message.time)", "kept aside  \(message.at)", "subject     \(visible(message.subject))",
            "type        \(message.type(in: catalog)?.name ?? "unknown: no type of the catalogue has this subject")",
            "reason      \(visible(message.reason))", "detail      \(visible(message.detail))",
        ]
        if let sqlState = message.sqlState { lines.append("sqlstate    \(visible(sqlState))") }
        if !headers.isEmpty { lines.append("headers     \(readable(headers))") }
        lines.append("payload     \(payload.count) bytes; --raw prints them as they came")
        if !payload.isEmpty { lines.append(readable(payload)) }
        return lines + [""]
    }

    /// What a replay did, or would do.
    static func replayed(_ outcome: QuarantineReplay.Outcome, _ isDryRun: Bool) -> [String] {
        let staying = outcome.staying.values.reduce(0, +)
        let would = isDryRun ? "would be " : ""
        var lines = ["\(would)stored \(outcome.stored), repeats of what is stored \(outcome.repeated), stay \(staying)"]
        for (reason, count) in outcome.staying.sorted(by: { $0.key < $1.key }) {
            lines.append("  \(visible(reason)): \(count)")
        }
        if outcome.busy > 0 { lines.append("  in the hands of another session: \(outcome.busy)") }
        for (subject, count) in outcome.unknown.sorted(by: { $0.key < $1.key }) {
            lines.append("  of no known type, left as they are: \(count) of \(visible(subject))")
        }
        if staying > 0 {
            lines.append("`thermocline quarantine list` shows why; mend it and replay again, or drop them")
        }
        return lines
    }

    /// `2026-11-20 08:15`.
    private static func minute(_ time: Timestamp) -> String {
        String(time.description.prefix(16)).replacing("T", with: " ")
    }

    /// On one line, with what a terminal would obey or not show spelled out.
    static func visible(_ text: String) -> String { readable(Array(text.utf8)) }

    /// UTF-8 as it is, other bytes and control characters as `\\x00`.
    static func readable(_ bytes: [UInt8]) -> String {
        var text = ""
        var decoder = UTF8()
        var rest = bytes[...]
        while !rest.isEmpty {
            var iterator = rest.makeIterator()
            decoder = UTF8()
            guard case .scalarValue(let scalar) = decoder.decode(&iterator), isShown(scalar) else {
                let byte = rest.removeFirst()
                text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
                continue
            }
            text.unicodeScalars.append(scalar)
            rest = rest.dropFirst(UTF8.width(scalar))
        }
        return text
    }

    private static func isShown(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .unassigned, .lineSeparator, .paragraphSeparator, .privateUse: false
        default: true
        }
    }
}

import Adapters
import Configuration
import Platform
import Records

/// `thermocline verify`: looks at the archive again and changes nothing; exit code 1 where something is wrong.
struct VerifyCommand {
    private let invocation: Invocation

    init(_ invocation: Invocation) { self.invocation = invocation }

    func run() async throws -> Int32 {
        let selection = try selection()
        let configuration = try invocation.load(for: [.hot, .cold]).configuration
        let catalog = configuration.catalog(.standard)
        let desk = VerifyDesk(
            tiers: try configuration.archiveTiers(catalog),
            types: catalog.types,
            namedRows: configuration.archive.namedRows
        )
        let report = try await desk.run(selection)
        if invocation.flags["--json"] != nil {
            StandardOutput.line(String(decoding: Self.json(report, selection), as: UTF8.self))
        } else {
            for line in Self.text(report, selection) { StandardOutput.line(QuarantineText.visible(line)) }
        }
        return report.findings.isEmpty ? 0 : 1
    }

    private func selection() throws(UsageError) -> VerifySelection {
        var selection = VerifySelection()
        if let name = invocation.text("--type") {
            let names = Catalog.standard.types.map(\.name)
            guard names.contains(name) else {
                throw UsageError("--type: \"\(name)\", expected one of \(names.joined(separator: ", "))")
            }
            selection.type = name
        }
        selection.from = try invocation.time("--from")
        selection.to = try invocation.time("--to")
        selection.isDeep = invocation.flags["--deep"] != nil
        return selection
    }

    /// One line a finding, then a summary.
    private static func text(_ report: VerifyReport, _ selection: VerifySelection) -> [String] {
        let findings = report.findings.map { finding in
            let place = [finding.type, finding.range?.description].compactMap(\.self).joined(separator: " ")
            return "\(finding.kind.rawValue): \(place.isEmpty ? "" : place + ": ")\(finding.detail)"
        }
        let rows =
            selection.isDeep
            ? ", \(report.rows) rows in \(report.ranges) ranges"
                + (report.moving > 0 ? " (\(report.moving) ranges were being moved and were left out)" : "") : ""
        return findings + ["\(report.manifests) manifests\(rows) read; \(report.findings.count) findings"]
    }

    private static func json(_ report: VerifyReport, _ selection: VerifySelection) -> [UInt8] {
        JSONWriter.object { json in
            json.field("manifests", report.manifests)
            if selection.isDeep {
                json.field("ranges", report.ranges)
                json.field("rows", report.rows)
                json.field("moving", report.moving)
            }
            json.array("findings") { json in
                for finding in report.findings {
                    json.object { json in
                        json.field("kind", finding.kind.rawValue)
                        json.field("type", finding.type)
                        json.field("from", finding.range?.start.description)
                        json.field("to", finding.range?.end.description)
                        json.field("detail", finding.detail)
                    }
                }
            }
        }
    }
}

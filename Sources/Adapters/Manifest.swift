import Digest
import Records
import Tiering

/// The proof of one range: what hot held, what cold must hold, chained to the proof before by SHA-256.
struct Manifest: Sendable {
    static let genesis = String(repeating: "0", count: 64)

    let number: Int64
    let sha256: String
    private let fields: [String]
    private let at: String?

    init(number: Int64, transfer: Transfer, schemaHash: String, previous: String) {
        guard let hot = transfer.hot, let cold = transfer.cold else {
            preconditionFailure("a manifest needs both sums")
        }
        self.number = number
        fields = [
            "\(number)", transfer.type, "\(transfer.range.start)", "\(transfer.range.end)", "\(hot.rows)",
            "\(hot.digest)", "\(cold.rows)", "\(cold.digest)", schemaHash, previous,
        ]
        at = transfer.verifiedAt?.description
        sha256 = Self.hash(fields)
    }

    var parameters: [String?] { fields.map(Optional.init) + [sha256, at] }

    /// Names and kinds of the columns, in order: what the digest of a row is taken over.
    static func schemaHash(_ type: RecordType) -> String {
        hash(type.contentColumns.map { "\($0.name) \($0.kind)" })
    }

    private static func hash(_ fields: [String]) -> String {
        SHA256.hash(Array(fields.joined(separator: "\n").utf8)).map {
            let text = String($0, radix: 16)
            return text.count == 1 ? "0" + text : text
        }.joined()
    }
}

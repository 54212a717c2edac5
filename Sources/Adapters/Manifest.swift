import Digest
import Platform
import Records
import Tiering

/// The proof of one range: what hot held, what cold must hold, chained to the proof before by SHA-256.
///
/// Of a part, `filter`, it says what hot held of that, and what cold must hold of the whole range.
struct Manifest: Sendable {
    static let genesis = String(repeating: "0", count: 64)

    let number: Int64
    let type: String
    let range: TimeRange
    let cold: Summary
    let previous: String
    /// Empty where it is of the whole range.
    let filter: String
    /// Over the fields.
    let sha256: String
    /// What the ledger has as its SHA-256: the same, unless somebody changed one of the two.
    let recorded: String
    private let fields: [String]
    private let at: String?

    init(number: Int64, transfer: Transfer, schemaHash: String, previous: String) {
        guard let cold = transfer.cold else { preconditionFailure("a manifest says what cold must hold") }
        // Where only parts were copied, hot's sum of the whole is of nothing.
        let hot = transfer.hot ?? .zero
        filter = transfer.filter?.description ?? ""
        self.number = number
        (type, range, self.cold, self.previous) = (transfer.type, transfer.range, cold, previous)
        fields = Self.fields(number, transfer.type, transfer.range, hot, cold, schemaHash, previous, filter)
        at = transfer.verifiedAt?.description
        sha256 = Self.hash(fields)
        recorded = sha256
    }

    /// A manifest as `ColdSQL.readChain` answers.
    init(_ row: [String?]) throws(StoreError) {
        guard let number = row[0].flatMap(Int64.init), let type = row[1], let start = row[2].flatMap(Int64.init),
            let end = row[3].flatMap(Int64.init), start < end, let hot = LedgerRow.summary(row[4], row[5]),
            let cold = LedgerRow.summary(row[6], row[7]), let schemaHash = row[8], let previous = row[9],
            let filter = row[10], let recorded = row[11]
        else {
            throw StoreError(
                .corrupt,
                .halt,
                tier: "cold",
                operation: "read the chain",
                detail: "manifest \(row[0] ?? "?") of thermocline_store.manifest is not one this program wrote"
            )
        }
        let range = TimeRange(start: Timestamp(micros: start), end: Timestamp(micros: end))
        (self.number, self.type, self.range, self.cold) = (number, type, range, cold)
        (self.previous, self.filter, self.recorded) = (previous, filter, recorded)
        fields = Self.fields(number, type, range, hot, cold, schemaHash, previous, filter)
        at = nil
        sha256 = Self.hash(fields)
    }

    /// What the SHA-256 is taken over, in order.
    private static func fields(
        _ number: Int64,
        _ type: String,
        _ range: TimeRange,
        _ hot: Summary,
        _ cold: Summary,
        _ schemaHash: String,
        _ previous: String,
        _ filter: String
    ) -> [String] {
        [
            "\(number)", type, "\(range.start)", "\(range.end)", "\(hot.rows)", "\(hot.digest)", "\(cold.rows)",
            "\(cold.digest)", schemaHash, previous, filter,
        ]
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

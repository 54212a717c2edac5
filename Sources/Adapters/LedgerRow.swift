import Platform
import Digest
import Records
import Tiering

/// A transfer as a row of the ledger, in the order of `ColdSQL`'s fields and parameters.
enum LedgerRow {
    static func parameters(_ transfer: Transfer) -> [String?] {
        [
            transfer.id, transfer.type, "\(transfer.range.start)", "\(transfer.range.end)", transfer.state.rawValue,
            transfer.request, transfer.prunes ? "t" : "f", "\(transfer.attempt)", transfer.stamp,
            transfer.hot.map { "\($0.rows)" }, transfer.hot.map { "\($0.digest)" },
            transfer.cold.map { "\($0.rows)" }, transfer.cold.map { "\($0.digest)" }, transfer.staging,
            transfer.manifest.map { "\($0)" }, "\(transfer.rowsPruned)", transfer.error,
            transfer.verifiedAt?.description, transfer.prunedAt?.description, transfer.filter?.description ?? "",
        ]
    }

    /// What tells a transfer from any other, in the order of `ColdSQL.recordFailure` and `request`.
    static func key(_ transfer: Transfer) -> [String?] {
        [
            transfer.id, transfer.type, "\(transfer.range.start)", "\(transfer.range.end)",
            transfer.filter?.description ?? "",
        ]
    }

    static func transfer(_ row: [String?]) throws(StoreError) -> Transfer {
        guard let id = row[0], let type = row[1], let start = micros(row[2]), let end = micros(row[3]), start < end,
            let state = row[4].flatMap(Transfer.State.init), let filter = row[21].flatMap(TransferFilter.init)
        else {
            throw StoreError(
                .corrupt,
                .halt,
                tier: "cold",
                operation: "read the ledger",
                detail: "row \(row[0] ?? "?") of thermocline_store.transfer is not one this program wrote"
            )
        }
        var transfer = Transfer(id: id, type: type, range: TimeRange(start: start, end: end), state: state)
        transfer.filter = filter.isEmpty ? nil : filter
        transfer.request = row[5]
        transfer.prunes = row[6] == "t"
        transfer.attempt = row[7].flatMap(Int.init) ?? 0
        transfer.stamp = row[8]
        transfer.hot = summary(row[9], row[10])
        transfer.cold = summary(row[11], row[12])
        transfer.staging = row[13]
        transfer.manifest = row[14].flatMap(Int64.init)
        transfer.rowsPruned = row[15].flatMap(Int.init) ?? 0
        transfer.error = row[16]
        transfer.updatedAt = micros(row[17])
        transfer.verifiedAt = micros(row[18])
        transfer.prunedAt = micros(row[19])
        transfer.scrubbedAt = micros(row[20])
        return transfer
    }

    private static func micros(_ text: String?) -> Timestamp? {
        text.flatMap(Int64.init).map(Timestamp.init(micros:))
    }

    static func summary(_ rows: String?, _ digest: String?) -> Summary? {
        guard let rows = rows.flatMap(Int.init), let digest = digest.flatMap(Digest128.init) else { return nil }
        return Summary(rows: rows, digest: digest)
    }
}

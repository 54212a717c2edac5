import Digest
package import Records
package import Tiering

/// Transfers of parts of ranges in the cold database in memory.
extension ColdDatabase {
    private func indexOfPart(_ part: Transfer) -> Int? {
        parts.firstIndex { $0.type == part.type && $0.range == part.range && $0.filter == part.filter }
    }

    func record(part: Transfer) {
        var row = part
        row.updatedAt = clock.timestamp
        changed.insert(part.type)
        if row.state == .mismatched || row.state == .unaccounted { halted = row }
        guard let index = indexOfPart(part) else {
            parts.append(row)
            return
        }
        (row.id, row.request) = (parts[index].id, parts[index].request)
        parts[index] = row
    }

    func recordFailure(ofPart part: Transfer, detail: String) {
        if let index = indexOfPart(part) { parts[index].failed(detail) }
    }

    /// What an operator's request for a part does; `stamp` is what hot has now.
    package func request(_ id: String, type: String, range: TimeRange, filter: TransferFilter, stamp: String?) {
        var row = Transfer(id: id, type: type, range: range, filter: filter)
        if let whole = index(of: row), ledger[whole].state == .expired { return }
        let index = indexOfPart(row)
        if let index { row = parts[index] }
        row.request = id
        row.attempt = 0
        row.error = nil
        if row.state == .mismatched { row.state = .copied }
        let isChanged = row.state == .verified && stamp != nil && stamp != row.stamp
        if [.failed, .unaccounted].contains(row.state) || isChanged { row.state = .planned }
        if let index { parts[index] = row } else { parts.append(row) }
    }

    /// What the range of a part holds before its merge.
    func settledSum(ofWhole part: Transfer) throws(StoreError) -> Summary {
        guard let index = index(of: part) else { return summary(of: part.type, in: part.range) }
        guard ledger[index].isSettled else { throw StoreError.unsettled(ledger[index], "commit copy") }
        return ledger[index].cold ?? summary(of: part.type, in: part.range)
    }

    func addToWhole(_ part: Transfer) {
        if flaws.contains(.forgetsParts) { return }
        let index: Int
        if let known = self.index(of: part) {
            index = known
        } else {
            index = ledger.count
            append(Transfer(id: "whole of \(part.id)", type: part.type, range: part.range))
        }
        ledger[index].cold = part.cold
        ledger[index].staging = part.staging
    }

    /// Whether the part had inserted rows, so that its manifest is the range's from now on.
    func proveWhole(_ part: Transfer, by manifest: Int64) -> Bool {
        guard let index = index(of: part), let staging = part.staging, ledger[index].staging == staging else {
            return false
        }
        ledger[index].staging = nil
        ledger[index].manifest = manifest
        ledger[index].scrubbedAt = part.verifiedAt
        return true
    }
}

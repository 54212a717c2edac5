package import Digest
package import Records

/// What reading a range of cold again, long after its proof, found.
package struct Reproof: Sendable {
    /// The transfer as the ledger had it at the instant of the reading.
    package let transfer: Transfer
    /// What cold holds; nil where it cannot be read.
    package let found: Summary?
    package let bytes: Int
    /// Why cold is not what the proof says; nil where it is.
    package let finding: String?
}

extension ArchiveTarget {
    /// Reads a range again and compares it with its last proof; nil where none stands at that instant.
    ///
    /// `pace` hears of each chunk's bytes before the next one is taken.
    package func reprove(
        _ transfer: Transfer,
        type: RecordType,
        pace: (Int) async throws(StoreError) -> Void
    ) async throws(StoreError) -> Reproof? {
        guard let (standing, rows) = try await reread(transfer, type: type), let cold = standing.cold else {
            return nil
        }
        let digester = ContentDigester(type: type)
        var (found, bytes) = (Summary.zero, 0)
        do throws(StoreError) {
            while let chunk = try await rows.next() {
                found += try digester.summary(of: chunk, tier: "cold")
                bytes += chunk.count
                try await pace(chunk.count)
            }
        } catch {
            guard error.isDamage else { throw error }
            return Reproof(transfer: standing, found: nil, bytes: bytes, finding: "cold cannot be read: \(error)")
        }
        let difference = found == cold ? nil : Proof(found: found).difference(hot: nil, cold: cold)
        return Reproof(
            transfer: standing,
            found: found,
            bytes: bytes,
            finding: difference.map { "\($0) by manifest \(standing.manifest ?? 0)" }
        )
    }

    /// In which rows a mismatched range differs between the tiers, in words; what cannot be told is said, too.
    package func differingRows(
        of transfer: Transfer,
        _ type: RecordType,
        _ source: some ArchiveSource,
        limit: Int
    ) async -> String {
        guard transfer.prunedAt == nil else {
            return "hot holds no rows of this range any more to compare with: only a backup of cold can tell which"
        }
        guard transfer.hot != nil else {
            return "only parts of this range were copied, so that hot does not tell which rows cold must hold"
        }
        var bisection = Bisection(
            source: source,
            target: self,
            type: type,
            isWhole: transfer.hot == transfer.cold,
            filter: transfer.filter,
            limit: limit
        )
        do throws(StoreError) {
            let found = try await bisection.differences(in: transfer.range)
            guard found.isEmpty else { return found.description }
            if transfer.hot == transfer.cold { return "by now the tiers hold the same rows" }
            return transfer.filter == nil
                ? "cold holds all rows that hot still has; what differs left hot before, and only a backup can tell"
                : "cold holds all rows of this part that hot still has; what differs is not of it, or left hot before"
        } catch {
            return "which rows cannot be told: \(error)"
        }
    }
}

extension StoreError {
    /// What was stored does not read as what was written: SQLSTATE class XX, or values that are none.
    var isDamage: Bool { code == .corrupt || sqlState.map { $0.hasPrefix("XX") || $0.hasPrefix("22") } == true }
}

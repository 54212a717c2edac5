import Digest
package import Records
import Tiering

/// Something that does not fit: in the chain of proofs, between chain, ledger and hot's log, or in a range's rows.
package struct ChainFinding: Sendable, Equatable {
    package enum Kind: String, Sendable { case manifest, ledger, pruneLog = "prune_log", content }
    package let kind: Kind
    package let type: String?
    package let range: TimeRange?
    package let detail: String
}

/// The chain of proofs, recomputed from its genesis; the newest manifest of each range.
package struct ChainCheck: Sendable {
    package private(set) var findings: [ChainFinding] = []
    package private(set) var manifests = 0
    private var last: (number: Int64, sha256: String) = (0, Manifest.genesis)
    private var newest: [Key: Manifest] = [:]
    private var known: [Int64: Manifest] = [:]

    private struct Key: Hashable {
        let type: String
        let range: TimeRange
    }

    package init() {}

    /// Takes the next manifest of the chain, by number.
    mutating func add(_ manifest: Manifest) {
        manifests += 1
        if manifest.number > last.number + 1 {
            let missing = (last.number + 1, manifest.number - 1)
            let which =
                missing.0 == missing.1 ? "manifest \(missing.0) is" : "manifests \(missing.0) to \(missing.1) are"
            note(.manifest, nil, nil, "\(which) missing: removed, or renumbered")
        } else if manifest.previous != last.sha256 {
            let before = last.number == 0 ? "the beginning" : "manifest \(last.number)"
            note(
                .manifest,
                manifest.type,
                manifest.range,
                "manifest \(manifest.number) does not follow \(before): one was altered or put in another place"
            )
        }
        if manifest.sha256 != manifest.recorded {
            note(
                .manifest,
                manifest.type,
                manifest.range,
                "manifest \(manifest.number) was altered: what it says is not what its SHA-256 was taken over"
            )
        }
        last = (manifest.number, manifest.recorded)
        known[manifest.number] = manifest
        newest[Key(type: manifest.type, range: manifest.range)] = manifest
    }

    /// Compares the ledger with the chain; a range whose rows are being proved again is left out.
    mutating func compare(_ ledger: [Transfer]) {
        var ranges: Set<Key> = []
        for transfer in ledger where transfer.filter != nil { compare(part: transfer) }
        for transfer in ledger where transfer.filter == nil {
            let key = Key(type: transfer.type, range: transfer.range)
            ranges.insert(key)
            guard let number = transfer.manifest else {
                if transfer.state == .verified || transfer.state == .pruned {
                    note(.ledger, transfer.type, transfer.range, "\(transfer.state) without a manifest")
                }
                continue
            }
            guard let manifest = newest[key], manifest.number == number else {
                let have = newest[key].map { "its newest is \($0.number)" } ?? "the chain has none for it"
                note(.ledger, transfer.type, transfer.range, "the ledger names manifest \(number); \(have)")
                continue
            }
            if transfer.isProved, let cold = transfer.cold, cold != manifest.cold {
                let detail = "the ledger says \(cold), manifest \(number) \(manifest.cold)"
                note(.ledger, transfer.type, transfer.range, detail)
            }
            if transfer.state == .mismatched {
                note(.ledger, transfer.type, transfer.range, "is mismatched: \(transfer.error ?? "unknown")")
            }
        }
        for (key, manifest) in newest.sorted(by: { $0.value.number < $1.value.number }) where !ranges.contains(key) {
            note(.ledger, key.type, key.range, "manifest \(manifest.number) proves it, and the ledger does not know it")
        }
    }

    /// A part names the manifest that it added to the chain, if any: not the newest of its range for ever.
    private mutating func compare(part: Transfer) {
        let (type, range) = (part.type, part.range)
        let filter = part.filter?.description ?? ""
        if part.state == .mismatched {
            note(.ledger, type, range, "its part \(filter) is mismatched: \(part.error ?? "unknown")")
        }
        guard let number = part.manifest else { return }
        guard let manifest = known[number], manifest.type == type, manifest.range == range, manifest.filter == filter
        else {
            note(.ledger, type, range, "the ledger names manifest \(number) of its part \(filter); the chain has none")
            return
        }
        if part.state == .verified, let cold = part.cold, cold != manifest.cold {
            let detail = "of its part \(filter) the ledger says \(cold), manifest \(number) \(manifest.cold)"
            note(.ledger, type, range, detail)
        }
    }

    /// Compares hot's log of prunes with the chain.
    mutating func compare(_ prunes: [PruneRecord]) {
        for prune in prunes where known[prune.manifest]?.recorded != prune.sha256 {
            let what = known[prune.manifest] == nil ? "which cold does not hold" : "which cold holds otherwise"
            let detail = "hot was pruned on the strength of manifest \(prune.manifest), \(what)"
            note(.pruneLog, prune.type, prune.range, detail)
        }
    }

    mutating func note(_ kind: ChainFinding.Kind, _ type: String?, _ range: TimeRange?, _ detail: String) {
        findings.append(ChainFinding(kind: kind, type: type, range: range, detail: detail))
    }
}

import Records

/// What an audit reads of the hot tier.
extension HotSQL {
    /// What names each row that readers see.
    static func keys(_ type: RecordType) -> String {
        "COPY (SELECT \(TierSQL.keyFields(type)) FROM \(TierSQL.view(type))) TO STDOUT (FORMAT binary)"
    }

    static let quarantined = "COPY (SELECT subject, payload FROM thermocline.quarantine) TO STDOUT (FORMAT binary)"
}

extension TierSQL {
    /// The natural key: `ts` as microseconds since 1970, all else as text.
    static func keyFields(_ type: RecordType) -> String {
        ([micros("ts")] + type.keyColumns.dropFirst().map { "\($0)::text" }).joined(separator: ", ")
    }
}

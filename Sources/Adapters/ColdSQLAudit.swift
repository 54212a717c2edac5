import Records

/// What an audit reads of the cold tier.
extension ColdSQL {
    /// What names each row that cold holds, those kept as conflicts included.
    static func keys(_ type: RecordType) -> String {
        let rows = [TierSQL.view(type), conflict(type)].map { "SELECT \(TierSQL.keyFields(type)) FROM \($0)" }
        return "COPY (\(rows.joined(separator: " UNION ALL "))) TO STDOUT (FORMAT binary)"
    }
}

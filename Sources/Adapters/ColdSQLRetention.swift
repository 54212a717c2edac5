import Records

/// What takes ranges out of cold once its own retention is over.
extension ColdSQL {
    /// Those of the transfers in $1 that are pruned still; nobody changes them until the transaction ends.
    static let lockPruned = """
        SELECT id FROM thermocline_store.transfer WHERE id = ANY ($1::uuid[]) AND state = 'pruned' FOR UPDATE
        """
    static func countRows(_ type: RecordType, _ range: TimeRange, _ layout: ColdFormat) -> String {
        "SELECT count(*) FROM \(stored(type, range, layout))"
    }
    static func deleteRows(_ type: RecordType, _ range: TimeRange) -> String {
        "DELETE FROM \(TierSQL.table(type)) WHERE \(TierSQL.inRange(range))"
    }
    static func deleteConflicts(_ type: RecordType, _ range: TimeRange) -> String {
        "DELETE FROM \(conflict(type)) WHERE \(TierSQL.inRange(range))"
    }
    static func detach(_ partition: Partition, of type: RecordType) -> String {
        "ALTER TABLE \(TierSQL.table(type)) DETACH PARTITION thermocline_store.\(partition.name)"
    }
    static func drop(_ partition: Partition) -> String { "DROP TABLE thermocline_store.\(partition.name)" }
}

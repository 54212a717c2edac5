package import Records

extension Catalog {
    /// The seven types and one that only tests have: whatever is derived from the catalogue must hold for both.
    package static let underTest = Catalog(types: standard.types + [.testReading])
}

extension RecordType {
    /// A type with every kind of column and a key column of every awkward kind.
    package static let testReading = RecordType(
        "test_reading",
        subjects: [SubjectPattern("test_reading"), SubjectPattern("test-reading-data")],
        columns: [
            Column("label", .text, nullable: true),
            Column("revision", .integer, nullable: true),
            Column("amount", .decimal),
            Column("settled_at", .timestamp, nullable: true),
            Column("is_final", .boolean, nullable: true),
            Column("weights", .decimals, nullable: true),
            Column("detail", .json, nullable: true),
        ],
        key: ["label", "revision", "amount", "settled_at", "is_final"],
        eventTimeKeys: ["reading_ts_ms"],
        partition: .day
    )
}

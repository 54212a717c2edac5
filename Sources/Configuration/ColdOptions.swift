/// What can be said of the cold tier.
extension Option {
    static let cold = [
        Option(
            "cold.postgres",
            \.cold.postgres,
            optional: .secret,
            "Connection string of the cold database. A secret."
        ),
        Option(
            "cold.postgres_file",
            \.cold.postgresFile,
            optional: .path,
            "File that holds cold.postgres, instead of it."
        ),
        Option(
            "cold.listen",
            \.cold.listen,
            .listenAddress,
            "Address of /health, /stats and /transfers of the cold role."
        ),
        Option(
            "cold.retention",
            \.cold.retention,
            optional: .duration(.seconds(1) ... .days(36_500)),
            "How long cold keeps rows that hot no longer holds; without it for ever. Their proofs are kept."
        ),
        Option(
            "cold.format",
            \.cold.format,
            .word,
            "How cold keeps what is copied: rows (as hot does), or segments (compressed, see docs/cold-format.md)."
        ),
        Option(
            "cold.segment_rows",
            \.cold.segmentRows,
            .integer(1...100_000),
            "Rows of one segment: more are smaller, fewer are read faster."
        ),
        Option(
            "cold.segment_memory",
            \.cold.segmentMemory,
            .size(1 << 20...1 << 30),
            "Bytes of rows that wait for their segments, for each transfer; beyond it segments become smaller."
        ),
        Option(
            "cold.pack_rows",
            \.cold.packRows,
            .integer(0...1_000_000_000),
            "Rows that a pass, all else done, brings into cold.format or joins to larger segments; 0 is never."
        ),
    ]
}

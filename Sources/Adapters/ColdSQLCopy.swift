import Records

/// What puts rows into cold and finds them there, in either layout.
extension ColdSQL {
    // MARK: Read

    /// The stored rows of a range, to follow FROM.
    static func stored(_ type: RecordType, _ range: TimeRange, _ layout: ColdFormat) -> String {
        layout == .segments
            ? readRows(type, range) : "(SELECT * FROM \(TierSQL.table(type)) WHERE \(TierSQL.inRange(range))) AS stored"
    }
    static func holdsAny(_ type: RecordType, _ range: TimeRange, _ layout: ColdFormat) -> String {
        "SELECT EXISTS (SELECT FROM \(stored(type, range, layout)))"
    }
    /// Content columns, as readers see them.
    static func readContent(_ type: RecordType, _ range: TimeRange, _ layout: ColdFormat) -> String {
        guard layout == .segments else { return TierSQL.readContent(type, range) }
        return "COPY (SELECT \(TierSQL.columns(type.contentColumns)) FROM \(readRows(type, range))) "
            + "TO STDOUT (FORMAT binary)"
    }
    /// Rows of a range as a table stores them, every column.
    static func readWhole(_ type: RecordType, _ range: TimeRange, _ layout: ColdFormat) -> String {
        let columns = layout == .segments ? storedColumns(type) : TierSQL.columns(type.allColumns)
        return "COPY (SELECT \(columns) FROM \(stored(type, range, layout))) TO STDOUT (FORMAT binary)"
    }

    // MARK: Copy and merge

    static func copy(_ type: RecordType) -> String { copy(type, into: TierSQL.table(type)) }
    static func copyToStaging(_ type: RecordType, _ name: String) -> String { copy(type, into: staging(name)) }
    private static func copy(_ type: RecordType, into table: String) -> String {
        "COPY \(table) (\(TierSQL.columns(type.allColumns))) FROM STDIN (FORMAT binary)"
    }

    /// A plain table, kept until the range is verified.
    static func makeStaging(_ type: RecordType, _ name: String) -> String {
        "CREATE TABLE \(staging(name)) (LIKE \(TierSQL.table(type)) INCLUDING COMPRESSION INCLUDING DEFAULTS "
            + "INCLUDING GENERATED)"
    }
    static func dropStaging(_ name: String) -> String { "DROP TABLE IF EXISTS \(staging(name))" }
    private static func staging(_ name: String) -> String { "thermocline_store.\(name)" }

    /// Adds the staged rows whose key cold lacks to its plain rows, and answers with what it added.
    static func merge(_ type: RecordType, _ name: String, in range: TimeRange, _ layout: ColdFormat) -> String {
        let isNew =
            layout == .segments
            ? "WHERE NOT EXISTS (SELECT FROM \(readRows(type, range)) c WHERE \(TierSQL.sameKey(type)))" : ""
        return """
            COPY (INSERT INTO \(TierSQL.table(type)) (\(TierSQL.columns(type.allColumns)))
                SELECT \(TierSQL.columns(type.allColumns)) FROM \(staging(name)) s \(isNew)
                ON CONFLICT (\(type.keyColumns.joined(separator: ", "))) DO NOTHING
                RETURNING \(TierSQL.columns(type.contentColumns))) TO STDOUT (FORMAT binary)
            """
    }

    /// Keeps the staged rows whose key cold holds with other content; one kept already is not kept twice.
    static func keepConflicts(_ type: RecordType, _ name: String, in range: TimeRange, _ layout: ColdFormat) -> String {
        let columns = layout == .segments ? storedColumns(type) : TierSQL.columns(type.allColumns)
        return """
            INSERT INTO \(conflict(type)) (\(TierSQL.columns(type.allColumns)))
            SELECT \(columns) FROM \(missing(type, name, range, layout))
            """
    }
    static func countMissing(_ type: RecordType, _ name: String, in range: TimeRange, _ layout: ColdFormat) -> String {
        "SELECT count(*) FROM \(missing(type, name, range, layout))"
    }
    /// The staged rows of which neither the range nor `conflict` holds one of equal content.
    private static func missing(
        _ type: RecordType,
        _ name: String,
        _ range: TimeRange,
        _ layout: ColdFormat
    ) -> String {
        let held: [String]
        let staged: String
        if layout == .segments {
            // Lists of decimals are compared as readers see them.
            let columns = TierSQL.readableColumns(type)
            staged = "(SELECT \(columns) FROM \(staging(name)))"
            held = [readRows(type, range), "(SELECT \(columns) FROM \(conflict(type)))"]
        } else {
            staged = staging(name)
            held = [TierSQL.table(type), conflict(type)]
        }
        let isMissing = held.map { "NOT EXISTS (SELECT FROM \($0) c WHERE \(TierSQL.sameContent(type)))" }
        return "\(staged) s WHERE \(isMissing.joined(separator: " AND "))"
    }
    static func readStaging(_ type: RecordType, _ name: String) -> String {
        "COPY (SELECT \(TierSQL.columns(type.contentColumns)) FROM \(staging(name))) TO STDOUT (FORMAT binary)"
    }
}

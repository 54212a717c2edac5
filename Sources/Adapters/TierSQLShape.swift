import Postgres
import Records

/// What a database says of the tables and views of record types.
extension TierSQL {
    /// Tables that hold rows of a type in a tier; in cold also those kept as conflicts.
    static func tables(_ type: RecordType, in tier: Tier) -> [String] {
        tier == .hot ? [table(type)] : [table(type), ColdSQL.conflict(type)]
    }

    /// Columns of the relations named in $1, in order: relation, name, type, whether null is refused, whether it is
    /// computed from others, and in the first row of a view what it reads.
    ///
    /// The definition without blanks, quotes and the table's name before a column, which versions of PostgreSQL print
    /// differently; read with an empty search path, so that it names schemas.
    static let shape = """
        SELECT r.name, a.attname,
            regexp_replace(format_type(a.atttypid, a.atttypmod), '^timestamp with time zone$', 'timestamptz')
                || CASE WHEN a.attcollation = 'pg_catalog."C"'::regcollation THEN ' COLLATE "C"' ELSE '' END,
            a.attnotnull, a.attgenerated <> '',
            CASE WHEN a.attnum = 1 AND c.relkind = 'v'
                THEN replace(regexp_replace(pg_get_viewdef(c.oid), '[\\s"]', '', 'g'), c.relname || '.', '') END
        FROM unnest($1::text[]) AS r (name)
        JOIN pg_class c ON c.oid = to_regclass(r.name)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY r.name, a.attnum
        """
    static let namesSchemas = "SET LOCAL search_path = ''"

    /// What `shape` answers of the view as `schema apply` makes it.
    static func viewDefinition(_ type: RecordType) -> String {
        "SELECT \(readableColumns(type)) FROM \(table(type));".filter { $0 != " " }
    }

    // MARK: What mends a table

    static func addColumn(_ column: Column, to table: String) -> String {
        "ALTER TABLE \(table) ADD COLUMN \(column.name) \(sqlType(column))\(column.isNullable ? "" : " NOT NULL");"
    }
    static func dropColumn(_ name: String, of table: String) -> String {
        "ALTER TABLE \(table) DROP COLUMN \(SQLText.identifier(name));"
    }
    static func renameColumn(_ name: String, to column: Column, of table: String) -> String {
        "ALTER TABLE \(table) RENAME COLUMN \(SQLText.identifier(name)) TO \(column.name);"
    }
    static func changeType(of column: Column, in table: String) -> String {
        "ALTER TABLE \(table) ALTER COLUMN \(column.name) TYPE \(sqlType(column));"
    }
    static func changeNullability(of column: Column, in table: String) -> String {
        "ALTER TABLE \(table) ALTER COLUMN \(column.name) \(column.isNullable ? "DROP" : "SET") NOT NULL;"
    }
    static func dropView(_ type: RecordType) -> String { "DROP VIEW IF EXISTS \(view(type));" }
}

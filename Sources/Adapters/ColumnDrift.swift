import Postgres
package import Records
package import Tiering

/// Compares the tables and the view of a type, as a database has them, with the catalogue.
///
/// A column that the catalogue does not know would be left behind by every copy and destroyed by every prune, so it
/// counts on either side; one that is computed from others holds nothing of its own. The order of a table's columns
/// does not count, because every statement names them: a column that was dropped and is added again stands last. That
/// of the view's does, because people read it.
struct ColumnDrift: Sendable {
    struct Found: Sendable, Equatable {
        let name: String
        /// As in `CREATE TABLE`: `numeric(10,2)`, `text COLLATE "C"`.
        let type: String
        let isNullable: Bool
        let isComputed: Bool
    }

    private let type: RecordType
    private let tier: Tier
    private let layout: ColdFormat
    private var differences: [String] = []
    private var statements: [String] = []
    private var isViewInTheWay = false

    /// Nil where the tier is as the catalogue says.
    ///
    /// `columns` are those of the tables and the view by name, `definition` is what the view reads.
    static func between(
        _ type: RecordType,
        and columns: [String: [Found]],
        definition: String?,
        in tier: Tier,
        _ layout: ColdFormat
    ) -> SchemaDrift? {
        var drift = ColumnDrift(type: type, tier: tier, layout: layout)
        for table in TierSQL.tables(type, in: tier) { drift.compare(table, columns[table] ?? []) }
        // What a table lacks its view lacks too, and mending the one may mend the other.
        if drift.differences.isEmpty { drift.compareView(columns[TierSQL.view(type)] ?? [], definition) }
        return drift.result
    }

    private init(type: RecordType, tier: Tier, layout: ColdFormat) {
        (self.type, self.tier, self.layout) = (type, tier, layout)
    }

    private var result: SchemaDrift? {
        guard !differences.isEmpty else { return nil }
        let apply = "thermocline schema apply \(tier.rawValue)"
        let mend =
            (isViewInTheWay ? [layout == .segments ? ColdSQL.dropView(type) : TierSQL.dropView(type)] : []) + statements
            + (isViewInTheWay ? ["then run: \(apply)"] : [])
        return SchemaDrift(
            type: type.name,
            tier: tier.rawValue,
            difference: differences.joined(separator: "; "),
            remedy: mend.joined(separator: " ")
        )
    }

    private mutating func compare(_ table: String, _ found: [Found]) {
        guard !found.isEmpty else {
            differences.append("\(table) does not exist")
            isViewInTheWay = true
            return
        }
        var strangers = found.filter { column in
            !column.isComputed && !type.allColumns.contains { $0.name == column.name }
        }
        for column in type.allColumns {
            let wanted = TierSQL.sqlType(column)
            if let present = found.first(where: { $0.name == column.name }) {
                compare(column, present, wanted, table)
            } else if let index = strangers.firstIndex(where: { $0.type == wanted && isOnly($0, strangers) }) {
                let stranger = strangers.remove(at: index)
                differences.append("\(table) calls the column \(column.name) \(stranger.name)")
                statements.append(TierSQL.renameColumn(stranger.name, to: column, of: table))
            } else {
                differences.append("\(table) lacks the column \(column.name) \(wanted)")
                statements.append(TierSQL.addColumn(column, to: table))
                isViewInTheWay = true
            }
        }
        for stranger in strangers {
            differences.append(
                "\(table) has a column \(stranger.name) \(stranger.type) that is none of ours and would not be archived"
            )
            statements.append(TierSQL.dropColumn(stranger.name, of: table))
        }
    }

    /// Two that may be the renamed one are none: which it is nobody can tell.
    private func isOnly(_ column: Found, _ strangers: [Found]) -> Bool {
        strangers.count { $0.type == column.type } == 1
    }

    private mutating func compare(_ column: Column, _ found: Found, _ wanted: String, _ table: String) {
        if found.type != wanted || found.isComputed {
            let actual = found.isComputed ? "\(found.type), computed" : found.type
            differences.append("\(table) has \(column.name) as \(actual), must be \(wanted)")
            statements.append(TierSQL.changeType(of: column, in: table))
            isViewInTheWay = true
        }
        if found.isNullable != column.isNullable {
            differences.append("\(table) \(found.isNullable ? "takes" : "refuses") null in \(column.name)")
            statements.append(TierSQL.changeNullability(of: column, in: table))
        }
    }

    private mutating func compareView(_ found: [Found], _ definition: String?) {
        let view = TierSQL.view(type)
        let wanted = type.allColumns.map { column in
            "\(column.name) \(column.kind == .decimals ? "numeric[]" : TierSQL.sqlType(column))"
        }
        let columns = found.map { "\($0.name) \($0.type)" }
        if found.isEmpty {
            differences.append("the view \(view) does not exist")
        } else if let index = wanted.indices.first(where: { $0 >= columns.count || columns[$0] != wanted[$0] }) {
            let present = index < columns.count ? columns[index] : "nothing"
            differences.append("the view \(view) has \(present) as column \(index + 1), must be \(wanted[index])")
        } else if columns.count > wanted.count {
            differences.append("the view \(view) has a column \(columns[wanted.count]) that is none of ours")
        } else if definition != TierSQL.viewDefinition(type) {
            differences.append("the view \(view) was replaced: it does not read \(TierSQL.table(type)) as it is")
        } else {
            return
        }
        isViewInTheWay = true
    }
}

extension FencedSession {
    /// Where the tables and views of these types are not as the catalogue says.
    func drift(of types: [RecordType]) async throws(StoreError) -> [SchemaDrift] {
        let relations = types.flatMap { TierSQL.tables($0, in: tier) + [TierSQL.view($0)] }
        let rows = try await transaction("compare the columns") { connection throws(PostgresError) in
            _ = try await connection.execute(TierSQL.namesSchemas)
            return try await connection.execute(TierSQL.shape, [SQLText.array(relations.map(Optional.init))]).rows
        }
        let replaced = try await replacedViews(of: types)
        var columns: [String: [ColumnDrift.Found]] = [:]
        var definitions: [String: String] = [:]
        for row in rows {
            guard let relation = row[0], let name = row[1], let type = row[2] else { continue }
            let found = ColumnDrift.Found(name: name, type: type, isNullable: row[3] != "t", isComputed: row[4] == "t")
            columns[relation, default: []].append(found)
            if let definition = row[5] { definitions[relation] = definition }
        }
        return types.compactMap { type in
            var definition = definitions[TierSQL.view(type)]
            if layout == .segments { definition = replaced.contains(type.name) ? nil : TierSQL.viewDefinition(type) }
            return ColumnDrift.between(type, and: columns, definition: definition, in: tier, layout)
        }
    }

    /// The types whose view, or the segments it reads, is not as `schema apply` made it.
    private func replacedViews(of types: [RecordType]) async throws(StoreError) -> Set<String> {
        guard layout == .segments else { return [] }
        let rows = try await transaction("compare the views") { connection throws(PostgresError) in
            _ = try await connection.execute(TierSQL.namesSchemas)
            return try await connection.execute(ColdSQL.unchangedViews(types)).rows
        }
        return Set(types.map(\.name)).subtracting(rows.compactMap { $0[0] })
    }
}

extension PostgresSource {
    package func drift(of types: [RecordType]) async throws(StoreError) -> [SchemaDrift] {
        try await session.drift(of: types)
    }
}

extension PostgresTarget {
    package func drift(of types: [RecordType]) async throws(StoreError) -> [SchemaDrift] {
        try await session.drift(of: types)
    }
}

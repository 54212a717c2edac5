import Platform
import Postgres
import Records

/// A hot database full of rows: the seed again and again, with shifted times and ids, whole days long ago.
struct ArchiveLoad: Sendable {
    let trades: Int
    let seed: ArchiveSeed
    /// Where event times begin: a day's start, so far back that every range is closed.
    let start: Timestamp
    let days: Int64

    static let dayMicros: Int64 = 86_400_000_000
    /// Rows that one statement makes.
    private static let step = 500_000

    init(trades: Int, seed: ArchiveSeed, now: Timestamp) {
        self.trades = trades
        self.seed = seed
        // As many a day as a collector of some hundred markets brings.
        days = Int64(max(1, min(7, trades / 2_000_000)))
        start = TimeRange(containing: now.advanced(byMicros: -(days + 2) * Self.dayMicros), width: Self.dayMicros).start
    }

    var rows: Int { ArchiveSeed.types.reduce(0) { $0 + rows(of: $1) } }

    /// One book for so many trades.
    func rows(of type: RecordType) -> Int { type.name == "trade" ? trades : max(1, trades / 200) }

    /// Names and edges of the partitions of a type, as the product makes them.
    func makePartitions(of type: RecordType, on connection: PostgresConnection) async throws {
        for day in 0..<days {
            let (from, to) = (
                start.advanced(byMicros: day * Self.dayMicros), start.advanced(byMicros: (day + 1) * Self.dayMicros)
            )
            try await connection.makePartition(of: type, from: from, to: to)
        }
    }

    /// Fills a database that has the hot schema, and says in `range_activity` what it holds, as a lane does.
    ///
    /// Vacuumed afterwards, as autovacuum does it in life: otherwise whoever reads first pays for the hint bits.
    func fill(_ connection: PostgresConnection) async throws {
        _ = try await connection.execute("SET work_mem = '256MB'")
        for type in ArchiveSeed.types {
            try await makePartitions(of: type, on: connection)
            try await repeatRows(of: type, on: connection)
            try await connection.noteActivity(of: type)
        }
    }

    private func repeatRows(of type: RecordType, on connection: PostgresConnection) async throws {
        guard let seed = seed.rows[type.name], !seed.isEmpty else { throw BenchError("no rows of \(type.name)") }
        let columns = type.allColumns.map(\.name).joined(separator: ", ")
        _ = try await connection.execute(
            "CREATE TEMP TABLE seed (LIKE thermocline_store.\(type.name), place bigint GENERATED ALWAYS AS IDENTITY)"
        )
        _ = try await connection.copyIn("COPY seed (\(columns)) FROM STDIN (FORMAT binary)", rows: seed.copyBytes())
        let (count, total) = (seed.count, rows(of: type))
        let rounds = (total + count - 1) / count
        let gap = days * Self.dayMicros / Int64(total)
        let values = type.allColumns.map { column in
            switch column.name {
            case "ts": "timestamptz '\(start)' + (r * \(count)::bigint + place - 1) * \(gap) * interval '1 us'"
            case "trade_id": Self.shiftedText("trade_id")
            case "last_update_id", "first_update_id", "prev_update_id": "\(column.name) + r * 1000000000::bigint"
            default: column.name
            }
        }
        for first in stride(from: 0, to: rounds, by: max(1, Self.step / count)) {
            let last = min(rounds, first + max(1, Self.step / count)) - 1
            _ = try await connection.execute(
                """
                INSERT INTO thermocline_store.\(type.name) (\(columns))
                SELECT \(values.joined(separator: ", ")) FROM seed, generate_series(\(first), \(last)) r
                WHERE r * \(count) + place <= \(total) ORDER BY 1
                """
            )
        }
        _ = try await connection.execute("DROP TABLE seed")
    }

    /// Most ids are numbers; the others get one more part.
    private static func shiftedText(_ column: String) -> String {
        """
        CASE WHEN \(column) ~ '^[0-9]{1,17}$' THEN (\(column)::bigint + r * 1000000000::bigint)::text
            ELSE \(column) || '-' || r END
        """
    }
}

extension PostgresConnection {
    /// Makes a partition as the product would.
    func makePartition(of type: RecordType, from: Timestamp, to: Timestamp) async throws {
        let date = "\(from)".filter(\.isNumber).prefix(type.partition == .day ? 8 : 6)
        _ = try await execute(
            """
            CREATE TABLE thermocline_store.\(type.name)_p\(date) PARTITION OF thermocline_store.\(type.name)
            FOR VALUES FROM ('\(from)') TO ('\(to)')
            """
        )
    }

    /// Says of the rows of a type that they came, as a lane does, and vacuums them, as autovacuum does in life.
    func noteActivity(of type: RecordType) async throws {
        _ = try await execute(
            """
            INSERT INTO thermocline_store.range_activity (type, bucket, writer, rows, stamp, min_ts, max_ts)
            SELECT '\(type.name)', date_trunc('hour', ts), 'bench', count(*), gen_random_uuid(), min(ts), max(ts)
            FROM thermocline_store.\(type.name) GROUP BY 2
            """
        )
        _ = try await execute("VACUUM ANALYZE thermocline_store.\(type.name)")
    }
}

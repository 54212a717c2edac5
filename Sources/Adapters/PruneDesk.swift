import Postgres
package import Records
package import Tiering

/// What would leave hot now, and what stays and why.
package struct PruneForecast: Sendable {
    /// Something that would be taken out of hot.
    package struct Leaving: Sendable {
        package var type: String
        package var range: TimeRange
        package var ranges: Int
        package var rows: Int
        /// What it takes on disk, indexes included; of part of a partition, its share by rows.
        package var bytes: Int
        package var statements: [String]
    }
    package struct Staying: Sendable {
        package var type: String
        package var range: TimeRange
        package var rows: Int
        package var reason: String
    }

    package var leaving: [Leaving] = []
    package var staying: [Staying] = []

    package init() {}
}

/// `thermocline prune --dry-run`: reads both databases and changes nothing.
package struct PruneDesk: Sendable {
    private let tiers: PostgresTiers
    private let types: [RecordType]
    private let planner: Planner
    private let now: @Sendable () -> Timestamp

    package init(
        tiers: PostgresTiers,
        types: [RecordType],
        policy: ArchivePolicy,
        now: @escaping @Sendable () -> Timestamp
    ) {
        self.tiers = tiers
        self.types = types
        planner = Planner(policy: policy)
        self.now = now
    }

    package func forecast() async throws(StoreError) -> PruneForecast {
        try await PostgresTiers.closing(try await tiers.openReaders()) { source, target throws(StoreError) in
            try await forecast(source, try await target.ledger(), try await target.openParts())
        }
    }

    private func forecast(
        _ source: PostgresSource,
        _ ledger: [Transfer],
        _ parts: [Transfer]
    ) async throws(StoreError) -> PruneForecast {
        let clock = PruneClock(wall: now(), newestEvent: try await source.newestEvent())
        let activity = try await source.activity(of: types, rangeMicros: planner.policy.rangeMicros)
        let pins = try await source.pins()
        let verdicts = planner.verdicts(
            activity: activity,
            ledger: ledger,
            parts: parts,
            existing: try await source.partitions(of: types),
            clock: clock
        )
        var forecast = PruneForecast()
        for type in types {
            for resting in try await source.resting(for: planner.policy.undo) where resting.type == type.name {
                let bytes = try await source.bytes(of: "thermocline_pruned.\(resting.name)")
                forecast.leaving.append(
                    PruneForecast.Leaving(
                        type: type.name,
                        range: resting.range,
                        ranges: resting.proofs.count,
                        rows: resting.rows,
                        bytes: bytes,
                        statements: [HotSQL.dropResting(resting.name)]
                    )
                )
            }
            let own = activity.filter { $0.type == type.name }
            for verdict in verdicts where verdict.due.partition.type == type.name {
                try await add(verdict, type, own, ledger, pins, clock, source, to: &forecast)
            }
        }
        return forecast
    }

    private func add(
        _ verdict: PartitionVerdict,
        _ type: RecordType,
        _ activity: [RangeActivity],
        _ ledger: [Transfer],
        _ pins: [Pin],
        _ clock: PruneClock,
        _ source: PostgresSource,
        to forecast: inout PruneForecast
    ) async throws(StoreError) {
        let range = verdict.due.partition.range
        let partition = Partition(of: type, containing: range.start)
        let bytes = try await source.bytes(of: "thermocline_store.\(partition.name)")
        let inside = activity.filter { $0.range.overlaps(range) }
        let rows = inside.reduce(0) { $0 + $1.rows }
        let pin = pins.first { $0.type == type.name && $0.range.overlaps(range) }
        if verdict.keeps == nil && pin == nil {
            forecast.leaving.append(
                PruneForecast.Leaving(
                    type: type.name,
                    range: range,
                    ranges: verdict.due.transfers.count,
                    rows: rows,
                    bytes: bytes,
                    statements: HotSQL.detach(partition, of: type).split(separator: ";\n").map(String.init)
                )
            )
            return
        }
        var left = rows
        for found in inside where found.rows > 0 && found.range.start >= range.start {
            let transfer = ledger.first { $0.type == type.name && $0.range == found.range }
            guard let transfer, transfer.state == .verified, transfer.stamp == found.stamp,
                planner.step(of: transfer, clock: clock) == .prune,
                !pins.contains(where: { $0.type == type.name && $0.range.overlaps(found.range) })
            else { continue }
            left -= found.rows
            forecast.leaving.append(
                PruneForecast.Leaving(
                    type: type.name,
                    range: found.range,
                    ranges: 1,
                    rows: found.rows,
                    bytes: Int(Double(bytes) * Double(found.rows) / Double(max(rows, 1))),
                    statements: [HotSQL.deleteRange(type, found.range)]
                )
            )
        }
        guard left > 0 || rows == 0 else { return }
        let reason = pin?.refusal ?? verdict.keeps ?? ""
        forecast.staying.append(PruneForecast.Staying(type: type.name, range: range, rows: left, reason: reason))
    }
}

extension PostgresSource {
    /// What a table takes on disk; 0 where there is none.
    func bytes(of table: String) async throws(StoreError) -> Int {
        try await session.transaction("measure \(table)") { connection throws(PostgresError) in
            try await connection.execute(HotSQL.bytes, [table]).scalar.flatMap(Int.init) ?? 0
        }
    }
}

import Adapters
import Platform
import Postgres
import PrivateServers
import Records
import TestSupport
import Tiering

/// Two fresh databases with the schema of the catalogue under test, and ways to fill and ask them.
struct Tiers: Sendable {
    static let bucket: Int64 = 3_600_000_000
    let hot: String
    let cold: String
    let catalog: Catalog
    let settings: HotSettings
    var format: ColdFormat
    /// How long after their events messages come, beside milliseconds.
    let lateness: Int64

    init(
        dedupe: Deduplication = .key,
        daysLate: Int64 = 0,
        format: ColdFormat = ColdFormat.underTest,
        _ change: (inout HotSettings) -> Void = { _ in }
    ) async throws {
        self.format = format
        lateness = daysLate * 86_400_000
        catalog = Catalog.underTest.deduplicated { _ in dedupe }
        let server = PrivatePostgres.current
        hot = server.conninfo(try await server.freshDatabase())
        cold = server.conninfo(try await server.freshDatabase())
        var settings = HotSettings(conninfo: hot, bucketMicros: Self.bucket)
        change(&settings)
        self.settings = settings
        for (tier, conninfo) in [(Tier.hot, hot), (.cold, cold)] {
            let connection = try await PostgresConnection(conninfo, applicationName: "test")
            try await SchemaKeeper(tier: tier, catalog: catalog, format: format)
                .apply(on: connection, bucketMicros: Self.bucket)
            await connection.close()
        }
    }

    var archive: ArchiveSettings {
        ArchiveSettings(hotConninfo: hot, coldConninfo: cold, bucketMicros: Self.bucket, format: format)
    }

    func source(_ type: RecordType) -> SourceID { SourceID(stream: "TEST_\(type.name)", filter: SourceID.everything) }

    /// Claims the type's lane and starts its first epoch.
    func claim(_ type: RecordType, previous: String? = nil) async throws -> PostgresLane {
        let hot = PostgresHot(settings: settings, catalog: catalog)
        guard case .claimed(let lane, let position) = try await hot.claim(source(type), type: type, previous: previous)
        else { throw NotClaimed() }
        if position.streamCreated == nil {
            _ = try await lane.startEpoch(1, created: Timestamp(micros: 1_000_000), at: 0, gap: nil)
        }
        return lane
    }
    struct NotClaimed: Error {}

    /// A batch of sample messages `numbers`, taking the position from `from` on.
    func batch(_ type: RecordType, _ numbers: Range<Int>, from: UInt64 = 0) throws -> LaneBatch {
        var batch = LaneBatch(epoch: 1, from: from)
        for number in numbers { try add(SampleMessage(type, number: number), to: &batch, type) }
        batch.repeated = batch.rows.deduplicateAndSort(as: type)
        return batch
    }

    /// Adds a message at the next sequence, as a lane does.
    func add(_ message: SampleMessage, to batch: inout LaneBatch, _ type: RecordType) throws {
        let subject = Array(message.subject.utf8)
        let sequence = batch.to + 1
        let time = Timestamp(milliseconds: 1_795_000_000_000 + lateness + Int64(sequence))
        try RecordDecoder(type: type, catalog: catalog).decode(
            message.payload.span,
            subject: subject.span,
            origin: MessageOrigin(sequence: sequence, time: time, receivedAt: time),
            into: &batch.rows
        )
        let entry = MessageBatch.Entry(
            streamSequence: sequence,
            consumerSequence: sequence,
            deliveryCount: 1,
            time: time,
            subject: 0..<subject.count,
            headers: subject.count..<subject.count,
            payload: subject.count..<subject.count + message.payload.count
        )
        batch.messages.append(MessageBatch(bytes: subject + message.payload, entries: [entry]))
        batch.to = sequence
        batch.messageTime = time
        batch.newestEvent = time
        batch.received += 1
    }

    func ask(_ conninfo: String, _ sql: String) async throws -> String? {
        let connection = try await PostgresConnection(conninfo, applicationName: "test")
        let answer = try await connection.execute(sql).scalar
        await connection.close()
        return answer
    }

    /// Runs a script; where it changes rows of cold, those in segments are made plain ones before.
    func tell(_ conninfo: String, _ sql: String) async throws {
        let connection = try await PostgresConnection(conninfo, applicationName: "test")
        if conninfo == cold, format == .segments {
            for type in catalog.types where sql.contains("thermocline_store.\(type.name)") {
                _ = try await connection.executeScript(Self.unpack(type))
            }
        }
        _ = try await connection.executeScript(sql)
        await connection.close()
    }

    private static func unpack(_ type: RecordType) -> String {
        let stored = type.allColumns.map { column in
            column.kind == .decimals ? "thermocline_store.packed(\(column.name)) AS \(column.name)" : column.name
        }
        let columns = type.allColumns.map(\.name).joined(separator: ", ")
        return """
            CREATE TEMP TABLE unpacked AS SELECT \(stored.joined(separator: ", ")) FROM thermocline.\(type.name);
            DELETE FROM thermocline_store.segment_\(type.name);
            DELETE FROM thermocline_store.\(type.name);
            INSERT INTO thermocline_store.\(type.name) (\(columns)) SELECT \(columns) FROM unpacked;
            DROP TABLE unpacked;
            """
    }
}

import Adapters
import Platform
import Postgres
import PrivateServers
import Records
import TestSupport
import Testing
import Tiering

@Suite(.privatePostgres, .privateNATS, .timeLimit(.minutes(5)), .enabled(if: RecordedData.isAvailable))
struct RecordedPipelineTests {
    @Test func `recorded data goes in and out to the last digit`() async throws {
        let pipeline = try await Pipeline()
        let messages = try RecordedData.eraC()
        try await pipeline.run(log: Logger(level: .info, format: .pretty)) {
            try await poll("lanes read", within: .seconds(30)) {
                let lanes = pipeline.ingest.lanes.all.values
                return lanes.count >= 7 && lanes.allSatisfy { $0.state == .reading }
            }
            try await pipeline.publish(messages)
            try await poll("all received", within: .seconds(120)) {
                pipeline.ingest.lanes.all.values.reduce(0) { $0 + $1.stored + $1.quarantined + $1.repeated }
                    >= messages.count
            }
            for type in pipeline.catalog.types {
                let rows = try await pipeline.query(pipeline.hot, "SELECT count(*) FROM thermocline.\(type.name)")
                print(type.name, rows)
            }
            print(
                try await pipeline.query(
                    pipeline.hot,
                    "SELECT reason, detail, count(*) FROM thermocline.quarantine GROUP BY 1,2"
                )
            )
        }
    }
}

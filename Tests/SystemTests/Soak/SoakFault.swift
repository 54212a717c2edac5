import Foundation
import JetStream
import PrivateServers
import TestSupport

/// What a soak does to the hot service and the servers it stands between.
enum SoakFault: String, CaseIterable, Sendable {
    case kill, takeOver, pause
    case cutPostgres, stallPostgres, restartPostgres, crashPostgres, endSessions, lockTable
    case cutNATS, stallNATS, restartNATS, deleteConsumers
}

/// The service under fire: one or two processes between two proxies.
actor SoakTarget {
    private let stage: Stage
    private let postgres: FaultProxy
    private let nats: FaultProxy
    private(set) var hot: Daemon

    /// Starts the service, reached by nobody but through the proxies.
    init(_ stage: Stage, postgres: FaultProxy, nats: FaultProxy) async throws {
        self.stage = stage
        self.postgres = postgres
        self.nats = nats
        hot = try await stage.run(["hot"])
    }

    /// Does `fault`, for about `length` where it lasts.
    func suffer(_ fault: SoakFault, for length: Duration) async throws {
        switch fault {
        case .kill:
            await hot.kill()
            hot = try await stage.run(["hot"])
        case .takeOver:
            let former = hot
            hot = try await stage.run(["hot"])
            await last(length)
            await former.kill()
        case .pause:
            hot.process.send(SIGSTOP)
            await last(length)
            hot.process.send(SIGCONT)
        case .cutPostgres: postgres.cut()
        case .stallPostgres: await stall(postgres, for: length)
        case .restartPostgres: try await PrivatePostgres.current.restart()
        case .crashPostgres:
            await PrivatePostgres.current.kill()
            try await PrivatePostgres.current.start()
        case .endSessions:
            try await stage.script(
                stage.hot,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'thermocline %'"
            )
        case .lockTable:
            try await stage.holding("LOCK TABLE thermocline_store.trade", on: stage.hot) { await last(length) }
        case .cutNATS: nats.cut()
        case .stallNATS: await stall(nats, for: length)
        case .restartNATS: try await PrivateNATS.current.restart()
        case .deleteConsumers: try await deleteConsumers()
        }
    }

    private func stall(_ proxy: FaultProxy, for length: Duration) async {
        proxy.stall()
        await last(length)
        proxy.resume()
    }

    /// Takes every lane's consumer away under it, as an operator who tidies up might.
    private func deleteConsumers() async throws {
        let sql = "SELECT stream, consumer FROM thermocline_store.ingest_position WHERE consumer IS NOT NULL"
        let named = try await stage.rows(stage.hot, sql)
        let connection = try await JetStreamConnection(ConnectionOptions(url: PrivateNATS.current.url, name: "soak"))
        for row in named {
            guard let stream = row[0], let consumer = row[1] else { continue }
            _ = try await connection.deleteConsumer(stream, consumer)
        }
        await connection.close()
    }

    /// How long a fault lasts is part of the fault, not a wait for something.
    private func last(_ length: Duration) async {
        try? await Task.sleep(for: length)  // tidy:allow the length of a fault
    }
}

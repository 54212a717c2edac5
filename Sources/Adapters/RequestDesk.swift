package import Platform
import Postgres
package import Records
package import Tiering

/// Carries out what the control plane asks of the archive, beside the passes and in sessions of its own.
///
/// Under the archiver's token: without the lease it refuses, and says who holds it.
package struct RequestDesk: Service {
    package let name = "requests"
    private let tiers: PostgresTiers
    private let types: [RecordType]
    private let planner: Planner
    private let inbox: Inbox<ArchiveCommand>
    private let board: ArchiveBoard
    /// Wakes the archiver: there is something to do.
    private let bell: Bell

    package init(
        tiers: PostgresTiers,
        types: [RecordType],
        policy: ArchivePolicy,
        inbox: Inbox<ArchiveCommand>,
        board: ArchiveBoard,
        bell: Bell
    ) {
        self.tiers = tiers
        self.types = types
        planner = Planner(policy: policy)
        self.inbox = inbox
        self.board = board
        self.bell = bell
    }

    package func run(until stop: Latch) async throws {
        while let command = await inbox.next(until: stop) {
            command.answer(await answer(command.ask))
        }
    }

    private func answer(_ ask: ArchiveCommand.Ask) async -> ArchiveAnswer {
        do {
            switch ask {
            case .create(let request): return try await create(request)
            case .show(let id):
                let found = try await tiers.transfers(ColdSQL.readTransferOrRequest, [id])
                return found.isEmpty ? .unknown(id: id) : .transfers(found)
            case .list: return .transfers(try await tiers.transfers(ColdSQL.readNewest, []))
            }
        } catch let refusal as TransferRequest.Refusal {
            return .refused(refusal)
        } catch {
            return .unavailable("\(error)")
        }
    }

    private func create(_ request: TransferRequest) async throws -> ArchiveAnswer {
        guard let token = board.current.token else {
            return .unavailable(board.current.trouble ?? "this archiver does not hold the lease yet")
        }
        guard let type = types.first(where: { $0.name == request.type }) else {
            preconditionFailure("the control plane asks for known types")
        }
        let source = try await tiers.openSource(token)
        let activity: [RangeActivity]
        do {
            activity = try await source.activity(of: [type], rangeMicros: planner.policy.rangeMicros)
        } catch {
            await source.close()
            throw error
        }
        await source.close()
        let target = try await tiers.openTarget(token)
        do {
            let ledger = try await target.ledger()
            let now = Timestamp(micros: WallClock.now())
            let targets = try request.targets(activity: activity, ledger: ledger, planner: planner, wall: now)
            let id = RandomID.uuid()
            let stamps = Dictionary(activity.map { ($0.range, $0.stamp) }) { $1 }
            let transfers = try await target.request(id, targets, stamps: stamps, of: request)
            await target.close()
            bell.ring()
            return .created(request: id, transfers)
        } catch {
            await target.close()
            throw error
        }
    }
}

extension PostgresTarget {
    /// Writes an operator's request into the ledger, one row a range, in one transaction.
    ///
    /// `stamps` are those that hot has now.
    func request(
        _ id: String,
        _ targets: [TransferRequest.Target],
        stamps: [TimeRange: String],
        of request: TransferRequest
    ) async throws(StoreError) -> [Transfer] {
        let rows = try await session.transaction("request \(request.type)") { connection throws(PostgresError) in
            var rows: [[String?]] = []
            for target in targets {
                let asked = Transfer(
                    id: RandomID.uuid(),
                    type: request.type,
                    range: target.range,
                    filter: target.filter
                )
                let parameters = LedgerRow.key(asked) + [id, request.prunes ? "t" : "f", stamps[target.range]]
                rows += try await connection.execute(ColdSQL.request, parameters).rows
            }
            return rows
        }
        return try rows.map { row throws(StoreError) in try LedgerRow.transfer(row) }
    }
}

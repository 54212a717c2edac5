import Digest
import Platform
import Records
import Tiering

/// Writes what the archiver tells as log lines, one an event.
enum ArchiveLog {
    static func write(_ event: ArchiveEvent, to log: Logger) {
        switch event {
        case .leaseTaken(let token): log.info("lease taken", .token(Int(token)))
        case .leaseHeld(let holder): log.info("lease held by another", .owner(holder))
        case .leaseLost(let token): log.warning("lease lost", .token(Int(token)))
        case .moved(let transfer, _): moved(transfer, log)
        case .transferFailed(let transfer, let detail, let disposition):
            log.warning(
                "transfer failed",
                .type(transfer.type),
                .rangeStart(transfer.range.start),
                .rangeEnd(transfer.range.end),
                .attempt(transfer.attempt),
                .disposition(disposition.rawValue),
                .detail(detail)
            )
        case .passFailed(let detail, let disposition):
            log.log(
                disposition == .halt ? .error : .warning,
                "pass failed",
                [.disposition(disposition.rawValue), .detail(detail)]
            )
        case .rests(let due, let rows, let locked):
            log.info(
                "partition rests",
                .type(due.partition.type),
                .rangeStart(due.partition.range.start),
                .rangeEnd(due.partition.range.end),
                .rows(rows),
                .duration(locked)
            )
        case .dropped(let resting):
            log.info(
                "partition dropped",
                .type(resting.type),
                .table(resting.name),
                .rangeStart(resting.range.start),
                .rangeEnd(resting.range.end),
                .rows(resting.rows)
            )
        case .scrubFailed(let detail, let disposition):
            log.warning("scrub failed", .disposition(disposition.rawValue), .detail(detail))
        case .packed(let partition, let packed):
            log.log(
                .info,
                "partition packed",
                place(partition) + [
                    .rows(packed.rows), .bytesBefore(packed.bytesBefore), .bytesAfter(packed.bytesAfter),
                ]
            )
        case .packFailed(let partition, let detail, let disposition):
            let why: [LogField] = [.disposition(disposition.rawValue), .detail(detail)]
            log.log(.warning, "packing failed", place(partition) + why)
        case .archiveLost(let detail): log.error("archive lost", .detail(detail))
        }
    }

    private static func place(_ partition: UnpackedPartition) -> [LogField] {
        [.type(partition.type), .rangeStart(partition.range.start), .rangeEnd(partition.range.end)]
    }

    private static func moved(_ transfer: Transfer, _ log: Logger) {
        let rows = transfer.hot?.rows ?? 0
        let part = transfer.filter.map { [LogField.filter($0)] } ?? []
        let range: [LogField] =
            [.type(transfer.type), .rangeStart(transfer.range.start), .rangeEnd(transfer.range.end)] + part + [
                .rows(rows)
            ]
        switch transfer.state {
        case .copied: log.log(.debug, "range copied", range)
        case .verified: log.log(.info, "range verified", range)
        case .pruned: log.log(.info, "range pruned", range)
        case .mismatched: log.log(.error, "range mismatched", range + [.detail(transfer.error ?? "")])
        case .unaccounted: log.log(.error, "range unaccounted", range + [.detail(transfer.error ?? "")])
        case .expired: log.log(.info, "range expired", range)
        case .planned, .failed: log.log(.debug, "range planned", range)
        }
    }
}

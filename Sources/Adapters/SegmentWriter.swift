import Platform
import Records
import Segments
import Tiering

/// The encoder of one copy, whose rows come chunk by chunk.
final class SegmentWriter: Sendable {
    private let encoder: Locked<SegmentEncoder>

    init(type: RecordType, limits: SegmentEncoder.Limits) {
        encoder = Locked(SegmentEncoder(type: type, limits: limits))
    }

    /// Adds rows; returns the segments that are ready.
    func add(_ rows: [UInt8], _ operation: String) throws(StoreError) -> [UInt8] {
        do {
            return try encoder.withLock { encoder throws(SegmentError) in
                try encoder.add(rows.span)
                return encoder.take()
            }
        } catch { throw Self.failure(error, operation) }
    }

    /// The segments that are left.
    func finish(_ operation: String) throws(StoreError) -> [UInt8] {
        do {
            return try encoder.withLock { encoder throws(SegmentError) in
                try encoder.finish()
                return encoder.take()
            }
        } catch { throw Self.failure(error, operation) }
    }

    private static func failure(_ error: SegmentError, _ operation: String) -> StoreError {
        switch error {
        case .malformed: StoreError(.corrupt, .halt, tier: "hot", operation: operation, detail: "\(error)")
        case .unordered, .unfit: mustMerge("\(error)", operation)
        }
    }

    /// As a unique index would put it: the rows cannot go straight in and are merged.
    static func mustMerge(_ detail: String, _ operation: String) -> StoreError {
        StoreError(.rejected, .reject, tier: "cold", operation: operation, sqlState: "23505", detail: detail)
    }
}

import Platform
package import Records

/// What was brought into the format that cold is to have.
package struct Packed: Sendable, Equatable {
    /// Partitions of which nothing waits any more.
    package var partitions = 0
    package var rows = 0
    /// What the rows took before and after, without indexes.
    package var bytesBefore = 0
    package var bytesAfter = 0

    package init(rows: Int = 0, bytesBefore: Int = 0, bytesAfter: Int = 0) {
        (self.rows, self.bytesBefore, self.bytesAfter) = (rows, bytesBefore, bytesAfter)
    }

    package static func += (sum: inout Packed, other: Packed) {
        sum.partitions += other.partitions
        sum.rows += other.rows
        sum.bytesBefore += other.bytesBefore
        sum.bytesAfter += other.bytesAfter
    }
}

/// A partition of cold that is to be brought into the format that cold is to have.
package struct UnpackedPartition: Sendable, Equatable {
    package var type: String
    package var range: TimeRange

    package init(type: String, range: TimeRange) { (self.type, self.range) = (type, range) }
}

/// The end of a pass: what cold keeps in another format than `cold.format`, or in segments that are too small.
extension Archiver {
    /// Packs what waits, oldest first, until so many rows were packed that the next pass goes on.
    ///
    /// What cannot be packed is told and waits; it keeps nothing else from being archived.
    func pack(_ work: Work) async throws(StoreError) {
        var left = packedRows
        guard left > 0, !work.isStopping() else { return }
        let sessions = try await open(work.token)
        let result = await Result { () async throws(StoreError) in
            let ready = types.filter { type in
                let status = board.current.types[type.name]
                return status?.halted == nil && status?.drift == nil
            }
            for waiting in try await sessions.target.unpacked(of: ready, at: now()) {
                guard left > 0, !work.isStopping(), let type = types.first(where: { $0.name == waiting.type })
                else { break }
                left -= try await pack(waiting, type, atMost: left, sessions.target, work)
            }
        }
        await sessions.close()
        try result.get()
    }

    /// Packs one partition as far as it may; returns how many rows that were.
    private func pack(
        _ waiting: UnpackedPartition,
        _ type: RecordType,
        atMost limit: Int,
        _ target: Tiers.Target,
        _ work: Work
    ) async throws(StoreError) -> Int {
        do throws(StoreError) {
            let packed = try await target.pack(waiting, type: type, atMost: limit, at: now(), unless: work.isStopping)
            board.update { $0.types[type.name, default: .init()].packed += packed }
            if packed.rows > 0 { report(.packed(waiting, packed)) }
            return packed.rows
        } catch {
            // Where cold is away, or another archiver has it, the pass is over.
            guard [.corrupt, .rejected, .failed].contains(error.code) else { throw error }
            report(.packFailed(waiting, detail: "\(error)", error.disposition))
            try await target.postpone(waiting, until: now().advanced(byMicros: Self.packsAgainAfter.micros))
            return 0
        }
    }

    /// An hour: what could not be packed would be read in vain in each pass.
    private static var packsAgainAfter: Duration { .seconds(3_600) }
}

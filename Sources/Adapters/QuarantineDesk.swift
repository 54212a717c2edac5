package import Postgres
package import Records
package import Tiering

/// Which of the messages kept aside are meant; nothing set means all of them.
package struct QuarantineFilter: Sendable, Equatable {
    /// The type that the subject names.
    package var type: TypeName?
    package var reason: String?
    package var stream: String?
    /// Kept aside at or after this instant.
    package var since: Timestamp?

    package enum TypeName: Sendable, Equatable {
        case known(String)
        /// The subject names no type of the catalogue.
        case unknown
    }

    package init() {}

    func parameters(_ catalog: Catalog) -> [String?] {
        let tokens: [String]? =
            switch type {
            case nil: nil
            case .known(let name): catalog.type(named: name)?.subjects.map(\.first) ?? []
            case .unknown: catalog.types.flatMap { $0.subjects.map(\.first) }
            }
        return [
            tokens.map { SQLText.array($0) }, type == .unknown ? "f" : "t", reason, stream, since?.description,
        ]
    }
}

/// A message kept aside, as an operator sees it.
package struct AsideMessage: Sendable, Equatable {
    package let stream: String
    package let sequence: UInt64
    /// The server's time of the message.
    package let time: Timestamp
    package let subject: String
    package let reason: String
    package let detail: String
    package let sqlState: String?
    package let payloadBytes: Int
    /// When it was kept aside.
    package let at: Timestamp

    init?(_ row: [String?]) {
        guard let stream = row[0], let sequence = row[1].flatMap(UInt64.init), let time = row[2].flatMap(Int64.init),
            let subject = row[3], let reason = row[4], let detail = row[5], let bytes = row[7].flatMap(Int.init),
            let at = row[8].flatMap(Int64.init)
        else { return nil }
        self.stream = stream
        self.sequence = sequence
        self.time = Timestamp(micros: time)
        self.subject = subject
        self.reason = reason
        self.detail = detail
        sqlState = row[6]
        payloadBytes = bytes
        self.at = Timestamp(micros: at)
    }

    /// The type that the subject names; nil where the catalogue has none.
    package func type(in catalog: Catalog) -> RecordType? {
        catalog.type(ofSubject: String(subject.prefix { $0 != "." }))
    }
}

/// What an operator does with the messages kept aside: look, drop; `QuarantineReplay` stores them.
package struct QuarantineDesk: Sendable {
    private let catalog: Catalog
    private let call: HotCall

    package init(catalog: Catalog, connection: PostgresConnection) {
        self.catalog = catalog
        call = HotCall(connection, "read the quarantine")
    }

    /// The newest messages, at most `limit`.
    package func list(_ filter: QuarantineFilter, limit: Int) async throws(StoreError) -> [AsideMessage] {
        let found = try await call.execute(HotSQL.listQuarantine, filter.parameters(catalog) + ["\(limit)"])
        return found.rows.compactMap(AsideMessage.init)
    }

    /// How many messages there are, and how many bytes of payload.
    package func count(_ filter: QuarantineFilter) async throws(StoreError) -> (messages: Int, bytes: Int) {
        let row = try await call.execute(HotSQL.countQuarantine, filter.parameters(catalog)).rows.first
        guard let messages = row?[0].flatMap(Int.init), let bytes = row?[1].flatMap(Int.init) else {
            throw call.halt("no count came back", .corrupt)
        }
        return (messages, bytes)
    }

    /// Every message kept aside under a sequence, oldest first: a stream that was made again uses sequences again.
    package func show(
        _ stream: String,
        _ sequence: UInt64
    ) async throws(StoreError) -> [(message: AsideMessage, headers: [UInt8], payload: [UInt8])] {
        let found = try await call.execute(HotSQL.showQuarantine, [stream, "\(sequence)"])
        return found.rows.compactMap { row in
            AsideMessage(row).map { ($0, ByteText.bytes(row[9] ?? ""), ByteText.bytes(row[10] ?? "")) }
        }
    }

    /// Deletes messages for good; returns how many.
    package func drop(_ filter: QuarantineFilter) async throws(StoreError) -> Int {
        let dropped = try await call.execute(HotSQL.dropQuarantine, filter.parameters(catalog)).affected
        try await call.execute(HotSQL.vacuumQuarantine)
        return dropped
    }
}
